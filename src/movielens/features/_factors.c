/* One step of a matrix factorization by variational Bayes (Lim and Teh 2007): finds the
 * vectors of one side, users or movies, given those of the other.
 *
 * A vector's precision is that of its prior plus, for each rating, the expected square
 * of the other side's vector over the noise. Its mean solves the normal equations. The
 * last element of a vector is an intercept, which meets a 1 on the other side. Sums go
 * in the order of the ratings, and inverses are taken by Cholesky's decomposition, so
 * that any machine has the same bits.
 *
 * Symmetric matrices are stored as their lower triangles, row by row.
 */

#include "_tables.h"

#include <math.h>
#include <string.h>

#define MOST_D 32
#define MOST_PAIRS (MOST_D * (MOST_D + 1) / 2)

typedef struct {
    Table start;      /* where the ratings of each of this side begin */
    Table other;      /* whom of the other side they concern */
    Table rating;     /* what the bias leaves unexplained of them */
    Table vector;     /* of the other side */
    Table covariance; /* of the other side */
    Table precision;  /* of this side's prior */
    Table shift;      /* the prior's means times its precision */
    Table noise;
} Given;

static const TableKind GIVEN[] = {
    {"start", 'q', "items+1"},
    {"other", 'i', "ratings"},
    {"rating", 'd', "ratings"},
    {"vector", 'd', "others, d"},
    {"covariance", 'd', "others, pairs"},
    {"precision", 'd', "d"},
    {"shift", 'd', "items, d"},
    {"noise", 'd', "1"},
    {NULL, 0, NULL},
};

typedef struct {
    Table vector;
    Table covariance;
    Table unexplained; /* expected sum of squares that the vectors don't explain */
} Found;

static const TableKind FOUND[] = {
    {"vector", 'd', "items, d"},
    {"covariance", 'd', "items, pairs"},
    {"unexplained", 'd', "items"},
    {NULL, 0, NULL},
};

/* Where an element of a symmetric matrix is in its lower triangle. */
static size_t in_triangle(size_t i, size_t j) {
    size_t row = i < j ? j : i;
    size_t column = i < j ? i : j;
    return row * (row + 1) / 2 + column;
}

/* The expected square of a vector of the other side, with a 1 in place of its
 * intercept. */
static void square_of(const double *vector, const double *covariance, size_t d,
                      double *square) {
    size_t k = 0;
    for (size_t i = 0; i < d - 1; i++) {
        for (size_t j = 0; j <= i; j++, k++) {
            square[k] = vector[i] * vector[j] + covariance[k];
        }
    }
    for (size_t j = 0; j < d - 1; j++, k++) {
        square[k] = vector[j];
    }
    square[k] = 1;
}

/* Turns a positive definite matrix into its inverse. */
static void invert(double *matrix, size_t d) {
#define AT(i, j) matrix[(i) * ((i) + 1) / 2 + (j)]
    /* Its Cholesky factor, with one over the diagonal in place of the diagonal. */
    for (size_t j = 0; j < d; j++) {
        for (size_t i = j; i < d; i++) {
            for (size_t k = 0; k < j; k++) {
                AT(i, j) -= AT(i, k) * AT(j, k);
            }
        }
        AT(j, j) = 1 / sqrt(AT(j, j));
        for (size_t i = j + 1; i < d; i++) {
            AT(i, j) *= AT(j, j);
        }
    }
    /* The inverse of the factor. */
    for (size_t j = 0; j < d; j++) {
        for (size_t i = j + 1; i < d; i++) {
            double sum = 0;
            for (size_t k = j; k < i; k++) {
                sum -= AT(i, k) * AT(k, j);
            }
            AT(i, j) = sum * AT(i, i);
        }
    }
    /* The square of that. */
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = i; k < d; k++) {
                sum += AT(k, i) * AT(k, j);
            }
            AT(i, j) = sum;
        }
    }
#undef AT
}

/* What the ratings of one user or movie add up to. */
typedef struct {
    double square[MOST_PAIRS]; /* of the other side's vectors */
    double product[MOST_D];    /* of those and the ratings less their intercepts */
    double total;              /* of those ratings' squares */
} RatingSums;

