/* How alike any two items are, by what those who rated both thought of them, and the
 * likest of each.
 *
 * Each rating of an item is held against all others of the same rater, so the work is
 * the sum of the squares of the raters' numbers of ratings; one item is done at a time,
 * so the memory is that of the items. Sums go by rising rater.
 */

#include "_tables.h"

#include <math.h>
#include <string.h>

/* Ratings twice, by item and by rater. `..._start` are the first of each and the end of
 * the last. */
typedef struct {
    Table item_start, rater, opinion;
    Table rater_start, item, its_opinion;
    Table shrinkage;
} Ratings;

static const TableKind RATINGS[] = {
    {"item_start", 'q', "U"},  {"rater", 'i', "a"}, {"opinion", 'f', "a"},
    {"rater_start", 'q', "M"}, {"item", 'i', "a"},  {"its_opinion", 'f', "a"},
    {"shrinkage", 'f', "1"},   {NULL, 0, NULL},
};

typedef struct {
    Table neighbour, likeness;
} Likest;

static const TableKind LIKEST[] = {
    {"neighbour", 'i', "ub"}, {"likeness", 'f', "ub"}, {NULL, 0, NULL}};

typedef struct {
    float product, own, theirs, common;
} Sums;

typedef struct {
    float likeness;
    int32_t item;
} Candidate;

static int is_worse(Candidate a, Candidate b) {
    return a.likeness < b.likeness || (a.likeness == b.likeness && a.item > b.item);
}

/* The worst comes first in a heap of the best. */
static void sift(Candidate *heap, size_t n, size_t place) {
    for (;;) {
        size_t worst = place, left = 2 * place + 1;
        for (size_t child = left; child < left + 2 && child < n; child++)
            if (is_worse(heap[child], heap[worst]))
                worst = child;
        if (worst == place)
            return;
        Candidate moved = heap[place];
        heap[place] = heap[worst];
        heap[worst] = moved;
        place = worst;
    }
}

/* Keeps the best `most` in `heap`, which has `n`; returns how many it has then. */
static size_t offer(Candidate *heap, size_t n, size_t most, Candidate candidate) {
    if (n < most) {
        heap[n] = candidate;
        for (size_t place = n; place && is_worse(heap[place], heap[(place - 1) / 2]);
             place = (place - 1) / 2) {
            Candidate moved = heap[place];
            heap[place] = heap[(place - 1) / 2];
            heap[(place - 1) / 2] = moved;
        }
        return n + 1;
    }
    if (is_worse(heap[0], candidate)) {
        heap[0] = candidate;
        sift(heap, n, 0);
    }
    return n;
}

/* Adds up what the raters of an item thought of it and of all items that they rated;
 * returns how many those are. */
static size_t compare(const Ratings *ratings, size_t item, Sums *sums, int32_t *met) {
    size_t n_met = 0;
    int64_t end = *int64(&ratings->item_start, item + 1);
    for (int64_t i = *int64(&ratings->item_start, item); i < end; i++) {
        float opinion = *float32(&ratings->opinion, (size_t)i),
              square = opinion * opinion;
        size_t rater = (size_t)*int32(&ratings->rater, (size_t)i);
        const int64_t *bounds = int64(&ratings->rater_start, rater);
        const int32_t *others = int32(&ratings->item, 0);
        const float *opinions = float32(&ratings->its_opinion, 0);
        for (int64_t j = bounds[0]; j < bounds[1]; j++) {
            float other = opinions[j];
            Sums *sum = sums + others[j];
            if (sum->common == 0)
                met[n_met++] = others[j];
            sum->product += opinion * other;
            sum->own += square;
            sum->theirs += other * other;
            sum->common += 1;
        }
    }
    return n_met;
}

/* `heap` has room for as many as are kept, and one. */
static void find_likest_of(const Ratings *ratings, size_t item, Sums *sums,
                           int32_t *met, Candidate *heap, const Likest *likest) {
    float shrinkage = *float32(&ratings->shrinkage, 0);
    size_t n_met = compare(ratings, item, sums, met), n = 0;
    for (size_t i = 0; i < n_met; i++) {
        Sums sum = sums[met[i]];
        memset(sums + met[i], 0, sizeof sum);
        if (sum.common < 2 || !(sum.product > 0) || (size_t)met[i] == item)
            continue;
        float alike =
            sum.product / (sqrtf(sum.own * sum.theirs) + (float)(0.3 * shrinkage));
        Candidate candidate = {alike * (sum.common / (sum.common + shrinkage)), met[i]};
        n = offer(heap, n, likest->neighbour.width, candidate);
    }
    int32_t *neighbour = (int32_t *)int32(&likest->neighbour, item);
    float *likeness = (float *)float32(&likest->likeness, item);
    while (n--) { /* the worst of what is left is the last in order */
        neighbour[n] = heap[0].item;
        likeness[n] = heap[0].likeness;
        heap[0] = heap[n];
        sift(heap, n, 0);
    }
}

static PyObject *run(const Ratings *ratings, const Likest *likest) {
    size_t n_items = ratings->item_start.length - 1,
           n_raters = ratings->rater_start.length - 1;
    size_t n_ratings = ratings->rater.length;
    if (!rises_to(&ratings->item_start, n_ratings) ||
        !rises_to(&ratings->rater_start, n_ratings) ||
        !are_below(&ratings->rater, n_raters) || !are_below(&ratings->item, n_items))
        return PyErr_Format(PyExc_ValueError,
                            "ratings: a start or an index is out of bounds");
    Sums *sums = PyMem_Calloc(n_items + 1, sizeof *sums);
    int32_t *met = PyMem_Calloc(n_items + 1, sizeof *met);
    Candidate *heap = PyMem_Calloc(likest->neighbour.width + 1, sizeof *heap);
    PyObject *result = sums && met && heap ? Py_None : PyErr_NoMemory();
    if (result != NULL) {
        Py_BEGIN_ALLOW_THREADS for (size_t item = 0; item < n_items; item++)
            find_likest_of(ratings, item, sums, met, heap, likest);
        Py_END_ALLOW_THREADS Py_INCREF(result);
    }
    PyMem_Free(sums);
    PyMem_Free(met);
    PyMem_Free(heap);
    return result;
}

PyObject *find_likest(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *arrays, *found, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!O!:find_likest", &PyDict_Type, &arrays, &PyDict_Type,
                          &found))
        return NULL;
    Py_buffer room[2 * MOST_TABLES];
    Views views = {room, 0};
    Extents extents = no_extents();
    Ratings ratings;
    Likest likest;
    if (hold("ratings", RATINGS, arrays, 0, &extents, &views, (Table *)&ratings) == 0 &&
        hold("likest", LIKEST, found, 1, &extents, &views, (Table *)&likest) == 0)
        result = run(&ratings, &likest);
    let_go(&views);
    return result;
}
