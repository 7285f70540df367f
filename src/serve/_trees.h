/* A flat forest's structures, and what is done with them. */

#ifndef TREES_H
#define TREES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Walks that go on at once, and rows that are summed at once. */
#define LANES 16
#define ROWS 32
#define FEW_ROWS (ROWS / 2) /* as quick one by one */
#define MOST_GROUPS 256
#define LEAVES 32 /* of a word of bits */

enum { IDENTITY = 0, SOFTMAX = 1 };

typedef struct {
    char magic[8];
    uint32_t version, n_features, n_groups, n_trees, n_nodes, transform;
} Header;

typedef struct {
    uint32_t root, group_and_depth; /* group in the lower 16 bits */
} Tree;

typedef struct {
    uint32_t key;           /* of a leaf: the bits of its value */
    uint16_t column, first; /* distance to the first child */
} Node;

/* What a node asks, and the bits that are left of a word where it sends a row to its
 * second child (_exits.c). */
typedef struct {
    uint32_t key, mask, column;
} Test;

/* The tests that take bits of a word, and how many leaves it stands for, which may be
 * more than it has bits. */
typedef struct {
    uint32_t first, end, n_leaves;
} Word;

/* A tree's words; rows walk through one that has none. */
typedef struct {
    uint32_t first, end;
} Exits;

typedef struct Parts Parts;
/* Adds to ROWS sums what a tree says of as many rows. */
typedef void AddExits(const Parts *forest, const Exits *exits, const uint32_t *rows,
                      float *sums);

/* What adds them, and what a test and a word take, where 1 is what ROWS rows take down
 * one level of a tree. */
typedef struct {
    AddExits *add;
    double test, word;
} Processor;

struct Parts {
    Header header;
    const float *base; /* NULL where the margins of the trees before these are given */
    const Tree *trees;
    const Node *nodes;
    const uint16_t *columns; /* those that nodes look at, in the order of the nodes'
                                numbers; NULL where it is all */
    size_t n_columns;
    AddExits *add_exits; /* NULL where all trees walk, for want of memory too */
    const Exits *exits;  /* one a tree */
    const Word *words;
    const Test *tests;
    const float *leaves; /* LEAVES a word */
};

/* Unsigned, or each step would extend a sign. */
static inline uint32_t column_of(const Node *node) {
    return node->column;
}
static inline uint32_t first_of(const Node *node) {
    return node->first;
}
static inline uint32_t group_of(const Tree *tree) {
    return tree->group_and_depth & 0xFFFF;
}
static inline uint32_t depth_of(const Tree *tree) {
    return tree->group_and_depth >> 16;
}
static inline size_t width_of(const Header *header) {
    return 2 * (size_t)header->n_features + 1;
}
static inline float value_of(const Node *leaf) {
    float value;
    memcpy(&value, &leaf->key, sizeof value);
    return value;
}

#define ABOVE UINT32_MAX
#define BELOW 0

/* The key of a number, or ABOVE, which no number has, as none has BELOW. */
static inline uint32_t key_of(float value) {
    uint32_t bits, sign = UINT32_C(1) << 31;
    if (value != value)
        return ABOVE;
    value += 0.0f; /* -0 becomes 0, which equals it */
    memcpy(&bits, &value, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

static inline uint32_t other_key(uint32_t key) {
    return key == ABOVE ? BELOW : key;
}

/* Nobody else's functions of these names shall stand in for them. */
#pragma GCC visibility push(hidden)

/* Margins, or what becomes of them where they are `finished`, of n_rows rows; without a
 * base they go on from those that are there. `rows` has room for ROWS rows of
 * width_of(), or for one where there are FEW_ROWS or fewer. */
void predict(const Parts *forest, const float *values, size_t n_rows, int finished,
             uint32_t *rows, float *margins);

/* The forest as these rows need it, in memory that the caller frees by `*memory`; the
 * forest itself if there is none. */
Parts cut(const Parts *forest, const float *values, size_t n_rows, void **memory);

/* Adds their exits to small trees; returns memory that the caller frees. */
void *find_exits(Parts *forest);
Processor this_processor(void);

#pragma GCC visibility pop

#endif
