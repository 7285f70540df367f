/* A forest of decision trees in memory. What each file does with it:
 *
 *   _forest.c       the Python type; it checks the tables once, so that all other files
 *                   can trust them
 *   _alike.c        finds trees that differ in their leaves alone
 *   _walks.c        walks down the trees and adds up the leaves
 *   _bit_vectors.c  prepares small trees so that many rows need no walks
 *   _avx.c          evaluates the trees that were prepared
 *   _cut.c          copies a forest without the nodes that the given rows don't need
 *
 * movielens/flat_forest.py writes the tables, explains them and owns their limits.
 */

#ifndef FOREST_H
#define FOREST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Walks that take their steps together: one waits for memory while others go on. */
#define LANES 16
/* Rows that are evaluated together. */
#define BLOCK_ROWS 32
/* Leaves for which a word of bits has room. */
#define WORD_LEAVES 32
/* Words of a tree at most. */
#define MAX_WORDS 4

/* A tree as a buffer of NumPy describes it; struct and format say the same. */
#define TREE_FORMAT "T{I:root:H:group:H:depth:}"
typedef struct {
    uint32_t root;  /* the place of its first node among all nodes */
    uint16_t group; /* the class whose margin it adds to */
    uint16_t depth; /* steps from the root to the deepest leaf */
} Tree;

#define NODE_FORMAT "T{I:key:H:column:H:first:}"
typedef struct {
    uint32_t key;    /* the split point as a key; in a leaf, the bits of its value */
    uint16_t column; /* the column of a row's keys that it looks at */
    uint16_t first;  /* how many nodes further on its first child is; 0 in a leaf */
} Node;

/* A tree to walk down, or trees that are alike: then they are one behind the other, in
 * the order of all groups. */
typedef struct {
    uint32_t root;
    uint32_t n_nodes;  /* of each tree */
    uint32_t n_copies; /* how many trees are alike; 1 of a tree by itself */
    uint16_t group;    /* of the first tree */
    uint16_t depth;
} Walk;

/* An inner node's part in one word: rows that go to its second child keep only the bits
 * of `mask`. */
typedef struct {
    uint32_t key;
    uint32_t mask;
    uint32_t column;
} Test;

/* A word of a tree: which tests change it, and how many of the tree's leaves begin with
 * it, those of later words included. */
typedef struct {
    uint32_t first_test;
    uint32_t end_test;
    uint32_t n_leaves;
} Word;

/* The words of trees that are alike; trees without words are walked. The leaves of each
 * tree follow those of the one before. */
typedef struct {
    uint32_t first;
    uint32_t end;
    uint32_t first_leaves; /* in units of WORD_LEAVES */
    uint32_t n_copies;
} WordRange;

typedef struct Forest Forest;

/* Adds to BLOCK_ROWS sums the leaves in which that many rows end in a tree. The sums of
 * the next tree that is alike follow. `keys` has BLOCK_ROWS numbers for each column. */
typedef void AddLeaves(const Forest *forest, const WordRange *range,
                       const uint32_t *keys, float *sums);

/* Vector instructions for bit vectors. Times are measured; the unit is the time in
 * which a block of rows walks one level down a tree. */
typedef struct {
    int bits;              /* width of a vector; 0 where all trees are walked */
    AddLeaves *add_leaves; /* NULL where all trees are walked */
    double test_time;
    double word_time;
    size_t max_single_rows; /* so many rows are quicker one by one than as a block */
} VectorUnit;

/* What _bit_vectors.c prepares. */
typedef struct {
    const WordRange *ranges; /* one a walk; NULL where all trees are walked */
    const Word *words;
    const Test *tests;
    const float *leaves; /* WORD_LEAVES a word */
} BitVectors;

struct Forest {
    uint32_t n_features;
    uint32_t n_groups;
    uint32_t n_trees;
    uint32_t n_walks;
    uint32_t n_nodes; /* the end of the last tree */
    int softmax;      /* whether margins become probabilities */

    const float *base_margins;
    const Tree *trees; /* as they are in the tables; what is evaluated is `walks` */
    const Walk *walks;
    const Node *nodes;

    const uint16_t *columns; /* the columns that nodes look at; NULL for all columns */
    size_t n_columns;

    VectorUnit unit;
    BitVectors vectors;
};

/* A step multiplies these by a stride. As signed numbers they would have to be widened
 * in every step. */
static inline uint32_t column_of(const Node *node) {
    return node->column;
}

static inline uint32_t first_of(const Node *node) {
    return node->first;
}

static inline float value_of(const Node *leaf) {
    float value;
    memcpy(&value, &leaf->key, sizeof value);
    return value;
}

/* Where the nodes of a tree end. */
static inline uint32_t end_of_tree(const Forest *forest, uint32_t tree) {
    int is_last = tree + 1 == forest->n_trees;
    return is_last ? forest->n_nodes : forest->trees[tree + 1].root;
}

/* How many keys a row has: each feature twice (see _walks.c) and one for the leaves. */
static inline size_t width_of(const Forest *forest) {
    return 2 * (size_t)forest->n_features + 1;
}

/* Keys that no number has. */
#define ABOVE_ALL UINT32_MAX
#define BELOW_ALL 0

/* Keys are whole numbers in the order of the floats. A missing value is above all. */
static inline uint32_t key_of(float value) {
    const uint32_t sign = UINT32_C(1) << 31;
    uint32_t bits;

    if (value != value)
        return ABOVE_ALL;
    value += 0.0f; /* -0 becomes 0, which equals it */
    memcpy(&bits, &value, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

/* The same, but a missing value is below all. */
static inline uint32_t missing_below(uint32_t key) {
    return key == ABOVE_ALL ? BELOW_ALL : key;
}

/* Without this, a function of the same name in another library could be called. */
#pragma GCC visibility push(hidden)

/* Writes the walks of a forest's trees, at most one a tree, and returns how many. */
uint32_t find_walks(const Forest *forest, Walk *walks);

/* How many rows are evaluated together when `n_rows` are asked: 1 or BLOCK_ROWS. */
size_t rows_at_once(const Forest *forest, size_t n_rows);

/* Predicts rows, float32 (n_rows, n_features), into `answers`, float32 (n_rows,
 * n_groups). Answers are margins, or probabilities if they are to be `finished` and the
 * forest has a softmax. `keys` has room for width_of(), `sums` for n_groups numbers,
 * each as many times as rows_at_once() says. */
void predict(const Forest *forest, const float *values, size_t n_rows, int finished,
             uint32_t *keys, float *sums, float *answers);

/* A copy of the forest without the nodes that these rows don't need. The caller frees
 * `*memory`. Where there is no memory, `*memory` is NULL and the forest is the same. */
Forest cut(const Forest *forest, const float *values, size_t n_rows, void **memory);

/* Prepares small trees for the forest's vector unit. Returns memory that the caller
 * frees after the forest's last use; NULL, and all trees are walked, if there is none.
 */
void *prepare_bit_vectors(Forest *forest);

/* The widest vector unit of this processor with at most so many bits. */
VectorUnit find_vector_unit(int max_bits);

#pragma GCC visibility pop

#endif
