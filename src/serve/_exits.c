/* Rows through small trees by bit vectors (QuickScorer: Lucchese et al., SIGIR 2015;
 * several rows at once: SIGIR 2016). A row holds a bit for each leaf. A node that sends
 * it to its second child takes the bits of all leaves below its first; a node off the
 * row's path takes only bits that don't matter. So nodes may be asked in any order,
 * none waits for another, and the lowest bit that is left is the leaf in which a walk
 * would have ended.
 *
 * A tree has as many words of bits as its leaves need, each with the nodes that take
 * bits of it. What this file makes of a forest, _vectors.c asks. Which trees are small
 * enough was measured, for each kind of processor.
 */

#include "_trees.h"

#include <stdlib.h>

#define MOST_WORDS 4
#define MOST_NODES (2 * MOST_WORDS * LEAVES)

static uint32_t n_nodes_of(const Parts *forest, uint32_t tree) {
    uint32_t end = tree + 1 < forest->header.n_trees ? forest->trees[tree + 1].root
                                                     : forest->header.n_nodes;
    return end - forest->trees[tree].root;
}

/* How many words a tree has; 0 if it walks. */
static uint32_t n_words_of(const Parts *forest, uint32_t tree,
                           const Processor *processor) {
    uint32_t n_nodes = n_nodes_of(forest, tree),
             n_words = (n_nodes / 2 + LEAVES) / LEAVES;
    double time = n_nodes / 2 * processor->test + n_words * processor->word;
    return n_nodes <= MOST_NODES && time < depth_of(forest->trees + tree) + 1 ? n_words
                                                                              : 0;
}

/* Of a tree. */
typedef struct {
    uint32_t start[MOST_NODES], count[MOST_NODES]; /* of the leaves below each node */
    uint32_t n_tests[MOST_WORDS + 1];              /* those of all words before */
} Below;

/* The words that a node takes bits of, if it isn't a leaf. */
#define EACH_WORD(word, below, node, first)                                            \
    for (uint32_t                                                                      \
             word = (below)->start[node] / LEAVES,                                     \
             last = ((below)->start[node] + (below)->count[(node) + (first)] - 1) /    \
                    LEAVES;                                                            \
         word <= last; word++)

static void find_below(const Node *root, uint32_t n_nodes, Below *below) {
    for (uint32_t i = n_nodes; i--;) {
        uint32_t first = first_of(root + i);
        below->count[i] =
            first ? below->count[i + first] + below->count[i + first + 1] : 1;
    }
    below->start[0] = 0;
    memset(below->n_tests, 0, sizeof below->n_tests);
    for (uint32_t i = 0; i < n_nodes; i++) {
        uint32_t first = first_of(root + i);
        if (!first)
            continue;
        below->start[i + first] = below->start[i];
        below->start[i + first + 1] = below->start[i] + below->count[i + first];
        EACH_WORD(word, below, i, first)
        below->n_tests[word + 1]++;
    }
    for (uint32_t word = 0; word < MOST_WORDS; word++)
        below->n_tests[word + 1] += below->n_tests[word];
}

/* The bits of a word among those of a tree from `start` up to `end`, of which there are
 * some. */
static uint32_t bits_of(uint32_t word, uint32_t start, uint32_t end) {
    uint32_t low = word * LEAVES, from = start > low ? start - low : 0;
    return UINT32_MAX >> (end < low + LEAVES ? low + LEAVES - end : 0) & UINT32_MAX
                                                                             << from;
}

static void fill(const Node *root, uint32_t n_nodes, Below *below, Test *tests,
                 float *leaves) {
    for (uint32_t i = 0; i < n_nodes; i++) {
        const Node *node = root + i;
        uint32_t first = first_of(node), start = below->start[i];
        if (!first) {
            leaves[start] = value_of(node);
            continue;
        }
        EACH_WORD(word, below, i, first)
        tests[below->n_tests[word]++] =
            (Test){node->key, ~bits_of(word, start, start + below->count[i + first]),
                   column_of(node)};
    }
}

void *find_exits(Parts *forest) {
    const Processor processor = this_processor();
    uint32_t n_trees = forest->header.n_trees, n_words = 0, n_tests = 0;
    size_t most_words = 0, most_tests = 0;
    for (uint32_t i = 0; i < n_trees; i++) {
        uint32_t n = n_words_of(forest, i, &processor);
        most_words += n;
        most_tests += (size_t)n * (n_nodes_of(forest, i) / 2);
    }
    forest->add_exits = NULL;
    Exits *exits = malloc(n_trees * sizeof *exits +
                          most_words * (sizeof(Word) + LEAVES * sizeof(float)) +
                          most_tests * sizeof(Test));
    if (exits == NULL || !most_words)
        return exits;
    Word *words = (Word *)(exits + n_trees);
    float *leaves = (float *)(words + most_words);
    Test *tests = (Test *)(leaves + most_words * LEAVES);
    memset(leaves, 0, most_words * LEAVES * sizeof(float));
    for (uint32_t i = 0; i < n_trees; i++) {
        const Node *root = forest->nodes + forest->trees[i].root;
        uint32_t n_nodes = n_nodes_of(forest, i), n = n_words_of(forest, i, &processor);
        exits[i] = (Exits){n_words, n_words + n};
        if (!n)
            continue;
        Below below;
        find_below(root, n_nodes, &below);
        for (uint32_t word = 0; word < n; word++)
            words[n_words + word] =
                (Word){n_tests + below.n_tests[word], n_tests + below.n_tests[word + 1],
                       below.count[0] - word * LEAVES};
        uint32_t more = below.n_tests[n];
        fill(root, n_nodes, &below, tests + n_tests, leaves + n_words * LEAVES);
        n_tests += more;
        n_words += n;
    }
    forest->add_exits = processor.add;
    forest->exits = exits;
    forest->words = words;
    forest->tests = tests;
    forest->leaves = leaves;
    return exits;
}
