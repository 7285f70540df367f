/* Linear regressions of users' ratings on what is known of movies: one for each user,
 * with normal weights of given variances (Bishop 2006, section 3.3).
 *
 * 1. `sum_moments` adds up a user's ratings.
 * 2. `find_weights` solves the regressions from these sums.
 * 3. `find_fits` says of each rating what its user's regression makes of it.
 *
 * Most terms of a movie are 0, and are left out of all sums. Sums go in the order of
 * the ratings. Symmetric matrices are stored as their lower triangles, row by row.
 */

#include "_lanes.h"
#include "_tables.h"

#include <stdlib.h>
#include <string.h>

#define MOST_TERMS 128

typedef struct {
    Table first;    /* where the ratings of each user begin */
    Table end;      /* and where they end */
    Table movie;    /* which movies they concern */
    Table residual; /* what the bias leaves unexplained of them */
    Table terms;    /* of each movie */
} Given;

static const TableKind GIVEN[] = {
    {"first", 'q', "users"},         {"end", 'q', "users"},
    {"movie", 'q', "ratings"},       {"residual", 'd', "ratings"},
    {"terms", 'd', "movies, terms"}, {NULL, 0, NULL},
};

typedef struct {
    Table square;  /* sums of x x' */
    Table product; /* sums of x times the residual */
} Moments;

static const TableKind MOMENTS[] = {
    {"square", 'd', "users, pairs"},
    {"product", 'd', "users, terms"},
    {NULL, 0, NULL},
};

static const TableKind VARIANCE[] = {
    {"variance", 'd', "terms+1"}, /* of the weights, then of ratings */
    {NULL, 0, NULL},
};

typedef struct {
    Table weight;
    Table covariance; /* of the weights */
    Table away;       /* expected sum of squares that the weights don't explain, less
                         the sum of the ratings' squares */
} Weights;

static const TableKind WEIGHTS[] = {
    {"weight", 'd', "users, terms"},
    {"covariance", 'd', "users, pairs"},
    {"away", 'd', "users"},
    {NULL, 0, NULL},
};

typedef struct {
    Table expected; /* the user's weights times the movie's terms */
    Table spread;   /* its variance */
} Fits;

static const TableKind FITTED[] = {
    {"weight", 'd', "users, terms"},
    {"covariance", 'd', "users, pairs"},
    {NULL, 0, NULL},
};

static const TableKind FITS[] = {
    {"expected", 'd', "ratings"},
    {"spread", 'd', "ratings"},
    {NULL, 0, NULL},
};

/* The terms of a movie that aren't 0. */
typedef struct {
    size_t n;
    size_t place[MOST_TERMS + 1];
    double value[MOST_TERMS + 1];
} Known;

static void find_known(const Given *given, size_t row, Known *known) {
    size_t movie = (size_t)*int64(&given->movie, row);
    const double *terms = float64(&given->terms, movie);
    size_t n = 0;
    for (size_t i = 0; i < given->terms.width; i++) {
        known->place[n] = i;
        known->value[n] = terms[i];
        n += terms[i] != 0;
    }
    known->n = n;
}

static Range rows_of(const Given *given, size_t user) {
    return (Range){
        .first = (size_t)*int64(&given->first, user),
        .end = (size_t)*int64(&given->end, user),
    };
}

/* 1. Sums */

static void sum_user(const Given *given, size_t user, const Moments *moments) {
    double *square = (double *)float64(&moments->square, user);
    double *product = (double *)float64(&moments->product, user);
    memset(square, 0, moments->square.width * sizeof *square);
    memset(product, 0, moments->product.width * sizeof *product);

    Known known;
    Range rows = rows_of(given, user);
    for (size_t row = rows.first; row < rows.end; row++) {
        double residual = *float64(&given->residual, row);
        find_known(given, row, &known);
        for (size_t a = 0; a < known.n; a++) {
            double value = known.value[a];
            double *of_term = square + in_triangle(known.place[a], 0);
            for (size_t b = 0; b <= a; b++) {
                of_term[known.place[b]] += value * known.value[b];
            }
            product[known.place[a]] += value * residual;
        }
    }
}

/* 2. Weights */

/* Sums of as many users as there are lanes, and what is found from them. */
typedef struct {
    Lanes *square;
    Lanes *covariance;
    Lanes product[MOST_TERMS];
    Lanes weight[MOST_TERMS];
    Lanes away;
} Batch;

static inline __attribute__((always_inline)) void
put_into_lane(const Moments *moments, size_t user, int lane, Batch *batch) {
    const double *square = float64(&moments->square, user);
    const double *product = float64(&moments->product, user);
    for (size_t k = 0; k < moments->square.width; k++) {
        batch->square[k][lane] = square[k];
    }
    for (size_t i = 0; i < moments->product.width; i++) {
        batch->product[i][lane] = product[i];
    }
}

