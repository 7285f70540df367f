/* See `_lanes.h`. */

#include "_lanes.h"

#include <math.h>

#define AT(i, j) matrix[(i) * ((i) + 1) / 2 + (j)]

/* Sums grow in the matrix, and each step adds to many of them. So no step has to wait
 * for the one before. */

/* The Cholesky factor, with one over the diagonal in place of the diagonal. */
static inline __attribute__((always_inline)) void factorize(Lanes *matrix, size_t d) {
    for (size_t k = 0; k < d; k++) {
        Lanes root = AT(k, k);
        for (int lane = 0; lane < N_LANES; lane++) {
            root[lane] = sqrt(root[lane]);
        }
        AT(k, k) = 1 / root;
        for (size_t i = k + 1; i < d; i++) {
            AT(i, k) *= AT(k, k);
        }
        for (size_t i = k + 1; i < d; i++) {
            for (size_t j = k + 1; j <= i; j++) {
                AT(i, j) -= AT(i, k) * AT(j, k);
            }
        }
    }
}

/* The inverse of the factor, row by row. */
static inline __attribute__((always_inline)) void invert_factor(Lanes *matrix,
                                                                size_t d) {
    for (size_t i = 1; i < d; i++) {
        for (size_t k = 0; k < i; k++) {
            Lanes element = AT(i, k);
            AT(i, k) = (Lanes){0};
            for (size_t j = 0; j <= k; j++) {
                AT(i, j) -= element * AT(k, j);
            }
        }
        for (size_t j = 0; j < i; j++) {
            AT(i, j) *= AT(i, i);
        }
    }
}

/* The square of that. */
static inline __attribute__((always_inline)) void square(Lanes *matrix, size_t d) {
    for (size_t k = 0; k < d; k++) {
        for (size_t i = 0; i < k; i++) {
            for (size_t j = 0; j <= i; j++) {
                AT(i, j) += AT(k, i) * AT(k, j);
            }
        }
        for (size_t j = 0; j < k; j++) {
            AT(k, j) *= AT(k, k);
        }
        AT(k, k) *= AT(k, k);
    }
}

WIDE void invert(Lanes *matrix, size_t d) {
    factorize(matrix, d);
    invert_factor(matrix, d);
    square(matrix, d);
}
