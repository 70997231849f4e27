/* longjmp over blocks with GC_ROOTS, which pop nothing then. */
#include "rootstock.h"

#define EXPORT(name) __attribute__((export_name(#name)))

/* As a C library has it; jumps_runtime.c is the rest. */
typedef long jmp_buf[8];
int setjmp(jmp_buf) __attribute__((returns_twice));
void longjmp(jmp_buf, int) __attribute__((noreturn));

static jmp_buf back;

__attribute__((noinline)) static void deep(int depth) {
    GC_ROOTS(roots, 4);
    roots[0] = alloc(16);
    if (depth) deep(depth - 1);
    else longjmp(back, 3);
    roots[1] = roots[0];
}

/* Jumps n times: the sum of what longjmp was given, times a million, and by how much gc_sp is off afterwards. */
EXPORT(jumps) int32_t jumps(int32_t n) {
    uint32_t base = gc_sp;
    volatile int32_t sum = 0;
    for (volatile int32_t i = 0; i < n; i++) {
        int jumped = GC_SETJMP(back);
        if (jumped) sum += jumped;
        else deep(5);
    }
    return sum * 1000000 + (int32_t)(gc_sp - base);
}

/* The same without the macro. */
EXPORT(leaks) int32_t leaks(int32_t n) {
    uint32_t base = gc_sp;
    for (volatile int32_t i = 0; i < n; i++)
        if (!setjmp(back)) deep(5);
    return (int32_t)(gc_sp - base);
}
