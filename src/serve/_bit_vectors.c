/* Prepares small trees so that many rows need no walks (QuickScorer: Lucchese et al.,
 * SIGIR 2015; several rows at once: SIGIR 2016).
 *
 * A row has a bit for each leaf of a tree, numbered from the first child's side. A node
 * that sends the row to its second child clears the bits of all leaves below its first
 * child. When all nodes have been asked, the lowest bit that is left belongs to the
 * leaf in which a walk would have ended: nodes off the row's path clear only bits above
 * it, or bits that the path has cleared too. So nodes may be asked in any order, and
 * none has to wait for another.
 *
 * Bits come in words of WORD_LEAVES. Each word has a list of the tests that clear bits
 * of it. _avx.c evaluates them.
 */

#include "_forest.h"

#include <stdlib.h>

#define MAX_NODES (2 * MAX_WORDS * WORD_LEAVES)

/* Measured: walking a block of rows down a tree takes as long as its levels and so many
 * more. */
#define EXTRA_LEVELS 2.75

/* How many words a tree takes, or 0 if walking it is quicker. */
static uint32_t n_words_of(const Forest *forest, const Walk *walk) {
    const VectorUnit *unit = &forest->unit;
    uint32_t n_nodes = walk->n_nodes;
    uint32_t n_inner = n_nodes / 2; /* each has two children */
    uint32_t n_leaves = n_inner + 1;
    uint32_t n_words = (n_leaves + WORD_LEAVES - 1) / WORD_LEAVES;

    if (n_nodes > MAX_NODES)
        return 0;
    double words_time = n_words * unit->word_time * walk->n_copies;
    double time = n_inner * unit->test_time + words_time;
    double walking_time = walk->depth + EXTRA_LEVELS * walk->n_copies;
    return time < walking_time ? n_words : 0;
}

/* What is found about a tree before its tests are written. */
typedef struct {
    uint32_t start[MAX_NODES]; /* the first of the leaves below each node */
    uint32_t count[MAX_NODES]; /* and how many there are */
    uint32_t n_tests[MAX_WORDS];
} Outline;

/* The words with leaves below a node's first child, which are those that it changes. */
static inline WordRange words_of(const Outline *outline, uint32_t node,
                                 uint32_t first_child) {
    uint32_t start = outline->start[node];
    uint32_t last = start + outline->count[first_child] - 1;
    return (WordRange){start / WORD_LEAVES, last / WORD_LEAVES + 1};
}

static void find_outline(const Node *root, uint32_t n_nodes, Outline *outline) {
    uint32_t *start = outline->start;
    uint32_t *count = outline->count;

    /* Children are behind their parents, so this goes from the leaves up. */
    for (uint32_t i = n_nodes; i--;) {
        uint32_t child = i + first_of(root + i);
        int is_leaf = child == i;
        count[i] = is_leaf ? 1 : count[child] + count[child + 1];
    }

    memset(outline->n_tests, 0, sizeof outline->n_tests);
    start[0] = 0;
    for (uint32_t i = 0; i < n_nodes; i++) {
        uint32_t child = i + first_of(root + i);
        if (child == i)
            continue;
        start[child] = start[i];
        start[child + 1] = start[i] + count[child];

        WordRange changed = words_of(outline, i, child);
        for (uint32_t word = changed.first; word < changed.end; word++)
            outline->n_tests[word]++;
    }
}

/* A word with 1 for the leaves from `start` up to `end`, at least one of which is in
 * the word. */
static inline uint32_t bits_of(uint32_t word, uint32_t start, uint32_t end) {
    uint32_t word_start = word * WORD_LEAVES;
    uint32_t word_end = word_start + WORD_LEAVES;
    uint32_t n_before = start > word_start ? start - word_start : 0;
    uint32_t n_behind = end < word_end ? word_end - end : 0;

    return (UINT32_MAX << n_before) & (UINT32_MAX >> n_behind);
}

/* Writes the leaves of a tree in their order. */
static void write_leaves(const Node *root, uint32_t n_nodes, const Outline *outline,
                         float *leaves) {
    for (uint32_t i = 0; i < n_nodes; i++) {
        const Node *node = root + i;
        if (!first_of(node))
            leaves[outline->start[i]] = value_of(node);
    }
}

