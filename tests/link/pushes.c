/* Roots that are pushed inline, and nobody looks at the limit. */
#include "rootstock.h"

#define EXPORT(name) __attribute__((export_name(#name)))

/* Pushes a number of words, and pops them. 0 stands for the object. */
static void push(uint32_t words, void *object, uint32_t word) {
    uint32_t before = gc_sp;
    for (uint32_t i = 0; i < words; i++) {
        *(volatile uint32_t *)gc_sp = word ? word : (uint32_t)object;
        gc_sp += 4;
    }
    gc_sp = before;
}

/* Objects, pushes, and small objects: the number of those that are not new. */
EXPORT(objects) uint32_t objects(uint32_t words, uint32_t word, uint32_t count) {
    GC_ROOTS(roots, 1);
    uint32_t wrong = 0;
    void **first = roots[0] = alloc(64);
    push(words, first, word);
    for (uint32_t i = 0; i < count; i++) {
        void **object = alloc(16);
        wrong += object == first || object[0] || object[1];
        object[0] = object[1] = object;
    }
    return wrong;
}

/* The same with zeros. */
EXPORT(zeros) uint32_t zeros(uint32_t words, uint32_t count) {
    GC_ROOTS(roots, 1);
    roots[0] = alloc(64);
    push(words, 0, 0);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < count; i++) wrong += alloc(16) == roots[0];
    return wrong;
}

EXPORT(collection) uint32_t collection(uint32_t words, uint32_t word) {
    GC_ROOTS(roots, 1);
    roots[0] = alloc(64);
    push(words, roots[0], word);
    gc_collect();
    return gc_verify();
}
