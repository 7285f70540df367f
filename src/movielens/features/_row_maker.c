/* Makes rows: looks up the ids, finds what the user rated before, and lets each group's
 * kernel write its columns. */

#include "_row_maker.h"

#include <string.h>

#define MOST_RATED ((size_t)1 << 24)

/* Moves `first` forward to the first of the rising numbers, up to `last`, that isn't
 * below the bound. The choice between the halves is arithmetic, since a branch would be
 * mispredicted every other time. */
#define LOWER_BOUND(numbers, first, last, bound)                                       \
    for (size_t left = (last) - (first); left;) {                                      \
        size_t half = (left + 1) / 2;                                                  \
        int is_below = (numbers)[(first) + half - 1] < (bound);                        \
        (first) += is_below * half;                                                    \
        left -= half;                                                                  \
    }

/* Where an id is among those from `first` to `end`; if it isn't there, the number of
 * all ids, which is the row of the unknown. */
static size_t find_id(const Table *ids, size_t first, size_t end, int64_t id) {
    const int64_t *known = int64(ids, 0);
    LOWER_BOUND(known, first, end, id)
    int is_found = first < ids->length && known[first] == id;
    return is_found ? first : ids->length;
}

static size_t shelf_of(const RowMaker *maker, int64_t movie_id) {
    uint64_t least_id = (uint64_t)*int64(&maker->shared.movie_id, 0);
    uint64_t shelf = ((uint64_t)movie_id - least_id) >> maker->shelf_shift;
    return shelf < N_SHELVES ? (size_t)shelf : N_SHELVES - 1;
}

static size_t find_movie(const RowMaker *maker, int64_t movie_id) {
    const Table *ids = &maker->shared.movie_id;
    if (!ids->length) {
        return 0;
    }
    size_t shelf = shelf_of(maker, movie_id);
    size_t first = maker->shelf_start[shelf];
    size_t end = maker->shelf_start[shelf + 1];
    return find_id(ids, first, end, movie_id);
}

static void find_user(const SharedTables *shared, Row *row) {
    const Table *ids = &shared->user_id;
    row->user = find_id(ids, 0, ids->length, row->user_id);
    row->first = (size_t)*int64(&shared->rated_start, row->user);
    row->last = (size_t)*int64(&shared->rated_start, row->user + 1);
}

/* Ratings without a time have a negative one, and come first. */
static void find_earlier(const SharedTables *shared, Row *row) {
    const int64_t *time = int64(&shared->rated_time, 0);
    int has_time = row->time == row->time; /* not NaN */
    row->earliest = row->first;
    LOWER_BOUND(time, row->earliest, row->last, 0)
    row->end = row->earliest;
    if (has_time) {
        LOWER_BOUND(time, row->end, row->last, row->time)
    }
}

static void write_group(const RowMaker *maker, const Group *group, Row *row,
                        int is_same_moment, char *scratch, float *features) {
    const Kernel *kernel = group->kernel;
    float *out = features + group->first_column;
    row->row_before = is_same_moment ? out - maker->n_columns : NULL;
    row->scratch = scratch + group->scratch_offset;
    if (is_same_moment && kernel->lookback == ONLY_EARLIER) {
        memcpy(out, row->row_before, group->n_columns * sizeof(float));
    } else {
        kernel->write(&maker->shared, group->tables, row, out);
    }
}

static void count_unknown(const SharedTables *shared, const Row *row,
                          Unknown *unknown) {
    int is_user = row->user == shared->user_id.length;
    int is_movie = row->movie == shared->movie_id.length;
    unknown->n_users += (size_t)is_user;
    unknown->n_movies += (size_t)is_movie;
    unknown->n_rows += (size_t)(is_user | is_movie);
}

Unknown make_rows(const RowMaker *maker, const Queries *queries, char *scratch,
                  float *out) {
    Unknown unknown = {0};
    Row row = {0};
    for (size_t i = 0; i < queries->length; i++) {
        ptrdiff_t at = (ptrdiff_t)i;
        int64_t user_id =
            *(const int64_t *)(queries->user_id + at * queries->user_step);
        int64_t movie_id =
            *(const int64_t *)(queries->movie_id + at * queries->movie_step);
        double time = *(const double *)(queries->time + at * queries->time_step);

        int is_same_time = !memcmp(&time, &row.time, sizeof time);
        row.is_same_user = i && user_id == row.user_id;
        int is_same_moment = row.is_same_user && is_same_time;

        row.movie_id = movie_id;
        row.movie = find_movie(maker, movie_id);
        if (!row.is_same_user) {
            row.user_id = user_id;
            find_user(&maker->shared, &row);
        }
        count_unknown(&maker->shared, &row, &unknown);
        if (!is_same_moment) {
            row.time = time;
            if (maker->looks_back) {
                find_earlier(&maker->shared, &row);
            }
        }

        float *features = out + i * maker->n_columns;
        row.features = features;
        for (size_t group = 0; group < maker->n_groups; group++) {
            write_group(maker, maker->groups + group, &row, is_same_moment, scratch,
                        features);
        }
    }
    return unknown;
}

static size_t most_rated_by_one(const Table *start) {
    size_t most = 0;
    for (size_t user = 0; user + 1 < start->length; user++) {
        const int64_t *bounds = int64(start, user);
        size_t rated = (size_t)(bounds[1] - bounds[0]);
        most = rated > most ? rated : most;
    }
    return most;
}

/* Sorts the movies onto shelves. Whatever the ids are, a shelf never begins before the
 * one before it. */
static void put_on_shelves(RowMaker *maker) {
    const Table *ids = &maker->shared.movie_id;
    size_t next = 0;
    if (ids->length) {
        uint64_t least = (uint64_t)*int64(ids, 0);
        uint64_t greatest = (uint64_t)*int64(ids, ids->length - 1);
        uint64_t range = greatest - least;
        while (maker->shelf_shift < 63 && range >> maker->shelf_shift >= N_SHELVES) {
            maker->shelf_shift++;
        }
        for (size_t place = 0; place < ids->length; place++) {
            size_t shelf = shelf_of(maker, *int64(ids, place));
            for (; next <= shelf; next++) {
                maker->shelf_start[next] = (uint32_t)place;
            }
        }
    }
    for (; next <= N_SHELVES; next++) {
        maker->shelf_start[next] = (uint32_t)ids->length;
    }
}

const char *prepare(RowMaker *maker) {
    const SharedTables *shared = &maker->shared;
    size_t n_rated = shared->rated_movie.length - 1;
    size_t n_movies = shared->movie_id.length;
    size_t n_classes = shared->class_values.length;

    if (n_classes > MOST_CLASSES) {
        return "class_values has more than 64 classes";
    }
    if (!rises_to(&shared->rated_start, n_rated)) {
        return "rated_start doesn't rise from 0 to the number of ratings";
    }
    maker->most_rated = most_rated_by_one(&shared->rated_start);
    if (maker->most_rated > MOST_RATED) {
        return "a user has more than 2^24 ratings";
    }
    for (size_t place = 0; place < n_rated; place++) {
        int32_t movie = *int32(&shared->rated_movie, place);
        if (movie < 0 || (size_t)movie >= n_movies) {
            return "rated_movie has a movie that isn't in the catalogue";
        }
        if (*uint8(&shared->rated_class, place) >= n_classes) {
            return "rated_class has a class that isn't on the scale";
        }
    }
    put_on_shelves(maker);
    return NULL;
}
