/* component.h: for components in C; component.c says how they use it. */
#ifndef ROOTSTOCK_COMPONENT_H
#define ROOTSTOCK_COMPONENT_H

#include "rootstock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In each cabi_post_...: lets go of what was held for the call. */
void component_post_return(void);

/* For programs that call imports for a long time: lets go of what was held since the mark. */
uint32_t component_mark(void);
void component_release(uint32_t mark);

#ifdef __cplusplus
}
#endif
#endif
