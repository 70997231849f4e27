/* What clang makes calls of with -mllvm -wasm-enable-sjlj; a C library has these functions. */
#include <stdint.h>

struct state {
    void *id;
    uint32_t label;
    struct { void *env; int value; } argument;
};

void __wasm_setjmp(struct state *env, uint32_t label, void *id) {
    env->id = id;
    env->label = label;
}

uint32_t __wasm_setjmp_test(struct state *env, void *id) { return env->id == id ? env->label : 0; }

void __wasm_longjmp(struct state *env, int value) {
    env->argument.env = env;
    env->argument.value = value ? value : 1;
    __builtin_wasm_throw(1, &env->argument);
}