static void sum_ratings(const Given *given, const double *squares, size_t item,
                        RatingSums *sums) {
    size_t d = given->vector.width;
    size_t n_pairs = given->covariance.width;
    const int64_t *bounds = int64(&given->start, item);
    for (size_t at = (size_t)bounds[0]; at < (size_t)bounds[1]; at++) {
        size_t other = (size_t)*int32(&given->other, at);
        const double *vector = float64(&given->vector, other);
        const double *square = squares + other * n_pairs;
        double rating = *float64(&given->rating, at) - vector[d - 1];
        for (size_t k = 0; k < n_pairs; k++) {
            sums->square[k] += square[k];
        }
        for (size_t i = 0; i < d - 1; i++) {
            sums->product[i] += rating * vector[i];
        }
        sums->product[d - 1] += rating;
        sums->total += rating * rating;
    }
}

/* The expected sum of squares that a vector explains. */
static double explained_by(const double *vector, const double *covariance, size_t d,
                           const RatingSums *sums) {
    double explained = 0;
    size_t k = 0;
    for (size_t i = 0; i < d; i++) {
        explained += 2 * vector[i] * sums->product[i];
        for (size_t j = 0; j <= i; j++, k++) {
            double expected_square = vector[i] * vector[j] + covariance[k];
            int n_times = i == j ? 1 : 2;
            explained -= n_times * expected_square * sums->square[k];
        }
    }
    return explained;
}

static void find_vector(const Given *given, const double *squares, size_t item,
                        const Found *found) {
    size_t d = given->vector.width;
    size_t n_pairs = given->covariance.width;
    const double *precision = float64(&given->precision, 0);
    const double *shift = float64(&given->shift, item);
    double noise = *float64(&given->noise, 0);
    double *covariance = (double *)float64(&found->covariance, item);
    double *vector = (double *)float64(&found->vector, item);
    double *unexplained = (double *)float64(&found->unexplained, item);

    RatingSums sums = {.total = 0};
    sum_ratings(given, squares, item, &sums);

    for (size_t k = 0; k < n_pairs; k++) {
        covariance[k] = sums.square[k] / noise;
    }
    for (size_t i = 0; i < d; i++) {
        covariance[in_triangle(i, i)] += precision[i];
    }
    invert(covariance, d);

    for (size_t i = 0; i < d; i++) {
        vector[i] = 0;
        for (size_t j = 0; j < d; j++) {
            double evidence = sums.product[j] / noise + shift[j];
            vector[i] += covariance[in_triangle(i, j)] * evidence;
        }
    }
    *unexplained = sums.total - explained_by(vector, covariance, d, &sums);
}

static PyObject *run(const Given *given, const Found *found) {
    size_t d = given->vector.width;
    size_t n_pairs = given->covariance.width;
    size_t n_others = given->vector.length;
    size_t n_items = given->start.length - 1;
    if (d > MOST_D || n_pairs != d * (d + 1) / 2) {
        return PyErr_Format(PyExc_ValueError,
                            "vectors of %zu and triangles of %zu elements", d, n_pairs);
    }
    if (!rises_to(&given->start, given->other.length) ||
        !are_below(&given->other, n_others)) {
        return PyErr_Format(PyExc_ValueError,
                            "ratings: a start or an index is out of bounds");
    }

    double *squares = PyMem_Calloc(n_others * n_pairs, sizeof *squares);
    if (squares == NULL) {
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS;
    for (size_t other = 0; other < n_others; other++) {
        square_of(float64(&given->vector, other), float64(&given->covariance, other), d,
                  squares + other * n_pairs);
    }
    for (size_t item = 0; item < n_items; item++) {
        find_vector(given, squares, item, found);
    }
    Py_END_ALLOW_THREADS;
    PyMem_Free(squares);
    Py_RETURN_NONE;
}

PyObject *find_vectors(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given_arrays;
    PyObject *found_arrays;
    if (!PyArg_ParseTuple(args, "O!O!:find_vectors", &PyDict_Type, &given_arrays,
                          &PyDict_Type, &found_arrays)) {
        return NULL;
    }

    Py_buffer views[2 * MOST_TABLES];
    Buffers buffers = {views, 0};
    Extents extents = {.n = 0};
    Given given;
    Found found;
    PyObject *result = NULL;
    if (bind_tables("given", GIVEN, given_arrays, 0, &extents, &buffers,
                    (Table *)&given) == 0 &&
        bind_tables("found", FOUND, found_arrays, 1, &extents, &buffers,
                    (Table *)&found) == 0) {
        result = run(&given, &found);
    }
    release_buffers(&buffers);
    return result;
}
