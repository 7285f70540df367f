/* What the files of kernels have in common. */

#ifndef KERNELS_H
#define KERNELS_H

#include "_kernel.h"

/* Four numbers, each treated as if it were alone, so that the order of a sum doesn't
 * depend on how many numbers there are. */
typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));
typedef uint32_t FourBits __attribute__((vector_size(16)));

static inline Four absolute_of_four(Four value) {
    return (Four)((FourInts)value & 0x7FFFFFFF);
}

/* How many bits are set. */
static inline Four count_bits_of_four(FourBits bits) {
    FourBits pairs = bits - (bits >> 1 & 0x55555555);
    FourBits nibbles = (pairs & 0x33333333) + (pairs >> 2 & 0x33333333);
    FourBits bytes = (nibbles + (nibbles >> 4)) & 0x0F0F0F0F;
    bytes += bytes >> 8;
    FourBits count = (bytes + (bytes >> 16)) & 0x3F;
    /* Signed, since processors convert signed numbers more quickly. */
    return __builtin_convertvector((FourInts)count, Four);
}

/* The weight of something at a distance: 1 at 0, a quarter at 1. */
static inline float nearness(float distance) {
    float root = 1 / (1 + distance);
    return root * root;
}

static inline Four nearness_of_four(Four distance) {
    Four root = 1 / (1 + distance);
    return root * root;
}

/* The sum of products, in the order of the elements. */
static inline float dot(const float *left, const float *right, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += left[i] * right[i];
    }
    return sum;
}

/* Seconds from one of the user's ratings to the row. */
static inline float seconds_since(const SharedTables *shared, const Row *row,
                                  size_t place) {
    double rated = (double)*int64(&shared->rated_time, place);
    return (float)(row->time - rated);
}

/* The class of one of the user's ratings. */
static inline int class_at(const SharedTables *shared, size_t place) {
    return *uint8(&shared->rated_class, place);
}

/* Sums over the `n` latest ratings before the row, each weighted by how near it is.
 *
 * There is a sum for each of `widths`, which are distances in seconds, or in ranks
 * where `by_rank` says so. `values` are in the order of the users' ratings. The sums of
 * the weights go to `weight`. */
void sum_latest(const SharedTables *shared, const Row *row, size_t n,
                const float *values, const Table *widths, int by_rank, float *sum,
                float *weight);

extern const Kernel NEIGHBOURS, TITLES, RECENCY, PACE, TASTE, MOOD;

#endif