static inline __attribute__((always_inline)) void
solve(const Moments *moments, const double *variance, Batch *batch) {
    size_t d = moments->product.width;
    double noise = variance[d];
    for (size_t k = 0; k < moments->square.width; k++) {
        batch->covariance[k] = batch->square[k] / noise;
    }
    for (size_t i = 0; i < d; i++) {
        batch->covariance[in_triangle(i, i)] += 1 / variance[i];
    }
    invert(batch->covariance, d);

    Lanes *weight = batch->weight;
    memset(weight, 0, d * sizeof *weight);
    for (size_t j = 0; j < d; j++) {
        for (size_t i = 0; i < d; i++) {
            weight[i] += batch->covariance[in_triangle(i, j)] * batch->product[j];
        }
    }
    for (size_t i = 0; i < d; i++) {
        weight[i] /= noise;
    }
}

static inline __attribute__((always_inline)) void find_away(Batch *batch, size_t d) {
    Lanes away = {0};
    size_t k = 0;
    for (size_t i = 0; i < d; i++) {
        away -= 2 * batch->weight[i] * batch->product[i];
        for (size_t j = 0; j <= i; j++, k++) {
            Lanes second = batch->covariance[k] + batch->weight[i] * batch->weight[j];
            double n_times = i == j ? 1 : 2;
            away += n_times * second * batch->square[k];
        }
    }
    batch->away = away;
}

static void take_from_lane(const Batch *batch, int lane, size_t user,
                           const Weights *found) {
    double *weight = (double *)float64(&found->weight, user);
    double *covariance = (double *)float64(&found->covariance, user);
    for (size_t i = 0; i < found->weight.width; i++) {
        weight[i] = batch->weight[i][lane];
    }
    for (size_t k = 0; k < found->covariance.width; k++) {
        covariance[k] = batch->covariance[k][lane];
    }
    *(double *)float64(&found->away, user) = batch->away[lane];
}

WIDE static void find_batch(const Moments *moments, const double *variance,
                            size_t first, Batch *batch, const Weights *found) {
    size_t n_left = moments->product.length - first;
    size_t n = n_left < N_LANES ? n_left : N_LANES;
    for (int lane = 0; lane < N_LANES; lane++) {
        /* Lanes that are left over have the last user again. */
        size_t place = (size_t)lane < n ? (size_t)lane : n - 1;
        put_into_lane(moments, first + place, lane, batch);
    }
    solve(moments, variance, batch);
    find_away(batch, moments->product.width);
    for (size_t place = 0; place < n; place++) {
        take_from_lane(batch, (int)place, first + place, found);
    }
}

/* 3. Fits */

static void fit_user(const Given *given, const Weights *weights, size_t user,
                     const Fits *fits) {
    const double *weight = float64(&weights->weight, user);
    const double *covariance = float64(&weights->covariance, user);
    Known known;
    Range rows = rows_of(given, user);
    for (size_t row = rows.first; row < rows.end; row++) {
        find_known(given, row, &known);
        double expected = 0;
        double spread = 0;
        for (size_t a = 0; a < known.n; a++) {
            double value = known.value[a];
            const double *of_term = covariance + in_triangle(known.place[a], 0);
            expected += weight[known.place[a]] * value;
            double others = 0;
            for (size_t b = 0; b < a; b++) {
                others += of_term[known.place[b]] * known.value[b];
            }
            spread += (2 * others + of_term[known.place[a]] * value) * value;
        }
        *(double *)float64(&fits->expected, row) = expected;
        *(double *)float64(&fits->spread, row) = spread;
    }
}

/* The functions of the module */

static int are_triangles(size_t d, size_t n_pairs) {
    if (d > MOST_TERMS || n_pairs != d * (d + 1) / 2) {
        PyErr_Format(PyExc_ValueError, "%zu terms and triangles of %zu elements", d,
                     n_pairs);
        return 0;
    }
    return 1;
}

static int are_rows_of(const Given *given, Range rows) {
    if (rows.first > rows.end || rows.end > given->movie.length) {
        return 0;
    }
    for (size_t row = rows.first; row < rows.end; row++) {
        int64_t movie = *int64(&given->movie, row);
        if (movie < 0 || (uint64_t)movie >= given->terms.length) {
            return 0;
        }
    }
    return 1;
}

static int are_in_bounds(const Given *given) {
    for (size_t user = 0; user < given->first.length; user++) {
        if (!are_rows_of(given, rows_of(given, user))) {
            return 0;
        }
    }
    return 1;
}

