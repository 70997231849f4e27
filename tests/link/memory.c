/* Where the heap lies, and who else has memory. */
#include "rootstock.h"

#define EXPORT(name) __attribute__((export_name(#name)))

typedef struct cell {
    struct cell *next;
    int32_t value;
} cell;

/* The sum of the numbers up to n, by way of a list, with garbage. */
EXPORT(sum) int32_t sum(int32_t n) {
    GC_ROOTS(roots, 1);
    for (int32_t i = 1; i <= n; i++) {
        cell *first = alloc(sizeof(cell));
        first->value = i;
        first->next = roots[0];
        roots[0] = first;
        alloc(100);
    }
    int32_t total = 0;
    for (cell *at = roots[0]; at; at = at->next) total += at->value;
    return total;
}

/* Fills 4 GiB with objects that are pinned: how many of them end at 2^32, where a pointer one past the end is null. */
EXPORT(wrap) int32_t wrap(void) {
    gc_configure(GC_MAX_PAGES, 65536);
    int32_t wrong = 0;
    for (uint32_t size = 8 << 20; size >= 16; size >>= 1)
        for (char *object; (object = try_alloc(size));) {
            wrong += object + gc_size(object) == 0;
            if (size >= 4096) gc_pin(object);
        }
    return wrong;
}

#ifdef MALLOC
void *malloc(__SIZE_TYPE__ bytes);
void *memset(void *at, int value, __SIZE_TYPE__ bytes);

/* Allocates an object before the first malloc, and fills what malloc gives: what the object holds then. */
EXPORT(beside_malloc) int32_t beside_malloc(int32_t pieces) {
    GC_ROOTS(roots, 1);
    cell *first = roots[0] = alloc(sizeof(cell));
    first->value = 42;
    for (int32_t i = 0; i < pieces; i++) {
        char *piece = malloc(16000);
        if (!piece) return -1;
        memset(piece, 0x11, 16000);
        if ((char *)roots >= piece && (char *)roots < piece + 16000) return -2;
    }
    alloc(100);
    gc_collect();
    return ((cell *)roots[0])->value;
}
#endif
