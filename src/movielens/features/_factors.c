/* One step of a matrix factorization by variational Bayes (Lim and Teh 2007): finds the
 * vectors of one side, users or movies, given those of the other.
 *
 * A vector's precision is that of its prior plus, for each rating, the expected square
 * of the other side's vector over the noise. Its mean solves the normal equations. The
 * last element of a vector is an intercept, which meets a 1 on the other side. Sums go
 * in the order of the ratings, and inverses are taken by Cholesky's decomposition, so
 * that any machine has the same bits.
 *
 * Symmetric matrices are stored as their lower triangles, row by row. Only the expected
 * squares have another order, in which whole lanes can be added:
 *
 * 1. the last row of the triangle, which is the vector with a 1 for its intercept;
 * 2. padding, whose last element is the intercept;
 * 3. the other rows of the triangle, and padding.
 */

#include "_lanes.h"
#include "_tables.h"

#include <math.h>
#include <string.h>

#define MOST_D 32
#define MOST_PAIRS (MOST_D * (MOST_D + 1) / 2)
/* Doubles in a cache line. */
#define IN_CACHE_LINE 8
/* How many ratings ahead the squares are fetched. */
#define N_AHEAD 4
#define MOST_BLOCKS (MOST_PAIRS / N_LANES + 3)

/* The expected squares of the other side's vectors */

typedef struct {
    Table vector;
    Table covariance;
} Vectors;

static const TableKind VECTORS[] = {
    {"vector", 'd', "others, d"},
    {"covariance", 'd', "others, pairs"},
    {NULL, 0, NULL},
};

static const TableKind SQUARES[] = {
    {"square", 'd', "others, padded"},
    {NULL, 0, NULL},
};

static size_t n_blocks_of(size_t n_elements) {
    return (n_elements + N_LANES - 1) / N_LANES;
}

/* Blocks of lanes before the rows of the triangle but the last. */
static size_t n_first_blocks(size_t d) {
    return n_blocks_of(d + 1);
}

static size_t n_blocks(size_t d) {
    return n_first_blocks(d) + n_blocks_of(d * (d - 1) / 2);
}

/* The place of each element of a triangle in an expected square. */
static void find_places(size_t d, size_t *places) {
    size_t n_before = n_first_blocks(d) * N_LANES;
    size_t n_pairs = d * (d + 1) / 2;
    size_t last_row = n_pairs - d;
    for (size_t k = 0; k < n_pairs; k++) {
        places[k] = k < last_row ? n_before + k : k - last_row;
    }
}

static void square_vector(const Vectors *vectors, size_t other, double *square) {
    size_t d = vectors->vector.width;
    size_t n_before = n_first_blocks(d) * N_LANES;
    const double *vector = float64(&vectors->vector, other);
    const double *covariance = float64(&vectors->covariance, other);

    memset(square, 0, n_blocks(d) * sizeof(Lanes));
    memcpy(square, vector, (d - 1) * sizeof *square);
    square[d - 1] = 1;
    square[n_before - 1] = vector[d - 1];
    size_t k = 0;
    for (size_t i = 0; i < d - 1; i++) {
        for (size_t j = 0; j <= i; j++, k++) {
            square[n_before + k] = vector[i] * vector[j] + covariance[k];
        }
    }
}

/* Whether vectors and their triangles have sizes that fit together. */
static int are_sizes_right(size_t d, size_t n_pairs, size_t n_padded) {
    if (d > MOST_D || n_pairs != d * (d + 1) / 2) {
        PyErr_Format(PyExc_ValueError, "vectors of %zu and triangles of %zu elements",
                     d, n_pairs);
        return 0;
    }
    if (n_padded != n_blocks(d) * N_LANES) {
        PyErr_Format(PyExc_ValueError, "squares have %zu elements, expected %zu",
                     n_padded, n_blocks(d) * N_LANES);
        return 0;
    }
    return 1;
}

