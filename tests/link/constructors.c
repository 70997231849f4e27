/* Constructors: they run once, before the first call. The object that the first makes is kept by a root range. */
#include "rootstock.h"

#define EXPORT(name) __attribute__((export_name(#name)))

static int runs;
static int *kept;

__attribute__((constructor)) static void keep(void) {
    runs++;
    gc_add_roots(&kept, &kept + 1);
    kept = alloc(sizeof(int));
    *kept = 77;
}

EXPORT(constructed) int constructed(void) { return runs; }
EXPORT(ranges) int ranges(void) { return (int)gc_stat(GC_ROOT_RANGES); }

/* What the object holds after a collection. */
EXPORT(held) int held(void) {
    gc_collect();
    return kept ? *kept : 0;
}

#ifdef OWN_INITIALIZE
/* A reactor of its own: the name in the file is not that of the export. */
extern void __wasm_call_ctors(void);
EXPORT(_initialize) void begin(void) {
    __wasm_call_ctors();
    runs += 10;
}
#endif

#ifdef OWN_START
/* A command. */
extern void __wasm_call_ctors(void);
EXPORT(_start) void _start(void) {
    __wasm_call_ctors();
    runs += 100;
}
#endif
