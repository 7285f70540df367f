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

#define MAX_WORDS 4
#define MAX_NODES (2 * MAX_WORDS * WORD_LEAVES)

/* Measured: walking a block of rows down a tree takes as long as its levels and so many
 * more. */
#define EXTRA_LEVELS 2.75

static uint32_t n_nodes_of(const Forest *forest, uint32_t tree) {
    return end_of_tree(forest, tree) - forest->trees[tree].root;
}

/* How many words a tree takes, or 0 if walking it is quicker. */
static uint32_t n_words_of(const Forest *forest, uint32_t tree) {
    const VectorUnit *unit = &forest->unit;
    uint32_t n_nodes = n_nodes_of(forest, tree);
    uint32_t n_inner = n_nodes / 2; /* each has two children */
    uint32_t n_leaves = n_inner + 1;
    uint32_t n_words = (n_leaves + WORD_LEAVES - 1) / WORD_LEAVES;

    if (n_nodes > MAX_NODES)
        return 0;
    double time = n_inner * unit->test_time + n_words * unit->word_time;
    double walking_time = forest->trees[tree].depth + EXTRA_LEVELS;
    return time < walking_time ? n_words : 0;
}

/* Where the leaves below each node of a tree are among all of its leaves. */
typedef struct {
    uint32_t start[MAX_NODES];
    uint32_t count[MAX_NODES];
} LeavesBelow;

static void find_leaves_below(const Node *root, uint32_t n_nodes, LeavesBelow *below) {
    /* Children are behind their parents. */
    for (uint32_t i = n_nodes; i--;) {
        uint32_t first = first_of(root + i);
        const uint32_t *children = below->count + i + first;
        below->count[i] = first ? children[0] + children[1] : 1;
    }

    below->start[0] = 0;
    for (uint32_t i = 0; i < n_nodes; i++) {
        uint32_t first = first_of(root + i);
        if (!first)
            continue;
        below->start[i + first] = below->start[i];
        below->start[i + first + 1] = below->start[i] + below->count[i + first];
    }
}

/* A word with 1 for the leaves from `start` up to `end`, at least one of which is in
 * the word. */
static uint32_t bits_of(uint32_t word, uint32_t start, uint32_t end) {
    uint32_t word_start = word * WORD_LEAVES;
    uint32_t word_end = word_start + WORD_LEAVES;
    uint32_t n_before = start > word_start ? start - word_start : 0;
    uint32_t n_behind = end < word_end ? word_end - end : 0;

    return (UINT32_MAX << n_before) & (UINT32_MAX >> n_behind);
}

/* The tests of one tree, word by word. */
typedef struct {
    uint32_t count[MAX_WORDS];
    Test tests[MAX_WORDS][MAX_NODES / 2];
} TreeTests;

static void find_tests(const Node *root, uint32_t n_nodes, const LeavesBelow *below,
                       TreeTests *found) {
    memset(found->count, 0, sizeof found->count);
    for (uint32_t i = 0; i < n_nodes; i++) {
        const Node *node = root + i;
        uint32_t first = first_of(node);
        if (!first)
            continue;

        uint32_t start = below->start[i];
        uint32_t end = start + below->count[i + first];
        uint32_t last_word = (end - 1) / WORD_LEAVES;
        for (uint32_t word = start / WORD_LEAVES; word <= last_word; word++) {
            uint32_t place = found->count[word]++;
            uint32_t mask = ~bits_of(word, start, end);
            found->tests[word][place] = (Test){node->key, mask, column_of(node)};
        }
    }
}

static void write_leaves(const Node *root, uint32_t n_nodes, const LeavesBelow *below,
                         float *leaves) {
    for (uint32_t i = 0; i < n_nodes; i++)
        if (!first_of(root + i))
            leaves[below->start[i]] = value_of(root + i);
}

/* How much room all trees need together. */
typedef struct {
    size_t n_words;
    size_t n_tests; /* at most: each word might have all inner nodes of its tree */
} Needs;

static Needs needs_of(const Forest *forest) {
    Needs needs = {0, 0};

    for (uint32_t i = 0; i < forest->n_trees; i++) {
        uint32_t n_words = n_words_of(forest, i);
        uint32_t n_inner = n_nodes_of(forest, i) / 2;
        needs.n_words += n_words;
        needs.n_tests += (size_t)n_words * n_inner;
    }
    return needs;
}

/* Fills in the tables of all small trees. */
static void write_trees(const Forest *forest, WordRange *ranges, Word *words,
                        Test *tests, float *leaves) {
    uint32_t n_words = 0; /* of the trees so far */
    uint32_t n_tests = 0;
    LeavesBelow below;
    TreeTests found;

    for (uint32_t i = 0; i < forest->n_trees; i++) {
        const Node *root = forest->nodes + forest->trees[i].root;
        uint32_t n_nodes = n_nodes_of(forest, i);
        uint32_t n_tree_words = n_words_of(forest, i);

        ranges[i] = (WordRange){n_words, n_words + n_tree_words};
        if (!n_tree_words)
            continue;
        find_leaves_below(root, n_nodes, &below);
        write_leaves(root, n_nodes, &below, leaves + (size_t)n_words * WORD_LEAVES);
        find_tests(root, n_nodes, &below, &found);
        for (uint32_t word = 0; word < n_tree_words; word++) {
            uint32_t n = found.count[word];
            uint32_t n_leaves = below.count[0] - word * WORD_LEAVES;
            memcpy(tests + n_tests, found.tests[word], n * sizeof(Test));
            words[n_words++] = (Word){n_tests, n_tests + n, n_leaves};
            n_tests += n;
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

    size_t ranges_size = forest->n_trees * sizeof(WordRange);
    size_t words_size = needs.n_words * sizeof(Word);
    size_t tests_size = needs.n_tests * sizeof(Test);
    size_t leaves_size = needs.n_words * WORD_LEAVES * sizeof(float);
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
