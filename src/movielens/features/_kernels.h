/* What the files of kernels have in common. */

#ifndef KERNELS_H
#define KERNELS_H

#include "_rows.h"

#define SECONDS_PER_DAY 86400.0

/* Four numbers, each treated as if it were alone: the order of no sum depends on how
 * many there are. */
typedef float Four __attribute__((vector_size(16)));

/* Falls from 1 at no distance to a quarter at 1. */
static inline float near(float distance) {
    float root = 1 / (1 + distance);
    return root * root;
}

static inline float gap_of(const Known *known, const Row *row, size_t place) {
    return (float)(row->time - (double)*int64(&known->rated_time, place));
}

/* For each of some widths in seconds, or in ranks, the sum of the values of the `n`
 * latest ratings before the row, each weighted by how near it is, and the sum of the
 * weights. `values` are in the order of the users' ratings. */
void sums_lately(const Known *known, const Row *row, size_t n, const float *values,
                 const Table *widths, int by_rank, float *sum, float *weight);

extern const Kernel NEIGHBOURS, RECENCY, PACE, TASTE;

#endif
