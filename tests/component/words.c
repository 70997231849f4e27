/* A component by way of wasm-ld: it joins strings, and keeps things of the host in wrappers. */
#include "component.h"

#define IMPORT(name) __attribute__((import_module("demo:words/things"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

IMPORT("[method]thing.value") uint32_t thing_value(uint32_t thing);
IMPORT("[resource-drop]thing") void thing_drop(uint32_t thing);

/* The runtime calls this for each handle that has died: defined here, it is no import of the module. */
void host_decref_handle(uint32_t kind, uint32_t handle) {
    (void)kind;
    thing_drop(handle);
}

typedef struct string {
    char *bytes;
    uint32_t length;
} string;

/* What the program keeps: a root range. */
static struct {
    string result;
    uint32_t **things;
    uint32_t count;
} kept;

EXPORT("join") string *join(string *words, uint32_t count, uint32_t *things, uint32_t number) {
    gc_notify(UINT32_MAX);
    if (!kept.things) gc_add_roots(&kept, &kept + 1);
    /* the new things take the place of the old ones, which are dead from here on */
    kept.things = alloc(number * sizeof(uint32_t *));
    kept.count = number;
    for (uint32_t i = 0; i < number; i++) {
        uint32_t *thing = alloc_atomic(sizeof(uint32_t));
        *thing = things[i];
        register_wrapper(thing, 1, *thing);
        kept.things[i] = thing;
    }
    /* the arguments are held until cabi_post_join, so nothing needs a slot here */
    uint32_t length = 0;
    for (uint32_t i = 0; i < count; i++) length += words[i].length;
    char *at = kept.result.bytes = alloc_atomic(length);
    kept.result.length = length;
    for (uint32_t i = 0; i < count; i++) {
        __builtin_memcpy(at, words[i].bytes, words[i].length);
        at += words[i].length;
    }
    return &kept.result; /* the host reads it after the return: the root range holds it */
}

EXPORT("cabi_post_join") void post_join(string *result) {
    result->bytes = 0;
    component_post_return();
}

EXPORT("sum") uint32_t sum(void) {
    gc_notify(UINT32_MAX);
    uint32_t total = 0;
    for (uint32_t i = 0; i < kept.count; i++) total += thing_value(*kept.things[i]);
    return total;
}

EXPORT("collect") void collect(void) {
    gc_collect();
    gc_notify(UINT32_MAX);
}

EXPORT("pages") uint32_t pages(void) { return __builtin_wasm_memory_size(0); }

EXPORT("configure") void configure(uint32_t option, uint32_t value) {
    if (gc_configure(option, value) < 0) __builtin_trap();
}