/* Writes the tests of each word to where `tests` says. */
static void write_tree(const Node *root, uint32_t n_nodes, const Outline *outline,
                       Test **tests) {
    for (uint32_t i = 0; i < n_nodes; i++) {
        const Node *node = root + i;
        uint32_t child = i + first_of(node);
        uint32_t start = outline->start[i];
        if (child == i)
            continue;

        uint32_t end = start + outline->count[child];
        WordRange changed = words_of(outline, i, child);
        for (uint32_t word = changed.first; word < changed.end; word++) {
            uint32_t mask = ~bits_of(word, start, end);
            *tests[word]++ = (Test){node->key, mask, column_of(node)};
        }
    }
}

/* How much room all trees need together. */
typedef struct {
    size_t n_words;
    size_t n_leaves; /* in units of WORD_LEAVES */
    size_t n_tests;  /* at most: each word might have all inner nodes of its tree */
} Needs;

static Needs needs_of(const Forest *forest) {
    Needs needs = {0, 0, 0};

    for (uint32_t i = 0; i < forest->n_walks; i++) {
        const Walk *walk = forest->walks + i;
        uint32_t n_words = n_words_of(forest, walk);
        uint32_t n_inner = walk->n_nodes / 2;
        needs.n_words += n_words;
        needs.n_leaves += (size_t)n_words * walk->n_copies;
        needs.n_tests += (size_t)n_words * n_inner;
    }
    return needs;
}

/* Fills in the tables of all small trees. */
static void write_trees(const Forest *forest, WordRange *ranges, Word *words,
                        Test *tests, float *leaves) {
    uint32_t n_words = 0; /* of the trees so far */
    uint32_t n_leaves = 0;
    uint32_t n_tests = 0;
    Outline outline;

    for (uint32_t i = 0; i < forest->n_walks; i++) {
        const Walk *walk = forest->walks + i;
        const Node *root = forest->nodes + walk->root;
        uint32_t n_nodes = walk->n_nodes;
        uint32_t n_tree_words = n_words_of(forest, walk);

        ranges[i] =
            (WordRange){n_words, n_words + n_tree_words, n_leaves, walk->n_copies};
        if (!n_tree_words)
            continue;
        find_outline(root, n_nodes, &outline);

        Test *word_tests[MAX_WORDS];
        for (uint32_t word = 0; word < n_tree_words; word++) {
            uint32_t end = n_tests + outline.n_tests[word];
            uint32_t n_from_here = outline.count[0] - word * WORD_LEAVES;
            words[n_words++] = (Word){n_tests, end, n_from_here};
            word_tests[word] = tests + n_tests;
            n_tests = end;
        }
        write_tree(root, n_nodes, &outline, word_tests);
        for (uint32_t k = 0; k < walk->n_copies; k++) {
            float *tree_leaves = leaves + (size_t)n_leaves * WORD_LEAVES;
            write_leaves(root + (size_t)k * n_nodes, n_nodes, &outline, tree_leaves);
            n_leaves += n_tree_words;
        }
    }
}

void *prepare_bit_vectors(Forest *forest) {
    forest->vectors = (BitVectors){NULL, NULL, NULL, NULL};
    if (forest->unit.add_leaves == NULL)
        return NULL;
    Needs needs = needs_of(forest);
    if (!needs.n_words)
        return NULL;

    size_t ranges_size = forest->n_walks * sizeof(WordRange);
    size_t words_size = needs.n_words * sizeof(Word);
    size_t tests_size = needs.n_tests * sizeof(Test);
    size_t leaves_size = needs.n_leaves * WORD_LEAVES * sizeof(float);
    char *memory = malloc(ranges_size + words_size + tests_size + leaves_size);
    if (memory == NULL)
        return NULL;

    WordRange *ranges = (WordRange *)memory;
    Word *words = (Word *)(memory + ranges_size);
    Test *tests = (Test *)(memory + ranges_size + words_size);
    float *leaves = (float *)(memory + ranges_size + words_size + tests_size);
    memset(leaves, 0,
           leaves_size); /* a last word may have fewer than it has room for */
    write_trees(forest, ranges, words, tests, leaves);
    forest->vectors = (BitVectors){ranges, words, tests, leaves};
    return memory;
}
