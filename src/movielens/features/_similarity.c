/* How similar any two items are by what their common raters thought of them, and the
 * items that are most similar to each.
 *
 * Each rating of an item is compared with all other ratings of the same rater, so the
 * work grows with the sum of the squares of the raters' numbers of ratings. One item is
 * done at a time, so the memory grows with the number of items. Sums go by rising
 * rater.
 */

#include "_lanes.h"
#include "_tables.h"

#include <math.h>
#include <string.h>

/* All ratings twice: by item, with raters, and by rater, with items. The starts say
 * where each item or rater begins, and where the last one ends. */
typedef struct {
    Table item_start;
    Table rater;
    Table opinion;
    Table rater_start;
    Table item;
    Table opinion_of_item;
    Table shrinkage;
    Table norm_shrinkage;
} Ratings;

static const TableKind RATINGS[] = {
    {"item_start", 'q', "items+1"},
    {"rater", 'i', "ratings"},
    {"opinion", 'f', "ratings"},
    {"rater_start", 'q', "raters+1"},
    {"item", 'i', "ratings"},
    {"opinion_of_item", 'f', "ratings"},
    {"shrinkage", 'f', "1"},
    {"norm_shrinkage", 'f', "1"},
    {NULL, 0, NULL},
};

typedef struct {
    Table neighbour;
    Table similarity;
} MostSimilar;

static const TableKind MOST_SIMILAR[] = {
    {"neighbour", 'i', "items, kept"},
    {"similarity", 'f', "items, kept"},
    {NULL, 0, NULL},
};

/* What the common raters of two items add up to, in one vector. */
typedef float Sums __attribute__((vector_size(4 * sizeof(float))));

enum { PRODUCT, OWN_SQUARE, OTHER_SQUARE, N_COMMON };

/* Items with fewer raters in common aren't similar. */
#define LEAST_COMMON 2

/* A heap of the best candidates, the worst of them first. */

/* An item that was met, as a number: the bits of its similarity, which is above 0, then
 * the complement of the item. The greater the number, the better. Of two items that are
 * equally similar, the first one is better. */
typedef uint64_t Candidate;

static Candidate as_candidate(float similarity, int32_t item) {
    uint32_t bits;
    memcpy(&bits, &similarity, sizeof bits);
    return (Candidate)bits << 32 | ~(uint32_t)item;
}

static float similarity_of(Candidate candidate) {
    uint32_t bits = (uint32_t)(candidate >> 32);
    float similarity;
    memcpy(&similarity, &bits, sizeof similarity);
    return similarity;
}

static int32_t item_of(Candidate candidate) {
    uint32_t complement = (uint32_t)candidate;
    return (int32_t)~complement;
}

static void swap(Candidate *heap, size_t one, size_t other) {
    Candidate moved = heap[one];
    heap[one] = heap[other];
    heap[other] = moved;
}

static void sift_down(Candidate *heap, size_t n, size_t place) {
    for (;;) {
        size_t worst = place;
        size_t left = 2 * place + 1;
        for (size_t child = left; child < left + 2 && child < n; child++) {
            if (heap[child] < heap[worst]) {
                worst = child;
            }
        }
        if (worst == place) {
            return;
        }
        swap(heap, place, worst);
        place = worst;
    }
}

static void sift_up(Candidate *heap, size_t place) {
    while (place) {
        size_t parent = (place - 1) / 2;
        if (heap[place] >= heap[parent]) {
            return;
        }
        swap(heap, place, parent);
        place = parent;
    }
}

/* Adds a candidate to a heap of `n` if it is among the best `most`; returns how many
 * the heap has then. */
static size_t offer(Candidate *heap, size_t n, size_t most, Candidate candidate) {
    if (n < most) {
        heap[n] = candidate;
        sift_up(heap, n);
        return n + 1;
    }
    if (heap[0] < candidate) {
        heap[0] = candidate;
        sift_down(heap, n, 0);
    }
    return n;
}

/* Adds up the common raters of an item and of every item that they rated. Those items
 * are listed in `met`, which has room for one more; returns how many they are. */
static inline __attribute__((always_inline)) size_t compare(const Ratings *ratings,
                                                            size_t item, Sums *sums,
                                                            int32_t *met) {
    const int32_t *others = int32(&ratings->item, 0);
    const float *opinions = float32(&ratings->opinion_of_item, 0);
    const int64_t *bounds = int64(&ratings->item_start, item);
    size_t n_met = 0;
    if (bounds[1] - bounds[0] < LEAST_COMMON) {
        return n_met;
    }
    for (size_t i = (size_t)bounds[0]; i < (size_t)bounds[1]; i++) {
        float opinion = *float32(&ratings->opinion, i);
        float square = opinion * opinion;
        size_t rater = (size_t)*int32(&ratings->rater, i);
        const int64_t *rated = int64(&ratings->rater_start, rater);
        for (int64_t j = rated[0]; j < rated[1]; j++) {
            float other = opinions[j];
            Sums *sum = sums + others[j];
            /* Without a branch, which would be mispredicted at every new item. */
            met[n_met] = others[j];
            n_met += (*sum)[N_COMMON] == 0;
            *sum += (Sums){opinion * other, square, other * other, 1};
        }
    }
    return n_met;
}

/* Items that were met, several at once. */

#define N_AT_ONCE 8

typedef float Floats __attribute__((vector_size(N_AT_ONCE * sizeof(float))));

