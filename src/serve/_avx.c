/* Evaluates small trees by bit vectors (_bit_vectors.c), where the processor has
 * AVX-512 or AVX2. Other processors, ARM among them, walk down all trees.
 */

#include "_forest.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f")))

/* Vectors in a block of rows. */
#define N_256 (BLOCK_ROWS / 8)
#define N_512 (BLOCK_ROWS / 16)

/* How a float stores the exponent 0. */
#define EXPONENT_OF_1 127

/* A tree's words are evaluated from the last to the first. Where a word has bits left,
 * its leaf replaces one that a later word has found. */

/* The place of the lowest bit of each number. Means nothing where no bit is set. */
AVX2 static __m256i lowest_bit_avx2(__m256i bits) {
    __m256i zero = _mm256_setzero_si256();
    __m256i minus = _mm256_sub_epi32(zero, bits);
    __m256i lowest = _mm256_and_si256(bits, minus);
    /* As a float, a power of two has its place as the exponent. The highest bit makes a
     * negative number, and the lookup ignores the sign. */
    __m256 power = _mm256_cvtepi32_ps(lowest);
    __m256i exponent = _mm256_srli_epi32(_mm256_castps_si256(power), 23);
    return _mm256_sub_epi32(exponent, _mm256_set1_epi32(EXPONENT_OF_1));
}

/* One of 16 leaves for each place. The lookup takes the lower three bits of a place,
 * the blend takes the sign of what is the fourth bit here. */
AVX2 static __m256 one_of_16_avx2(const float *leaves, __m256i place) {
    __m256 lower = _mm256_loadu_ps(leaves);
    __m256 upper = _mm256_loadu_ps(leaves + 8);
    __m256 from_lower = _mm256_permutevar8x32_ps(lower, place);
    __m256 from_upper = _mm256_permutevar8x32_ps(upper, place);
    __m256i is_upper = _mm256_slli_epi32(place, 31 - 3);
    return _mm256_blendv_ps(from_lower, from_upper, _mm256_castsi256_ps(is_upper));
}

/* The leaf of the lowest bit, or the value from a later word where no bit is left. */
AVX2 static __m256 leaves_avx2(const Word *word, const float *leaves, __m256i bits,
                               __m256 values) {
    __m256i place = lowest_bit_avx2(bits);
    __m256 found = one_of_16_avx2(leaves, place);

    if (word->n_leaves > 16) {
        __m256 others = one_of_16_avx2(leaves + 16, place);
        __m256i is_upper = _mm256_slli_epi32(place, 31 - 4);
        found = _mm256_blendv_ps(found, others, _mm256_castsi256_ps(is_upper));
    }
    __m256i is_empty = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
    return _mm256_blendv_ps(found, values, _mm256_castsi256_ps(is_empty));
}

/* The bits that the tests of a word leave to each row. */
AVX2 static inline void ask_tests_avx2(const Test *test, const Test *end,
                                       const uint32_t *keys, __m256i *bits) {
    for (int k = 0; k < N_256; k++)
        bits[k] = _mm256_set1_epi32(-1);

    for (; test < end; test++) {
        const uint32_t *column = keys + (size_t)test->column * BLOCK_ROWS;
        __m256i split = _mm256_set1_epi32((int)test->key);
        __m256i mask = _mm256_set1_epi32((int)test->mask);
#pragma GCC unroll 4
        for (int k = 0; k < N_256; k++) {
            __m256i key = _mm256_loadu_si256((const __m256i *)(column + 8 * k));
            /* There is no comparison of unsigned numbers. */
            __m256i greater = _mm256_max_epu32(key, split);
            __m256i goes_first = _mm256_cmpeq_epi32(greater, key);
            __m256i kept = _mm256_or_si256(goes_first, mask);
            bits[k] = _mm256_and_si256(bits[k], kept);
        }
    }
}

/* Adds the leaves of one tree, given the bits of its words. */
AVX2 static inline void add_tree_avx2(const Word *words, size_t n_words,
                                      const float *leaves, __m256i bits[][N_256],
                                      float *sums) {
    __m256 values[N_256] = {0};

    for (size_t i = n_words; i-- > 0;) {
        const float *word_leaves = leaves + i * WORD_LEAVES;
#pragma GCC unroll 4
        for (int k = 0; k < N_256; k++)
            values[k] = leaves_avx2(words + i, word_leaves, bits[i][k], values[k]);
    }
    for (int k = 0; k < N_256; k++) {
        float *rows = sums + 8 * k;
        __m256 sum = _mm256_add_ps(_mm256_loadu_ps(rows), values[k]);
        _mm256_storeu_ps(rows, sum);
    }
}

