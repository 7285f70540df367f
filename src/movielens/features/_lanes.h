/* The same arithmetic on several users or movies at once, one a lane.
 *
 * Every lane has the bits that it would have alone, whatever vectors the machine has:
 * the operations of IEEE 754 in one order. WIDE functions are compiled for several
 * kinds of machine, of which the best is taken.
 */

#ifndef LANES_H
#define LANES_H

#include <stddef.h>

/* As many as fit a vector register: 32 bytes with AVX2, 16 bytes elsewhere. GCC keeps
 * wider vectors on the stack. */
#if defined(__x86_64__)
#define N_LANES 4
#else
#define N_LANES 2
#endif

/* It may be at any address that a double may be at. */
typedef double Lanes
    __attribute__((vector_size(N_LANES * sizeof(double)), aligned(sizeof(double))));

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

/* Where an element of a symmetric matrix is in its lower triangle, row by row. */
static inline size_t in_triangle(size_t i, size_t j) {
    size_t row = i < j ? j : i;
    size_t column = i < j ? i : j;
    return row * (row + 1) / 2 + column;
}

/* Turns positive definite matrices, as lower triangles, into their inverses: by
 * Cholesky's decomposition. */
void invert(Lanes *matrix, size_t d);

#endif
