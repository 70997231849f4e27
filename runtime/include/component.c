/* component.c: what a component needs of its memory, for programs in C that wasm-ld links with libruntime.a.
 *
 * A host that calls an export of a component asks cabi_realloc for memory first, once for each string and list of the
 * arguments, and once for each that an import returns. Nothing roots these objects until the program runs, so they are
 * held here until the call is over:
 *
 *     __attribute__((export_name("f"))) result *f(...) { ... }
 *     __attribute__((export_name("cabi_post_f"))) void post_f(result *r) { component_post_return(); }
 *
 * Neither cabi_realloc nor cabi_post_... may call out of the component, and any allocation may find dead handles. So the
 * runtime only queues them from the first call of cabi_realloc on. A program that has wrappers notifies the host of them
 * itself, with gc_notify(UINT32_MAX) at the start of its exports. It defines `host_decref_handle`, or imports it.
 */
#include "component.h"

/* An object of ours, pinned, with a slot for each object that is held. */
static struct {
    void **slots;
    uint32_t capacity, count;
    _Bool queues;
} held;

/* Slots of the first table, and those of the largest that is kept from call to call. */
enum { LEAST = 64, KEPT = 4096 };

static void grow(void) {
    uint32_t capacity = held.capacity ? 2 * held.capacity : LEAST;
    void **slots = alloc(capacity * sizeof(void *));
    if (held.slots) __builtin_memcpy(slots, held.slots, held.count * sizeof(void *));
    gc_pin(slots);
    if (held.slots) gc_unpin(held.slots);
    held.slots = slots;
    held.capacity = capacity;
}

/* Memory for what the host passes. It stays where it is as long as it lives, so the program may keep it, and root it as
 * any other object. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, uint32_t old_size, uint32_t align, uint32_t size) {
    if (size == 0) return (void *)align; /* where there are no bytes, nothing is read or written */
    /* a string that turned out shorter, or that its cell has room for */
    if (old_size != 0 && size <= gc_size(old)) return old;
    if (!held.queues) gc_configure(GC_NOTIFY, 0);
    held.queues = 1;
    if (held.count == held.capacity) grow(); /* first, so that the object is held as soon as it is there */
    /* No pointers lie in what has a smaller alignment than theirs: characters, bytes, flags. */
    void *new = align < sizeof(void *) ? alloc_atomic(size) : alloc(size);
    held.slots[held.count++] = new;
    if (old_size != 0) __builtin_memcpy(new, old, old_size); /* old is held still */
    return new;
}

uint32_t component_mark(void) { return held.count; }

void component_release(uint32_t mark) {
    if (mark >= held.count) return;
    for (uint32_t i = mark; i < held.count; i++) held.slots[i] = 0;
    held.count = mark;
    /* One large call is no reason to scan a large table in every collection from then on. */
    if (mark == 0 && held.capacity > KEPT) {
        gc_unpin(held.slots);
        held.slots = 0;
        held.capacity = 0;
    }
}

void component_post_return(void) { component_release(0); }