/* How similar the items are by their sums. */
static inline __attribute__((always_inline)) void
find_similarities(const Ratings *ratings, const Sums *sums, float *similarities) {
    Floats product, own_square, other_square, n_common;
    for (int i = 0; i < N_AT_ONCE; i++) {
        product[i] = sums[i][PRODUCT];
        own_square[i] = sums[i][OWN_SQUARE];
        other_square[i] = sums[i][OTHER_SQUARE];
        n_common[i] = sums[i][N_COMMON];
    }

    Floats norm = own_square * other_square;
    for (int i = 0; i < N_AT_ONCE; i++) {
        norm[i] = sqrtf(norm[i]);
    }
    norm += number(&ratings->norm_shrinkage);
    Floats confidence = n_common / (n_common + number(&ratings->shrinkage));
    Floats similarity = product / norm * confidence;

    memcpy(similarities, &similarity, sizeof similarity);
}

/* Some items that were met, and a heap of the best. */
typedef struct {
    Sums sums[N_AT_ONCE];
    int32_t items[N_AT_ONCE];
    size_t n; /* how many are waiting to be offered to the heap */
    Candidate *heap;
    size_t n_kept;
    size_t most;
} Choice;

static inline __attribute__((always_inline)) void offer_waiting(const Ratings *ratings,
                                                                Choice *choice) {
    float similarities[N_AT_ONCE];
    find_similarities(ratings, choice->sums, similarities);
    for (size_t i = 0; i < choice->n; i++) {
        if (similarities[i] > 0) {
            Candidate met = as_candidate(similarities[i], choice->items[i]);
            choice->n_kept = offer(choice->heap, choice->n_kept, choice->most, met);
        }
    }
    choice->n = 0;
}

/* `sums` are 0 before and after. */
static inline __attribute__((always_inline)) void choose(const Ratings *ratings,
                                                         Sums *sums, const int32_t *met,
                                                         size_t n_met, Choice *choice) {
    for (size_t i = 0; i < n_met; i++) {
        Sums sum = sums[met[i]];
        sums[met[i]] = (Sums){0};
        /* It takes a place, where the next one follows if it doesn't count. */
        choice->sums[choice->n] = sum;
        choice->items[choice->n] = met[i];
        choice->n += (sum[N_COMMON] >= LEAST_COMMON) & (sum[PRODUCT] > 0);
        if (choice->n == N_AT_ONCE) {
            offer_waiting(ratings, choice);
        }
    }
    offer_waiting(ratings, choice);
}

WIDE static void find_neighbours(const Ratings *ratings, size_t item, Sums *sums,
                                 int32_t *met, Candidate *heap,
                                 const MostSimilar *found) {
    size_t n_met = compare(ratings, item, sums, met);
    sums[item] = (Sums){0};
    Choice choice = {.heap = heap, .most = found->neighbour.width};
    choose(ratings, sums, met, n_met, &choice);

    int32_t *neighbour = (int32_t *)int32(&found->neighbour, item);
    float *similarity = (float *)float32(&found->similarity, item);
    size_t n = choice.n_kept;
    while (n--) { /* the worst that is left goes to the last place that is left */
        neighbour[n] = item_of(heap[0]);
        similarity[n] = similarity_of(heap[0]);
        heap[0] = heap[n];
        sift_down(heap, n, 0);
    }
}

static int are_in_bounds(const Ratings *ratings) {
    size_t n_items = ratings->item_start.length - 1;
    size_t n_raters = ratings->rater_start.length - 1;
    size_t n_ratings = ratings->rater.length;
    return rises_to(&ratings->item_start, n_ratings) &&
           rises_to(&ratings->rater_start, n_ratings) &&
           are_below(&ratings->rater, n_raters) && are_below(&ratings->item, n_items);
}

static PyObject *run(const Ratings *ratings, const MostSimilar *found, Range range) {
    size_t n_items = ratings->item_start.length - 1;
    if (!is_within(range, n_items)) {
        return NULL;
    }

    Sums *sums = PyMem_Calloc(n_items + 1, sizeof *sums);
    int32_t *met = PyMem_Calloc(n_items + 1, sizeof *met);
    Candidate *heap = PyMem_Calloc(found->neighbour.width + 1, sizeof *heap);
    PyObject *result = NULL;
    if (sums == NULL || met == NULL || heap == NULL) {
        PyErr_NoMemory();
    } else {
        int is_right;
        Py_BEGIN_ALLOW_THREADS;
        is_right = are_in_bounds(ratings);
        size_t end = is_right ? range.end : range.first;
        for (size_t item = range.first; item < end; item++) {
            find_neighbours(ratings, item, sums, met, heap, found);
        }
        Py_END_ALLOW_THREADS;
        result = done(is_right);
    }
    PyMem_Free(sums);
    PyMem_Free(met);
    PyMem_Free(heap);
    return result;
}

PyObject *find_most_similar(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given_arrays;
    PyObject *found_arrays;
    Range range;
    if (!PyArg_ParseTuple(args, "O!O!nn:find_most_similar", &PyDict_Type, &given_arrays,
                          &PyDict_Type, &found_arrays, &range.first, &range.end)) {
        return NULL;
    }

    Py_buffer views[2 * MOST_TABLES];
    Buffers buffers = {views, 0};
    Extents extents = {.n = 0};
    Ratings ratings;
    MostSimilar found;
    PyObject *result = NULL;
    if (bind_tables("ratings", RATINGS, given_arrays, 0, &extents, &buffers,
                    (Table *)&ratings) == 0 &&
        bind_tables("found", MOST_SIMILAR, found_arrays, 1, &extents, &buffers,
                    (Table *)&found) == 0) {
        result = run(&ratings, &found, range);
    }
    release_buffers(&buffers);
    return result;
}
