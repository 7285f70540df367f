/* One step of a matrix factorization by variational Bayes (Lim and Teh 2007): the
 * vectors of one side, users or movies, given those of the other.
 *
 * A vector's precision is that of its prior and, of each rating, the expected square of
 * the other side's vector over the noise; its mean solves the normal equations. The
 * last element of a vector is an intercept, which meets a 1 on the other side. Sums go
 * in the order of the ratings, and the inverse is taken by Cholesky's decomposition, so
 * that any machine has the same bits.
 */

#include "_tables.h"

#include <math.h>
#include <string.h>

#define MOST_D 32
#define MOST_PAIRS (MOST_D * (MOST_D + 1) / 2)

typedef struct {
    Table start, other,
        rating; /* of this side: the ratings of each, and who they are by or of */
    Table vector, covariance; /* of the other side; of a covariance the lower triangle,
                                 row by row */
    Table precision, shift,
        noise; /* the prior's precisions, and those times its means */
} Given;

static const TableKind GIVEN[] = {
    {"start", 'q', "U"},   {"other", 'i', "e"},       {"rating", 'd', "e"},
    {"vector", 'd', "bd"}, {"covariance", 'd', "bp"}, {"precision", 'd', "d"},
    {"shift", 'd', "ud"},  {"noise", 'd', "1"},       {NULL, 0, NULL},
};

typedef struct {
    Table vector, covariance,
        left; /* left: expected sum of squares of what the vectors don't explain */
} Found;

static const TableKind FOUND[] = {
    {"vector", 'd', "ud"},
    {"covariance", 'd', "up"},
    {"left", 'd', "u"},
    {NULL, 0, NULL},
};

/* The expected square of a vector of the other side, 1 standing for its intercept: the
 * lower triangle. */
static void square_of(const double *vector, const double *covariance, size_t d,
                      double *square) {
    for (size_t i = 0, k = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++, k++)
            square[k] = i < d - 1   ? vector[i] * vector[j] + covariance[k]
                        : j < d - 1 ? vector[j]
                                    : 1;
}

/* Overwrites the lower triangle of a positive definite matrix by that of its inverse.
 */
static void invert(double *matrix, size_t d) {
#define AT(i, j) matrix[(i) * ((i) + 1) / 2 + (j)]
    for (size_t j = 0; j < d;
         j++) { /* its Cholesky factor, with one over the diagonal in its place */
        for (size_t i = j; i < d; i++)
            for (size_t k = 0; k < j; k++)
                AT(i, j) -= AT(i, k) * AT(j, k);
        AT(j, j) = 1 / sqrt(AT(j, j));
        for (size_t i = j + 1; i < d; i++)
            AT(i, j) *= AT(j, j);
    }
    for (size_t j = 0; j < d; j++) /* the inverse of the factor */
        for (size_t i = j + 1; i < d; i++) {
            double sum = 0;
            for (size_t k = j; k < i; k++)
                sum -= AT(i, k) * AT(k, j);
            AT(i, j) = sum * AT(i, i);
        }
    for (size_t i = 0; i < d; i++) /* its square */
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = i; k < d; k++)
                sum += AT(k, i) * AT(k, j);
            AT(i, j) = sum;
        }
#undef AT
}

static void find_vector(const Given *given, const double *squares, size_t item,
                        const Found *found) {
    size_t d = given->vector.width, n_pairs = given->covariance.width;
    double square[MOST_PAIRS] = {0}, product[MOST_D] = {0}, total = 0, explained = 0;
    double noise = *float64(&given->noise, 0);
    double *covariance = (double *)float64(&found->covariance, item),
           *vector = (double *)float64(&found->vector, item);
    for (int64_t at = int64(&given->start, item)[0]; at < int64(&given->start, item)[1];
         at++) {
        size_t other = (size_t)*int32(&given->other, (size_t)at);
        const double *theirs = float64(&given->vector, other),
                     *their_square = squares + other * n_pairs;
        double rating = *float64(&given->rating, (size_t)at) - theirs[d - 1];
        for (size_t k = 0; k < n_pairs; k++)
            square[k] += their_square[k];
        for (size_t i = 0; i < d - 1; i++)
            product[i] += rating * theirs[i];
        product[d - 1] += rating;
        total += rating * rating;
    }
    for (size_t i = 0, k = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++, k++)
            covariance[k] =
                square[k] / noise + (i == j ? *float64(&given->precision, i) : 0);
    invert(covariance, d);
    for (size_t i = 0; i < d; i++) {
        vector[i] = 0;
        for (size_t j = 0; j < d; j++) {
            double between =
                covariance[i < j ? j * (j + 1) / 2 + i : i * (i + 1) / 2 + j];
            vector[i] +=
                between * (product[j] / noise + float64(&given->shift, item)[j]);
        }
    }
    for (size_t i = 0, k = 0; i < d; i++) {
        explained += 2 * vector[i] * product[i];
        for (size_t j = 0; j <= i; j++, k++)
            explained -=
                (i == j ? 1 : 2) * (vector[i] * vector[j] + covariance[k]) * square[k];
    }
    *(double *)float64(&found->left, item) = total - explained;
}

static PyObject *run(const Given *given, const Found *found) {
    size_t d = given->vector.width, n_pairs = given->covariance.width,
           n_others = given->vector.length;
    if (d > MOST_D || n_pairs != d * (d + 1) / 2)
        return PyErr_Format(PyExc_ValueError,
                            "vectors of %zu and triangles of %zu elements", d, n_pairs);
    if (!rises_to(&given->start, given->other.length) ||
        !are_below(&given->other, n_others))
        return PyErr_Format(PyExc_ValueError,
                            "ratings: a start or an index is out of bounds");
    double *squares = PyMem_Calloc(n_others * n_pairs, sizeof *squares);
    if (squares == NULL)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS for (size_t other = 0; other < n_others; other++)
        square_of(float64(&given->vector, other), float64(&given->covariance, other), d,
                  squares + other * n_pairs);
    for (size_t item = 0; item + 1 < given->start.length; item++)
        find_vector(given, squares, item, found);
    Py_END_ALLOW_THREADS PyMem_Free(squares);
    Py_RETURN_NONE;
}

PyObject *find_vectors(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *arrays, *results, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!O!:find_vectors", &PyDict_Type, &arrays,
                          &PyDict_Type, &results))
        return NULL;
    Py_buffer room[2 * MOST_TABLES];
    Views views = {room, 0};
    Extents extents = no_extents();
    Given given;
    Found found;
    if (hold("given", GIVEN, arrays, 0, &extents, &views, (Table *)&given) == 0 &&
        hold("found", FOUND, results, 1, &extents, &views, (Table *)&found) == 0)
        result = run(&given, &found);
    let_go(&views);
    return result;
}
