/* Rows through a tree from its leaves to its root: all rows at once, but by every node. Included once for each width of
 * vectors that a processor may have: CLIMB is the function's name, WIDTH how many numbers a vector holds, TARGET what
 * the compiler may use. (A wider vector than it may use, it takes apart into single numbers.)
 */

TARGET static void CLIMB(const Node *root, uint32_t n_nodes, const uint32_t *rows, float *sum) {
    typedef float Numbers __attribute__((vector_size(4 * WIDTH), aligned(16), may_alias));
    typedef int32_t Masks __attribute__((vector_size(4 * WIDTH), aligned(16), may_alias));
    typedef uint32_t Keys __attribute__((vector_size(4 * WIDTH), aligned(16), may_alias));
    Numbers values[FEW_NODES][ROWS / WIDTH];
    for (uint32_t i = n_nodes; i--;) {
        const Node *node = root + i;
        if (!first_of(node)) {
            for (int k = 0; k < ROWS / WIDTH; k++)
                values[i][k] = value_of(node) - (Numbers){0};
            continue;
        }
        const Keys *row = (const Keys *)(rows + column_of(node) * ROWS);
        const Numbers *first = values[i + first_of(node)], *second = first + ROWS / WIDTH;
#pragma GCC unroll 8
        for (int k = 0; k < ROWS / WIDTH; k++) {
            Masks is_second = row[k] < node->key - (Keys){0};
            values[i][k] = (Numbers)((is_second & (Masks)second[k]) | (~is_second & (Masks)first[k]));
        }
    }
    for (int k = 0; k < ROWS / WIDTH; k++)
        ((Numbers *)sum)[k] += values[0][k];
}

#undef CLIMB
#undef WIDTH
#undef TARGET
