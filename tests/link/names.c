/* A program with functions of its own by names of the ABI. */
#define ROOTSTOCK_PREFIX_ONLY
#include "rootstock.h"

#define EXPORT(name) __attribute__((export_name(#name)))

static char pool[4096];
static uint32_t used, calls;

char *alloc(uint32_t bytes) {
    calls++;
    used += bytes;
    return pool + used - bytes;
}

void register_wrapper(char *object, uint32_t kind, uint32_t handle) { object[kind] = (char)handle; }

void gc_collect(void) { calls += 1000; }

/* Objects of the runtime, wrappers and a collection: nothing of that calls the program's functions. */
EXPORT(mixed) int32_t mixed(int32_t count) {
    GC_ROOTS(roots, 1);
    for (int32_t i = 0; i < count; i++) {
        char *mine = alloc(8);
        if (mine < pool || mine >= pool + sizeof pool) return -1;
        char *object = roots[0] = rootstock_alloc_atomic(16);
        if (object >= pool && object < pool + sizeof pool) return -2;
        rootstock_register_wrapper_sized(object, 1, i + 1, 100);
    }
    rootstock_collect();
    if (rootstock_stat(GC_WRAPPERS) != 1 || rootstock_stat(GC_COLLECTIONS) < 1) return -3;
    char bytes[2];
    register_wrapper(bytes, 1, calls);
    return bytes[1] + 1;
}