static PyObject *square_all(const Vectors *vectors, const Table *squares, Range range) {
    size_t d = vectors->vector.width;
    if (!are_sizes_right(d, vectors->covariance.width, squares->width) ||
        !is_within(range, squares->length)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    for (size_t other = range.first; other < range.end; other++) {
        square_vector(vectors, other, (double *)float64(squares, other));
    }
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

/* The vectors of this side */

typedef struct {
    Table start;     /* where the ratings of each of this side begin */
    Table other;     /* whom of the other side they concern */
    Table rating;    /* what the bias leaves unexplained of them */
    Table square;    /* expected, of the other side's vectors */
    Table precision; /* of this side's prior */
    Table shift;     /* the prior's means times its precision */
    Table noise;
} Given;

static const TableKind GIVEN[] = {
    {"start", 'q', "items+1"},  {"other", 'i', "ratings"},
    {"rating", 'd', "ratings"}, {"square", 'd', "others, padded"},
    {"precision", 'd', "d"},    {"shift", 'd', "items, d"},
    {"noise", 'd', "1"},        {NULL, 0, NULL},
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

/* What the ratings of one user or movie add up to. */
typedef struct {
    Lanes square[MOST_BLOCKS];  /* of the other side's vectors */
    Lanes product[MOST_BLOCKS]; /* of those and the ratings less their intercepts */
    double total;               /* of those ratings' squares */
} RatingSums;

/* The same of as many users or movies as there are lanes, and what is found of them. */
typedef struct {
    Lanes square[MOST_PAIRS];
    Lanes product[MOST_D];
    Lanes total;
    Lanes shift[MOST_D];
    Lanes covariance[MOST_PAIRS];
    Lanes vector[MOST_D];
    Lanes unexplained;
} Batch;

/* Fetches what a later rating needs into the cache, if it is before the end. */
static inline __attribute__((always_inline)) void fetch(const Given *given, size_t at,
                                                        size_t end) {
    if (at < end) {
        size_t other = (size_t)*int32(&given->other, at);
        const double *square = float64(&given->square, other);
        for (size_t k = 0; k < given->square.width; k += IN_CACHE_LINE) {
            __builtin_prefetch(square + k);
        }
    }
}

static inline __attribute__((always_inline)) void
sum_ratings(const Given *given, size_t item, size_t end, RatingSums *sums) {
    size_t d = given->shift.width;
    size_t n_first = n_first_blocks(d);
    size_t n_all = n_blocks(d);
    memset(sums->square, 0, n_all * sizeof(Lanes));
    memset(sums->product, 0, n_first * sizeof(Lanes));
    sums->total = 0;

    const int64_t *bounds = int64(&given->start, item);
    for (size_t at = (size_t)bounds[0]; at < (size_t)bounds[1]; at++) {
        fetch(given, at + N_AHEAD, end);
        size_t other = (size_t)*int32(&given->other, at);
        const double *elements = float64(&given->square, other);
        const Lanes *square = (const Lanes *)elements;
        double intercept = elements[n_first * N_LANES - 1];
        double rating = *float64(&given->rating, at) - intercept;
        for (size_t block = 0; block < n_first; block++) {
            sums->product[block] += rating * square[block];
        }
        for (size_t block = 0; block < n_all; block++) {
            sums->square[block] += square[block];
        }
        sums->total += rating * rating;
    }
}

/* Puts what belongs to one user or movie into its lane. */
static inline __attribute__((always_inline)) void
put_into_lane(const Given *given, size_t item, const RatingSums *sums,
              const size_t *places, int lane, Batch *batch) {
    size_t d = given->shift.width;
    const double *square = (const double *)sums->square;
    const double *product = (const double *)sums->product;
    const double *shift = float64(&given->shift, item);
    for (size_t k = 0; k < d * (d + 1) / 2; k++) {
        batch->square[k][lane] = square[places[k]];
    }
    for (size_t i = 0; i < d; i++) {
        batch->product[i][lane] = product[i];
        batch->shift[i][lane] = shift[i];
    }
    batch->total[lane] = sums->total;
}

/* The expected sums of squares that the vectors don't explain. */
static inline __attribute__((always_inline)) void find_unexplained(Batch *batch,
                                                                   size_t d) {
    const Lanes *vector = batch->vector;
    Lanes explained = {0};
    size_t k = 0;
    for (size_t i = 0; i < d; i++) {
        explained += 2 * vector[i] * batch->product[i];
        for (size_t j = 0; j <= i; j++, k++) {
            Lanes expected_square = vector[i] * vector[j] + batch->covariance[k];
            double n_times = i == j ? 1 : 2;
            explained -= n_times * expected_square * batch->square[k];
        }
    }
    batch->unexplained = batch->total - explained;
}

static inline __attribute__((always_inline)) void solve(const Given *given,
                                                        Batch *batch) {
    size_t d = given->shift.width;
    const double *precision = float64(&given->precision, 0);
    double noise = *float64(&given->noise, 0);
    Lanes *covariance = batch->covariance;
    for (size_t k = 0; k < d * (d + 1) / 2; k++) {
        covariance[k] = batch->square[k] / noise;
    }
    for (size_t i = 0; i < d; i++) {
        covariance[in_triangle(i, i)] += precision[i];
    }
    invert(covariance, d);

    memset(batch->vector, 0, d * sizeof(Lanes));
    for (size_t j = 0; j < d; j++) {
        Lanes evidence = batch->product[j] / noise + batch->shift[j];
        for (size_t i = 0; i < d; i++) {
            batch->vector[i] += covariance[in_triangle(i, j)] * evidence;
        }
    }
    find_unexplained(batch, d);
}

static void take_from_lane(const Batch *batch, int lane, size_t item,
                           const Found *found) {
    double *vector = (double *)float64(&found->vector, item);
    double *covariance = (double *)float64(&found->covariance, item);
    double *unexplained = (double *)float64(&found->unexplained, item);
    for (size_t i = 0; i < found->vector.width; i++) {
        vector[i] = batch->vector[i][lane];
    }
    for (size_t k = 0; k < found->covariance.width; k++) {
        covariance[k] = batch->covariance[k][lane];
    }
    *unexplained = batch->unexplained[lane];
}

WIDE static void find_batch(const Given *given, const size_t *places, Range items,
                            Batch *batch, const Found *found) {
    RatingSums sums;
    size_t n_items = items.end - items.first;
    size_t end = (size_t)*int64(&given->start, items.end);
    for (int lane = 0; lane < N_LANES; lane++) {
        /* Lanes that are left over have the last item again. */
        size_t place = (size_t)lane < n_items ? (size_t)lane : n_items - 1;
        sum_ratings(given, items.first + place, end, &sums);
        put_into_lane(given, items.first + place, &sums, places, lane, batch);
    }
    solve(given, batch);
    for (size_t place = 0; place < n_items; place++) {
        take_from_lane(batch, (int)place, items.first + place, found);
    }
}

/* Whether the starts are, and what the rows of a range refer to. */
static int are_in_bounds(const Given *given, Range range) {
    if (!rises_to(&given->start, given->other.length)) {
        return 0;
    }
    Range rows = {
        .first = (size_t)*int64(&given->start, range.first),
        .end = (size_t)*int64(&given->start, range.end),
    };
    return are_rows_below(&given->other, rows, given->square.length);
}

static PyObject *find_all(const Given *given, const Found *found, Range range) {
    size_t n_items = given->start.length - 1;
    size_t d = given->shift.width;
    if (!are_sizes_right(d, found->covariance.width, given->square.width) ||
        !is_within(range, n_items)) {
        return NULL;
    }

    size_t places[MOST_PAIRS];
    find_places(d, places);
    Batch *batch = PyMem_Calloc(1, sizeof *batch);
    if (batch == NULL) {
        return PyErr_NoMemory();
    }
    int is_right;
    Py_BEGIN_ALLOW_THREADS;
    is_right = are_in_bounds(given, range);
    size_t end = is_right ? range.end : range.first;
    for (size_t first = range.first; first < end; first += N_LANES) {
        size_t left = end - first;
        Range items = {first, first + (left < N_LANES ? left : N_LANES)};
        find_batch(given, places, items, batch, found);
    }
    Py_END_ALLOW_THREADS;
    PyMem_Free(batch);
    return done(is_right);
}

/* The functions of the module */

PyObject *square_vectors(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *vector_arrays;
    PyObject *square_arrays;
    Range range;
    if (!PyArg_ParseTuple(args, "O!O!nn:square_vectors", &PyDict_Type, &vector_arrays,
                          &PyDict_Type, &square_arrays, &range.first, &range.end)) {
        return NULL;
    }

    Py_buffer views[MOST_TABLES];
    Buffers buffers = {views, 0};
    Extents extents = {.n = 0};
    Vectors vectors;
    Table squares;
    PyObject *result = NULL;
    if (bind_tables("vectors", VECTORS, vector_arrays, 0, &extents, &buffers,
                    (Table *)&vectors) == 0 &&
        bind_tables("squares", SQUARES, square_arrays, 1, &extents, &buffers,
                    &squares) == 0) {
        result = square_all(&vectors, &squares, range);
    }
    release_buffers(&buffers);
    return result;
}

PyObject *find_vectors(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given_arrays;
    PyObject *found_arrays;
    Range range;
    if (!PyArg_ParseTuple(args, "O!O!nn:find_vectors", &PyDict_Type, &given_arrays,
                          &PyDict_Type, &found_arrays, &range.first, &range.end)) {
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
        result = find_all(&given, &found, range);
    }
    release_buffers(&buffers);
    return result;
}
