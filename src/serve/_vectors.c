/* The bits that are left of rows, and the values of their leaves (_exits.c), by what
 * the processor has. */

#include "_trees.h"

/* For every processor: four at once. */
static void add_anywhere(const Parts *forest, const Exits *exits, const uint32_t *rows,
                         float *sums) {
    typedef uint32_t Four __attribute__((vector_size(16), aligned(4), may_alias));
    float values[ROWS] = {0};
    for (uint32_t i = exits->end; i-- > exits->first;) {
        const Test *test = forest->tests + forest->words[i].first,
                   *end = forest->tests + forest->words[i].end;
        Four bits[ROWS / 4];
        memset(bits, 0xFF, sizeof bits);
        for (; test < end; test++) {
            const Four *row = (const Four *)(rows + (size_t)test->column * ROWS);
            Four key = test->key - (Four){0}, mask = test->mask - (Four){0};
#pragma GCC unroll 8
            for (int k = 0; k < ROWS / 4; k++)
                bits[k] &= (Four)(row[k] >= key) | mask;
        }
        const float *leaves = forest->leaves + (size_t)i * LEAVES;
        for (int k = 0; k < ROWS; k++) {
            uint32_t left = bits[k / 4][k % 4];
            values[k] = left ? leaves[__builtin_ctz(left)] : values[k];
        }
    }
    for (int k = 0; k < ROWS; k++)
        sums[k] += values[k];
}

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f")))

/* A blend looks at the signs of its last argument. */
AVX2 static __m256 one_of_16(const float *leaves, __m256i place) {
    __m256 lower = _mm256_permutevar8x32_ps(_mm256_loadu_ps(leaves), place);
    __m256 upper = _mm256_permutevar8x32_ps(_mm256_loadu_ps(leaves + 8), place);
    return _mm256_blendv_ps(lower, upper,
                            _mm256_castsi256_ps(_mm256_slli_epi32(place, 31 - 3)));
}

/* The value of the lowest bit's leaf, or what it was where no bit is left. */
AVX2 static __m256 values_avx2(const Word *word, const float *leaves, __m256i bits,
                               __m256 values) {
    __m256i zero = _mm256_setzero_si256(),
            lowest = _mm256_and_si256(bits, _mm256_sub_epi32(zero, bits));
    /* The exponent of a power of two says which bit it is; the last is a negative
     * number, whose sign nobody reads. */
    __m256i exponent =
        _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(lowest)), 23);
    __m256i place = _mm256_sub_epi32(exponent, _mm256_set1_epi32(127));
    __m256 found = one_of_16(leaves, place);
    if (word->n_leaves > 16) {
        __m256 is_upper = _mm256_castsi256_ps(_mm256_slli_epi32(place, 31 - 4));
        found = _mm256_blendv_ps(found, one_of_16(leaves + 16, place), is_upper);
    }
    return _mm256_blendv_ps(found, values,
                            _mm256_castsi256_ps(_mm256_cmpeq_epi32(bits, zero)));
}

AVX2 static void add_avx2(const Parts *forest, const Exits *exits, const uint32_t *rows,
                          float *sums) {
    __m256 values[4] = {0};
    for (uint32_t i = exits->end; i-- > exits->first;) {
        const Word *word = forest->words + i;
        const Test *test = forest->tests + word->first,
                   *end = forest->tests + word->end;
        __m256i bits[4];
        for (int k = 0; k < 4; k++)
            bits[k] = _mm256_set1_epi32(-1);
        for (; test < end; test++) {
            const uint32_t *row = rows + (size_t)test->column * ROWS;
            __m256i key = _mm256_set1_epi32((int)test->key),
                    mask = _mm256_set1_epi32((int)test->mask);
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                __m256i keys = _mm256_loadu_si256((const __m256i *)(row + 8 * k));
                __m256i is_first =
                    _mm256_cmpeq_epi32(_mm256_max_epu32(keys, key), keys);
                bits[k] = _mm256_and_si256(bits[k], _mm256_or_si256(is_first, mask));
            }
        }
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            values[k] = values_avx2(word, forest->leaves + (size_t)i * LEAVES, bits[k],
                                    values[k]);
    }
    for (int k = 0; k < 4; k++)
        _mm256_storeu_ps(sums + 8 * k,
                         _mm256_add_ps(_mm256_loadu_ps(sums + 8 * k), values[k]));
}

/* As above, twice as wide, with instructions for what there takes several. */
AVX512 static __m512 values_avx512(const float *leaves, __m512i bits, __m512 values) {
    __m512i lowest =
        _mm512_and_si512(bits, _mm512_sub_epi32(_mm512_setzero_si512(), bits));
    __m512i exponent =
        _mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtepi32_ps(lowest)), 23);
    __m512i place = _mm512_sub_epi32(exponent, _mm512_set1_epi32(127));
    __m512 found = _mm512_permutex2var_ps(_mm512_loadu_ps(leaves), place,
                                          _mm512_loadu_ps(leaves + 16));
    return _mm512_mask_mov_ps(values, _mm512_test_epi32_mask(bits, bits), found);
}

AVX512 static void add_avx512(const Parts *forest, const Exits *exits,
                              const uint32_t *rows, float *sums) {
    __m512 values[2] = {0};
    for (uint32_t i = exits->end; i-- > exits->first;) {
        const Word *word = forest->words + i;
        const Test *test = forest->tests + word->first,
                   *end = forest->tests + word->end;
        __m512i bits[2] = {_mm512_set1_epi32(-1), _mm512_set1_epi32(-1)};
        for (; test < end; test++) {
            const uint32_t *row = rows + (size_t)test->column * ROWS;
            __m512i key = _mm512_set1_epi32((int)test->key),
                    mask = _mm512_set1_epi32((int)test->mask);
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) {
                __mmask16 is_second =
                    _mm512_cmplt_epu32_mask(_mm512_loadu_si512(row + 16 * k), key);
                bits[k] = _mm512_mask_and_epi32(bits[k], is_second, bits[k], mask);
            }
        }
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++)
            values[k] =
                values_avx512(forest->leaves + (size_t)i * LEAVES, bits[k], values[k]);
    }
    for (int k = 0; k < 2; k++)
        _mm512_storeu_ps(sums + 16 * k,
                         _mm512_add_ps(_mm512_loadu_ps(sums + 16 * k), values[k]));
}

/* Tests say otherwise. */
#ifndef HAS_AVX2
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#endif
#ifndef HAS_AVX512
#define HAS_AVX512 __builtin_cpu_supports("avx512f")
#endif

Processor this_processor(void) {
    if (HAS_AVX512)
        return (Processor){add_avx512, 0.06, 0.5};
    if (HAS_AVX2)
        return (Processor){add_avx2, 0.06, 0.6};
    return (Processor){add_anywhere, 0.2, 1};
}
#else
Processor this_processor(void) {
    return (Processor){add_anywhere, 0.2, 1};
}
#endif
