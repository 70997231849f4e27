/* A program in C that is linked with libruntime.a: a dictionary, deep recursion, host handles, large static data.
 * program.rs beside it is the same program in Rust; the tests ask both for the same results. */
#include "rootstock.h"

#define EXPORT(name) __attribute__((export_name(#name)))
#define HOST(name) __attribute__((import_module("host"), import_name(#name)))

HOST(handle_new) int32_t handle_new(int32_t kind, int64_t value);
HOST(handle_count) int32_t handle_count(void);

/* As every C program has it; libruntime.a defines it. */
void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes);

/* A word of the dictionary: a node of a binary search tree. */
typedef struct word {
    char *text; /* without pointers, so from alloc_atomic */
    uint32_t length;
    uint32_t count;
    struct word *left, *right;
} word;

static const char *const SYLLABLES[16] = {"ba",  "con", "di", "fe", "gor", "hu", "ji",  "ka",
                                          "lem", "mo",  "nu", "po", "qua", "re", "sti", "to"};

static uint32_t scramble(uint32_t i) {
    i *= 2654435761u;
    i ^= i >> 15;
    return i * 2246822519u;
}

static int32_t compare(const char *a, uint32_t a_length, const char *b, uint32_t b_length) {
    for (uint32_t i = 0; i < a_length && i < b_length; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return a_length < b_length ? -1 : a_length > b_length;
}

/* A new object with the word of this number, of three syllables. */
static char *spell(uint32_t number, uint32_t *length) {
    char buffer[16];
    uint32_t used = 0;
    for (uint32_t syllable = 0; syllable < 3; syllable++, number >>= 4)
        for (const char *from = SYLLABLES[number & 15]; *from; from++) buffer[used++] = *from;
    char *text = alloc_atomic(used);
    memcpy(text, buffer, used);
    *length = used;
    return text;
}

/* Counts a word. The dictionary is in roots[0], which the caller has; roots[1] is for the text. */
static void count_word(void **roots, uint32_t number) {
    uint32_t length;
    char *text = spell(number, &length); /* may collect */
    word **place = (word **)&roots[0];
    while (*place) {
        int32_t order = compare(text, length, (*place)->text, (*place)->length);
        if (order == 0) {
            (*place)->count++;
            return; /* and the text is garbage */
        }
        place = order < 0 ? &(*place)->left : &(*place)->right;
    }
    roots[1] = text;
    word *new_word = alloc(sizeof(word)); /* may collect: nothing but roots[1] has the text */
    new_word->text = text;
    new_word->length = length;
    new_word->count = 1;
    *place = new_word; /* objects do not move, so a pointer into one stays right as long as the tree is rooted */
}

static uint64_t checksum(const word *tree, uint64_t sum) {
    if (!tree) return sum;
    sum = checksum(tree->left, sum);
    for (uint32_t i = 0; i < tree->length; i++) sum = sum * 31 + (unsigned char)tree->text[i];
    return checksum(tree->right, sum * 31 + tree->count);
}

/* Counts `n` words, and sums them up in order. */
EXPORT(dictionary) uint64_t dictionary(uint32_t n) {
    GC_ROOTS(roots, 2);
    for (uint32_t i = 0; i < n; i++) count_word(roots, scramble(i) >> 20);
    return checksum(roots[0], 0);
}

typedef struct cell {
    struct cell *next;
    uint32_t value;
} cell;

/* A list of `depth` cells, each made on the way down and looked at on the way back. */
static cell *descend(uint32_t depth, uint64_t *sum) {
    if (depth == 0) return 0;
    GC_ROOTS(roots, 2);
    cell *mine = alloc(sizeof(cell));
    mine->value = depth;
    roots[0] = mine;
    roots[1] = descend(depth - 1, sum);
    mine = alloc(sizeof(cell)); /* one more, so that a root that was lost is overwritten */
    mine->value = ((cell *)roots[0])->value;
    mine->next = roots[1];
    *sum += mine->value;
    return mine;
}

/* The sum of a list that is made `depth` calls deep. */
EXPORT(recurse) uint64_t recurse(uint32_t depth) {
    uint64_t down = 0, along = 0;
    GC_ROOTS(roots, 1);
    roots[0] = descend(depth, &down);
    gc_collect();
    for (cell *at = roots[0]; at; at = at->next) along += at->value;
    return down == along ? along : 0;
}

typedef struct keeper {
    struct keeper *next;
    void *wrapper;
} keeper;

/* A static variable that holds objects: the collector knows of it from the first call of `handles` on. */
static keeper *kept;

/* Makes `n` objects that stand for handles, and keeps every tenth; how many handles are alive after a collection. */
EXPORT(handles) int32_t handles(uint32_t n) {
    static int known;
    if (!known++) gc_add_roots(&kept, &kept + 1);
    GC_ROOTS(roots, 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *wrapper = alloc_atomic(8); /* a handle may look like an address */
        roots[0] = wrapper;
        wrapper[0] = handle_new(1, i);
        register_wrapper(wrapper, 1, wrapper[0]);
        if (i % 10 == 0) {
            keeper *first = alloc(sizeof(keeper));
            first->next = kept;
            first->wrapper = wrapper;
            kept = first;
        }
    }
    roots[0] = 0;
    gc_collect();
    return handle_count();
}

/* Lets go of what `handles` kept; how many handles are alive after a collection. */
EXPORT(forget) int32_t forget(void) {
    kept = 0;
    gc_collect();
    return handle_count();
}

/* Five megabytes of static data, far more than there is room for below the shadow stack. */
#define TABLE (5 * 1024 * 1024 / 4)
static uint32_t table[TABLE];

/* Fills the table, makes a heap of `n` objects and fills them: how many of them lie in the table, plus how many words
 * of it have changed. */
EXPORT(statics) uint32_t statics(uint32_t n) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < TABLE; i++) table[i] = scramble(i);
    GC_ROOTS(roots, 1);
    for (uint32_t i = 0; i < n; i++) {
        void **object = alloc(64);
        for (uint32_t word = 1; word < 16; word++) object[word] = (void *)0xffffffff;
        object[0] = roots[0];
        roots[0] = object;
        wrong += (uint32_t *)object >= table && (uint32_t *)object < table + TABLE;
    }
    gc_collect();
    for (uint32_t i = 0; i < TABLE; i++) wrong += table[i] != scramble(i);
    return wrong;
}

/* Recursion that uses the linear stack: `depth` frames of a kilobyte and more. */
EXPORT(linear) uint32_t linear(uint32_t depth) {
    volatile uint32_t frame[256];
    frame[depth & 255] = depth;
    if (depth == 0) return 0;
    uint32_t below = linear(depth - 1);
    return below + (frame[depth & 255] == depth);
}

/* `depth` frames of four roots each, however many there may be. */
EXPORT(overflow) uint32_t overflow(uint32_t depth) {
    GC_ROOTS(roots, 4);
    roots[0] = roots;
    return depth == 0 ? 0 : overflow(depth - 1) + (roots[0] == roots);
}
