/* rootstock.h: Rootstock's ABI, version 1, for C that is linked with libruntime.a by wasm-ld.
 *
 * ABI.md is the reference; the names are the same. It needs clang 14 or later, as gc_sp is a wasm global.
 *
 * Each function has a second name that begins with rootstock_: rootstock_alloc is alloc, rootstock_collect is gc_collect.
 * A program that has functions of its own by names of the ABI, such as alloc, defines ROOTSTOCK_PREFIX_ONLY before it
 * includes this file, and calls the runtime's by their second names.
 *
 * A call marked with GC_SAFEPOINT may collect. What the program still needs must then be in a slot of the shadow
 * stack (GC_ROOTS), in a root range (gc_add_roots) or pinned (gc_pin). A C variable roots nothing: the collector does
 * not see it, be it in a wasm local or on the linear stack.
 *
 *     node *cons(node *next) {
 *         GC_ROOTS(roots, 1);                // one slot, given back when the block is left
 *         roots[0] = next;                   // alive as long as it is in the slot
 *         node *cell = alloc(sizeof(node));  // may collect
 *         cell->next = roots[0];
 *         return cell;
 *     }
 */
#ifndef ROOTSTOCK_H
#define ROOTSTOCK_H

#include <stdint.h>

#if !defined(__wasm__) || !defined(__clang__) || __clang_major__ < 14
#error "rootstock.h is for clang 14 or later, with --target=wasm32"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define GC_ABI_VERSION 1

/* The next free slot of the shadow stack: a wasm global, not a variable in memory, so it has no address. The linker does
 * not find it in a file that was compiled with -flto: such a file is compiled with -DROOTSTOCK_LTO too, and calls these
 * two functions in its place. */
void **rootstock_sp_get(void);
void rootstock_sp_set(void **sp);
#ifdef ROOTSTOCK_LTO
static inline void **gc_sp_(void) { return rootstock_sp_get(); }
static inline void gc_set_sp_(void **sp) { rootstock_sp_set(sp); }
#else
extern uint32_t __attribute__((address_space(1))) gc_sp;
static inline void **gc_sp_(void) { return (void **)gc_sp; }
static inline void gc_set_sp_(void **sp) { gc_sp = (uint32_t)sp; }
#endif

/* One past the last slot of the first shadow stack. */
void **rootstock_stack_limit(void);

/* Calls the constructors, once. wasm-ld's function of this name calls them each time; and a library that knows that the
 * program calls them itself does not export an _initialize of its own. */
#define __wasm_call_ctors rootstock_call_constructors
void rootstock_call_constructors(void);

/* Calls that may collect. */
#define GC_SAFEPOINT

#ifndef ROOTSTOCK_PREFIX_ONLY
GC_SAFEPOINT void *alloc(uint32_t size);        /* zeroed and scanned; traps where there is no memory */
GC_SAFEPOINT void *alloc_atomic(uint32_t size); /* for bytes without pointers: not scanned, not zeroed */
GC_SAFEPOINT void *try_alloc(uint32_t size);    /* as alloc, or null */
GC_SAFEPOINT void *try_alloc_atomic(uint32_t size); /* as alloc_atomic, or null */
#endif

/* Where an allocation of this size takes its cells from: {next, end, -, bytes in a cell}. ABI.md says how to use it. */
struct gc_run { char *next, *end; uint32_t reserved, cell_size; };
struct gc_run *gc_run(uint32_t size, uint32_t atomic);

/* An object that stands for a value of the host, which is notified when it dies. Make it with alloc_atomic: a handle may
   look like an address, and would keep another object alive. Allocate it first, then make the handle: if alloc_atomic traps
   after that, nothing stands for the handle, and nobody lets go of it. */
#ifndef ROOTSTOCK_PREFIX_ONLY
GC_SAFEPOINT void register_wrapper(void *object, uint32_t kind, uint32_t handle);
GC_SAFEPOINT void register_wrapper_sized(void *object, uint32_t kind, uint32_t handle, uint32_t external_bytes);
/* As register_wrapper, but with an error code instead of a trap; 0 if it is registered. */
GC_SAFEPOINT uint32_t try_register_wrapper(void *object, uint32_t kind, uint32_t handle);
int32_t release_wrapper(void *object); /* notifies the host now: 1, or 0 if the object stands for nothing */
#endif
/* What an object stands for, or null; the answer is good until the next safepoint or call with a wrapper. */
struct gc_wrapper { uint32_t kind, handle; };
const struct gc_wrapper *gc_wrapper(const void *object);
/* With GC_NOTIFY 0: notifies the host of at most max dead handles, and returns the number that is left. */
uint32_t gc_notify(uint32_t max);

GC_SAFEPOINT void gc_collect(void);
void gc_shutdown(void); /* notifies the host of every wrapper there is */

/* Not needed in an object link, where the linker knows how far static data reach. */
void gc_init(uint32_t static_end);

/* Static variables that hold pointers to objects: from the first up to the end of the last. */
void gc_add_roots(const void *start, const void *end);
void gc_remove_roots(const void *start, const void *end);

void gc_pin(void *object);
void gc_unpin(void *object);

/* More shadow stacks, for fibers and coroutines: 0 is the one that the program starts on. gc_sp is the top of the
 * current one; a collection scans each up to where it stands. */
uint32_t gc_stack_new(uint32_t slots);
uint32_t gc_stack_switch(uint32_t stack); /* goes on where that one was left; the one that was current */
void gc_stack_free(uint32_t stack);       /* not the current one */
void **gc_stack_end(void);                /* one past the last slot of the current one */

void *gc_base(const void *inside);  /* the object that an address lies in, or null */
uint32_t gc_size(const void *inside); /* its usable size, or 0 */