PyObject *sum_moments(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given_arrays;
    PyObject *moment_arrays;
    if (!PyArg_ParseTuple(args, "O!O!:sum_moments", &PyDict_Type, &given_arrays,
                          &PyDict_Type, &moment_arrays)) {
        return NULL;
    }

    Py_buffer views[2 * MOST_TABLES];
    Buffers buffers = {views, 0};
    Extents extents = {.n = 0};
    Given given;
    Moments moments;
    PyObject *result = NULL;
    if (bind_tables("given", GIVEN, given_arrays, 0, &extents, &buffers,
                    (Table *)&given) == 0 &&
        bind_tables("moments", MOMENTS, moment_arrays, 1, &extents, &buffers,
                    (Table *)&moments) == 0 &&
        are_triangles(moments.product.width, moments.square.width)) {
        int is_right;
        Py_BEGIN_ALLOW_THREADS;
        is_right = are_in_bounds(&given);
        size_t n_users = is_right ? given.first.length : 0;
        for (size_t user = 0; user < n_users; user++) {
            sum_user(&given, user, &moments);
        }
        Py_END_ALLOW_THREADS;
        result = done(is_right);
    }
    release_buffers(&buffers);
    return result;
}

static PyObject *weigh_all(const Moments *moments, const Table *variance,
                           const Weights *found) {
    size_t n_pairs = moments->square.width;
    if (!are_triangles(moments->product.width, n_pairs)) {
        return NULL;
    }
    Batch *batch = PyMem_Calloc(1, sizeof *batch);
    Lanes *matrices = PyMem_Calloc(2 * n_pairs, sizeof *matrices);
    if (batch == NULL || matrices == NULL) {
        PyMem_Free(batch);
        PyMem_Free(matrices);
        return PyErr_NoMemory();
    }
    batch->square = matrices;
    batch->covariance = matrices + n_pairs;
    Py_BEGIN_ALLOW_THREADS;
    for (size_t first = 0; first < moments->product.length; first += N_LANES) {
        find_batch(moments, float64(variance, 0), first, batch, found);
    }
    Py_END_ALLOW_THREADS;
    PyMem_Free(batch);
    PyMem_Free(matrices);
    Py_RETURN_NONE;
}

PyObject *find_weights(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *moment_arrays;
    PyObject *variance_arrays;
    PyObject *found_arrays;
    if (!PyArg_ParseTuple(args, "O!O!O!:find_weights", &PyDict_Type, &moment_arrays,
                          &PyDict_Type, &variance_arrays, &PyDict_Type,
                          &found_arrays)) {
        return NULL;
    }

    Py_buffer views[3 * MOST_TABLES];
    Buffers buffers = {views, 0};
    Extents extents = {.n = 0};
    Moments moments;
    Table variance;
    Weights found;
    PyObject *result = NULL;
    if (bind_tables("moments", MOMENTS, moment_arrays, 0, &extents, &buffers,
                    (Table *)&moments) == 0 &&
        bind_tables("variances", VARIANCE, variance_arrays, 0, &extents, &buffers,
                    &variance) == 0 &&
        bind_tables("found", WEIGHTS, found_arrays, 1, &extents, &buffers,
                    (Table *)&found) == 0) {
        result = weigh_all(&moments, &variance, &found);
    }
    release_buffers(&buffers);
    return result;
}

PyObject *find_fits(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given_arrays;
    PyObject *weight_arrays;
    PyObject *fit_arrays;
    if (!PyArg_ParseTuple(args, "O!O!O!:find_fits", &PyDict_Type, &given_arrays,
                          &PyDict_Type, &weight_arrays, &PyDict_Type, &fit_arrays)) {
        return NULL;
    }

    Py_buffer views[3 * MOST_TABLES];
    Buffers buffers = {views, 0};
    Extents extents = {.n = 0};
    Given given;
    Weights weights;
    Fits fits;
    PyObject *result = NULL;
    if (bind_tables("given", GIVEN, given_arrays, 0, &extents, &buffers,
                    (Table *)&given) == 0 &&
        bind_tables("weights", FITTED, weight_arrays, 0, &extents, &buffers,
                    (Table *)&weights) == 0 &&
        bind_tables("fits", FITS, fit_arrays, 1, &extents, &buffers, (Table *)&fits) ==
            0 &&
        are_triangles(weights.weight.width, weights.covariance.width)) {
        int is_right;
        Py_BEGIN_ALLOW_THREADS;
        is_right = are_in_bounds(&given);
        size_t n_users = is_right ? given.first.length : 0;
        for (size_t user = 0; user < n_users; user++) {
            fit_user(&given, &weights, user, &fits);
        }
        Py_END_ALLOW_THREADS;
        result = done(is_right);
    }
    release_buffers(&buffers);
    return result;
}
