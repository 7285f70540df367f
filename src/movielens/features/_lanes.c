/* See `_lanes.h`. */

#include "_lanes.h"

#include <math.h>

#define AT(i, j) matrix[(i) * ((i) + 1) / 2 + (j)]

/* The Cholesky factor, with one over the diagonal in place of the diagonal. */
static inline __attribute__((always_inline)) void factorize(Lanes *matrix, size_t d) {
    for (size_t j = 0; j < d; j++) {
        for (size_t i = j; i < d; i++) {
            Lanes sum = AT(i, j);
            for (size_t k = 0; k < j; k++) {
                sum -= AT(i, k) * AT(j, k);
            }
            AT(i, j) = sum;
        }
        Lanes root = AT(j, j);
        for (int lane = 0; lane < N_LANES; lane++) {
            root[lane] = sqrt(root[lane]);
        }
        AT(j, j) = 1 / root;
        for (size_t i = j + 1; i < d; i++) {
            AT(i, j) *= AT(j, j);
        }
    }
}

/* The inverse of the factor. */
static inline __attribute__((always_inline)) void invert_factor(Lanes *matrix,
                                                                size_t d) {
    for (size_t j = 0; j < d; j++) {
        for (size_t i = j + 1; i < d; i++) {
            Lanes sum = {0};
            for (size_t k = j; k < i; k++) {
                sum -= AT(i, k) * AT(k, j);
            }
            AT(i, j) = sum * AT(i, i);
        }
    }
}

/* The square of that. */
static inline __attribute__((always_inline)) void square(Lanes *matrix, size_t d) {
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j <= i; j++) {
            Lanes sum = {0};
            for (size_t k = i; k < d; k++) {
                sum += AT(k, i) * AT(k, j);
            }
            AT(i, j) = sum;
        }
    }
}

WIDE void invert(Lanes *matrix, size_t d) {
    factorize(matrix, d);
    invert_factor(matrix, d);
    square(matrix, d);
}