uint32_t gc_verify(void); /* 0, or the first broken invariant */
uint32_t gc_last_error(void);
uint32_t gc_last_error_arg(void);
uint32_t gc_abi_version(void);

enum gc_option {
    GC_EAGER = 0,
    GC_POISON = 1,
    GC_VERIFY = 2,
    GC_HEAP_LIMIT = 3,
    GC_GROWTH_PERCENT = 4,
    GC_MIN_HEAP = 5,
    GC_WRAP_LIMIT = 6,
    GC_INTERIOR = 7,
    GC_MAX_PAGES = 8,
    GC_MARK_STACK_LIMIT = 9,
    GC_NOTIFY = 10,
    GC_LARGE_INTERIOR = 11,
    GC_BLACKLIST = 12,
};
int32_t gc_configure(uint32_t option, uint32_t value); /* the old value, or -1 */

enum gc_statistic {
    GC_LIVE_BYTES = 0,
    GC_LIVE_OBJECTS = 1,
    GC_PEAK_BYTES = 2,
    GC_MEMORY_PAGES = 3,
    GC_COLLECTIONS = 4,
    GC_ALLOCATED_BYTES = 5,
    GC_ALLOCATED_OBJECTS = 6,
    GC_WRAPPERS = 7,
    GC_WRAPPERS_PEAK = 8,
    GC_WRAPPERS_REGISTERED = 9,
    GC_WRAPPERS_TOLD = 10,
    GC_STACK_HIGH_WATER = 11,
    GC_LAST_WORK = 12,
    GC_MAX_WORK = 13,
    GC_NESTED_REFUSED = 14,
    GC_EXTERNAL_BYTES = 15,
    GC_WRAP_CAPACITY = 16,
    GC_HEAP_BYTES = 17,
    GC_DEAD_QUEUED = 18,
    GC_PINS = 19,
    GC_ROOT_RANGES = 20,
    GC_MARK_OVERFLOWS = 21,
    GC_TABLE_BYTES = 22,
    GC_STACKS = 23,
};
int64_t gc_stat(uint32_t statistic); /* -1 for an unknown one */

/* The second names. */
GC_SAFEPOINT void *rootstock_alloc(uint32_t size);
GC_SAFEPOINT void *rootstock_alloc_atomic(uint32_t size);
GC_SAFEPOINT void *rootstock_try_alloc(uint32_t size);
GC_SAFEPOINT void *rootstock_try_alloc_atomic(uint32_t size);
struct gc_run *rootstock_run(uint32_t size, uint32_t atomic);
GC_SAFEPOINT void rootstock_register_wrapper(void *object, uint32_t kind, uint32_t handle);
GC_SAFEPOINT void rootstock_register_wrapper_sized(void *object, uint32_t kind, uint32_t handle, uint32_t external_bytes);
GC_SAFEPOINT uint32_t rootstock_try_register_wrapper(void *object, uint32_t kind, uint32_t handle);
int32_t rootstock_release_wrapper(void *object);
const struct gc_wrapper *rootstock_wrapper(const void *object);
uint32_t rootstock_notify(uint32_t max);
GC_SAFEPOINT void rootstock_collect(void);
void rootstock_shutdown(void);
void rootstock_init(uint32_t static_end);
void rootstock_add_roots(const void *start, const void *end);
void rootstock_remove_roots(const void *start, const void *end);
void rootstock_pin(void *object);
void rootstock_unpin(void *object);
uint32_t rootstock_stack_new(uint32_t slots);
uint32_t rootstock_stack_switch(uint32_t stack);
void rootstock_stack_free(uint32_t stack);
void **rootstock_stack_end(void);
void *rootstock_base(const void *inside);
uint32_t rootstock_size(const void *inside);
uint32_t rootstock_verify(void);
uint32_t rootstock_last_error(void);
uint32_t rootstock_last_error_arg(void);
uint32_t rootstock_abi_version(void);
int32_t rootstock_configure(uint32_t option, uint32_t value);
int64_t rootstock_stat(uint32_t statistic);

/* Traps if the current stack ends below `top`: that may be another than the first, and lies above it then. */
static __attribute__((noinline, unused)) void gc_reach_(void **top) {
    void **end = gc_stack_end();
    if (top > end) {
        gc_set_sp_(end + 1);
        rootstock_collect();
        __builtin_trap();
    }
}

/* Pushes `count` empty slots, and returns the first. Where they do not fit it traps with SHADOW_STACK_OVERFLOW, and
 * nothing is overwritten. */
static inline void **gc_push(uint32_t count) {
    void **frame = gc_sp_(), **top = frame + count;
    if (top > rootstock_stack_limit()) gc_reach_(top);
    for (void **slot = frame; slot < top; slot++) *slot = 0;
    gc_set_sp_(top);
    return frame;
}

/* Pops every slot from this one on. */
static inline void gc_pop(void **frame) { gc_set_sp_(frame); }

static inline void gc_leave_(void **const *frame) { gc_pop(*frame); }

/* Declares `name`, an array of `count` empty slots that are popped when the block is left, however it is left. */
#define GC_ROOTS(name, count) void **const name __attribute__((cleanup(gc_leave_))) = gc_push(count)

/* setjmp(env), with gc_sp put back when longjmp returns here: longjmp leaves blocks with GC_ROOTS without popping what
 * they pushed. */
#define GC_SETJMP(env)                           \
    __extension__({                              \
        void **volatile gc_before_ = gc_sp_();   \
        int gc_jumped_ = setjmp(env);            \
        if (gc_jumped_) gc_set_sp_(gc_before_);  \
        gc_jumped_;                              \
    })

#ifdef __cplusplus
}
#endif
#endif
