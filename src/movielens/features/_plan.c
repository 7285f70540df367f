/* Rows by a plan: looks ids up, finds what the user rated before, and lets each group's
 * kernel write its columns. */

#include "_plan.h"

#include <string.h>

#define MOST_RATED ((size_t)1 << 24)

/* Moves `first` to the first of the rising numbers from it up to `last` that isn't
 * below a bound. Which half a step goes to is arithmetic: a branch would be
 * mispredicted every other time. */
#define LOWER_BOUND(numbers, first, last, bound)                                       \
    for (size_t left = (last) - (first); left;) {                                      \
        size_t half = (left + 1) / 2;                                                  \
        (first) += ((numbers)[(first) + half - 1] < (bound)) * half;                   \
        left -= half;                                                                  \
    }

static size_t index_of(const Table *ids, size_t place, size_t end, int64_t id) {
    const int64_t *known = int64(ids, 0);
    LOWER_BOUND(known, place, end, id)
    return place < ids->length && known[place] == id ? place : ids->length;
}

static size_t shelf_of(const Plan *plan, int64_t movie_id) {
    uint64_t shelf =
        ((uint64_t)movie_id - (uint64_t)*int64(&plan->known.movie_id, 0)) >>
        plan->shift;
    return shelf < N_SHELVES ? (size_t)shelf : N_SHELVES - 1;
}

static size_t movie_of(const Plan *plan, int64_t movie_id) {
    const Table *ids = &plan->known.movie_id;
    if (!ids->length)
        return 0;
    size_t shelf = shelf_of(plan, movie_id);
    return index_of(ids, plan->shelf[shelf], plan->shelf[shelf + 1], movie_id);
}

static void find_earlier(const Known *known, Row *row) {
    const int64_t *time = int64(&known->rated_time, 0);
    row->begin = row->first;
    LOWER_BOUND(time, row->begin, row->last, 0) /* those without a time */
    row->end = row->begin;
    if (row->time == row->time)
        LOWER_BOUND(time, row->end, row->last, row->time)
}

void transform(const Plan *plan, const Queries *queries, char *scratch, float *out) {
    const Known *known = &plan->known;
    Row row = {0};
    for (size_t i = 0; i < queries->length; i++) {
        int64_t user_id =
            *(const int64_t *)(queries->user_id + (ptrdiff_t)i * queries->user_step);
        double time =
            *(const double *)(queries->time + (ptrdiff_t)i * queries->time_step);
        row.is_same_user = i && user_id == row.user_id;
        int is_same_moment = row.is_same_user && !memcmp(&time, &row.time, sizeof time);
        row.movie_id =
            *(const int64_t *)(queries->movie_id + (ptrdiff_t)i * queries->movie_step);
        row.movie = movie_of(plan, row.movie_id);
        if (!row.is_same_user) {
            row.user_id = user_id;
            row.user = index_of(&known->user_id, 0, known->user_id.length, user_id);
            row.first = (size_t)*int64(&known->start, row.user);
            row.last = (size_t)*int64(&known->start, row.user + 1);
        }
        if (!is_same_moment) {
            row.time = time;
            if (plan->looks_back)
                find_earlier(known, &row);
        }
        float *features = out + i * plan->n_columns;
        row.features = features;
        for (const Group *group = plan->groups, *end = group + plan->n_groups;
             group < end; group++) {
            float *column = features + group->column;
            row.before = is_same_moment ? column - plan->n_columns : NULL;
            row.scratch = scratch + group->scratch;
            if (group->kernel->past == ONLY_PAST && is_same_moment)
                memcpy(column, row.before, group->n_columns * sizeof(float));
            else
                group->kernel->apply(known, group->tables, &row, column);
        }
    }
}

static const char *fault_of(Plan *plan) {
    const Known *known = &plan->known;
    size_t n_rated = known->rated_movie.length - 1,
           n_classes = known->class_values.length;
    if (n_classes > MOST_CLASSES)
        return "class_values has more than 64 classes";
    if (!rises_to(&known->start, n_rated))
        return "start doesn't rise from 0 to the number of ratings";
    for (size_t user = 0; user + 1 < known->start.length; user++) {
        size_t rated =
            (size_t)(int64(&known->start, user)[1] - *int64(&known->start, user));
        plan->most_rated = rated > plan->most_rated ? rated : plan->most_rated;
    }
    if (plan->most_rated > MOST_RATED)
        return "a user has more than 2^24 ratings";
    for (size_t place = 0; place < n_rated; place++) {
        int32_t movie = *int32(&known->rated_movie, place);
        if (movie < 0 || (size_t)movie >= known->movie_id.length)
            return "rated_movie has a movie that isn't in the catalogue";
        if (*uint8(&known->rated_class, place) >= n_classes)
            return "rated_class has a class that isn't on the scale";
    }
    return NULL;
}

/* The shelves never fall, whatever the ids are. */
static void put_on_shelves(Plan *plan) {
    const Table *ids = &plan->known.movie_id;
    size_t next = 0;
    if (ids->length) {
        uint64_t range =
            (uint64_t)*int64(ids, ids->length - 1) - (uint64_t)*int64(ids, 0);
        while (plan->shift < 63 && range >> plan->shift >= N_SHELVES)
            plan->shift++;
        for (size_t place = 0; place < ids->length; place++)
            for (size_t shelf = shelf_of(plan, *int64(ids, place)); next <= shelf;
                 next++)
                plan->shelf[next] = (uint32_t)place;
    }
    for (; next <= N_SHELVES; next++)
        plan->shelf[next] = (uint32_t)ids->length;
}

const char *take_in(Plan *plan) {
    const char *fault = fault_of(plan);
    if (fault == NULL)
        put_on_shelves(plan);
    return fault;
}