AVX2 static void add_leaves_avx2(const Forest *forest, const WordRange *range,
                                 const uint32_t *keys, float *sums) {
    const Test *tests = forest->vectors.tests;
    const Word *words = forest->vectors.words + range->first;
    const float *leaves =
        forest->vectors.leaves + (size_t)range->first_leaves * WORD_LEAVES;
    size_t n_words = range->end - range->first;
    __m256i bits[MAX_WORDS][N_256];

    for (size_t i = 0; i < n_words; i++) {
        const Test *first = tests + words[i].first_test;
        ask_tests_avx2(first, tests + words[i].end_test, keys, bits[i]);
    }
    for (uint32_t k = 0; k < range->n_copies; k++) {
        add_tree_avx2(words, n_words, leaves, bits, sums);
        leaves += n_words * WORD_LEAVES;
        sums += BLOCK_ROWS;
    }
}

/* The same with vectors twice as wide. One lookup has room for all 32 leaves. */

AVX512 static __m512i lowest_bit_avx512(__m512i bits) {
    __m512i zero = _mm512_setzero_si512();
    __m512i minus = _mm512_sub_epi32(zero, bits);
    __m512i lowest = _mm512_and_si512(bits, minus);
    __m512 power = _mm512_cvtepi32_ps(lowest);
    __m512i exponent = _mm512_srli_epi32(_mm512_castps_si512(power), 23);
    return _mm512_sub_epi32(exponent, _mm512_set1_epi32(EXPONENT_OF_1));
}

AVX512 static __m512 leaves_avx512(const float *leaves, __m512i bits, __m512 values) {
    __m512 lower = _mm512_loadu_ps(leaves);
    __m512 upper = _mm512_loadu_ps(leaves + 16);
    __m512i place = lowest_bit_avx512(bits);
    __m512 found = _mm512_permutex2var_ps(lower, place, upper);
    __mmask16 is_left = _mm512_test_epi32_mask(bits, bits);
    return _mm512_mask_mov_ps(values, is_left, found);
}

AVX512 static inline void ask_tests_avx512(const Test *test, const Test *end,
                                           const uint32_t *keys, __m512i *bits) {
    for (int k = 0; k < N_512; k++)
        bits[k] = _mm512_set1_epi32(-1);

    for (; test < end; test++) {
        const uint32_t *column = keys + (size_t)test->column * BLOCK_ROWS;
        __m512i split = _mm512_set1_epi32((int)test->key);
        __m512i mask = _mm512_set1_epi32((int)test->mask);
#pragma GCC unroll 2
        for (int k = 0; k < N_512; k++) {
            __m512i key = _mm512_loadu_si512(column + 16 * k);
            __mmask16 goes_second = _mm512_cmplt_epu32_mask(key, split);
            bits[k] = _mm512_mask_and_epi32(bits[k], goes_second, bits[k], mask);
        }
    }
}

AVX512 static inline void add_tree_avx512(size_t n_words, const float *leaves,
                                          __m512i bits[][N_512], float *sums) {
    __m512 values[N_512] = {0};

    for (size_t i = n_words; i-- > 0;) {
        const float *word_leaves = leaves + i * WORD_LEAVES;
#pragma GCC unroll 2
        for (int k = 0; k < N_512; k++)
            values[k] = leaves_avx512(word_leaves, bits[i][k], values[k]);
    }
    for (int k = 0; k < N_512; k++) {
        float *rows = sums + 16 * k;
        __m512 sum = _mm512_add_ps(_mm512_loadu_ps(rows), values[k]);
        _mm512_storeu_ps(rows, sum);
    }
}

AVX512 static void add_leaves_avx512(const Forest *forest, const WordRange *range,
                                     const uint32_t *keys, float *sums) {
    const Test *tests = forest->vectors.tests;
    const Word *words = forest->vectors.words + range->first;
    const float *leaves =
        forest->vectors.leaves + (size_t)range->first_leaves * WORD_LEAVES;
    size_t n_words = range->end - range->first;
    __m512i bits[MAX_WORDS][N_512];

    for (size_t i = 0; i < n_words; i++) {
        const Test *first = tests + words[i].first_test;
        ask_tests_avx512(first, tests + words[i].end_test, keys, bits[i]);
    }
    for (uint32_t k = 0; k < range->n_copies; k++) {
        add_tree_avx512(n_words, leaves, bits, sums);
        leaves += n_words * WORD_LEAVES;
        sums += BLOCK_ROWS;
    }
}
#endif

/* The times were measured on an AMD EPYC (Zen 4), on forests of the default model's
 * trees with about the same number of leaves each: a test took 1.25 ns by AVX-512 and
 * 1.75 by AVX2, a word 6.9 and 10.5, a level of a walk 17.3. */
VectorUnit find_vector_unit(int max_bits) {
#ifdef __x86_64__
    if (max_bits >= 512 && __builtin_cpu_supports("avx512f"))
        return (VectorUnit){512, add_leaves_avx512, 0.07, 0.4, 8};
    if (max_bits >= 256 && __builtin_cpu_supports("avx2"))
        return (VectorUnit){256, add_leaves_avx2, 0.10, 0.6, 15};
#endif
    (void)max_bits;
    return (VectorUnit){0, NULL, 0, 0, 0};
}
