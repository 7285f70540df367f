/* Writes lines of the log. printf would take longer than all the rest of a request that
 * is logged. */

#define _POSIX_C_SOURCE 200809L

#include "_line.h"

#include <string.h>

#define MOST_DIGITS 20
#define MOST_SECONDS 1e9

#define PUT(at, text) put((at), (text), sizeof(text) - 1)

static char *put(char *at, const char *text, size_t length) {
    memcpy(at, text, length);
    return at + length;
}

char *write_number(char *at, unsigned long long number, int least_digits) {
    char digits[MOST_DIGITS];
    int n_digits = 0;
    while (number || n_digits < least_digits) {
        digits[n_digits++] = (char)('0' + number % 10);
        number /= 10;
    }
    while (n_digits) {
        *at++ = digits[--n_digits];
    }
    return at;
}

static char *write_count(char *at, unsigned long long count) {
    return write_number(at, count, 1);
}

static char *write_moment(char *at, const struct timespec *now, Moment *moment) {
    if (!moment->length || moment->second != now->tv_sec) {
        struct tm utc;
        gmtime_r(&now->tv_sec, &utc);
        moment->second = now->tv_sec;
        moment->length =
            strftime(moment->text, sizeof moment->text, "%Y-%m-%dT%H:%M:%S.", &utc);
    }
    at = put(at, moment->text, moment->length);
    at = write_number(at, (unsigned long long)now->tv_nsec / 1000, 6);
    return PUT(at, "Z");
}

/* Milliseconds with three decimals. */
static char *write_milliseconds(char *at, double seconds) {
    int is_duration = seconds >= 0 && seconds < MOST_SECONDS;
    double rounded = is_duration ? seconds * 1e6 + 0.5 : 0;
    unsigned long long microseconds = (unsigned long long)rounded;
    at = write_number(at, microseconds / 1000, 1);
    at = PUT(at, ".");
    return write_number(at, microseconds % 1000, 3);
}

char *write_line(char *at, const Line *line, Moment *moment) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);

    at = PUT(at, "{\"time\":\"");
    at = write_moment(at, &now, moment);
    at = PUT(at, "\",\"id\":");
    at = put(at, line->id, line->id_length);
    at = PUT(at, ",\"route\":");
    at = put(at, line->route, line->route_length);
    at = PUT(at, ",\"status\":");
    at = write_count(at, (unsigned long long)line->status);
    at = PUT(at, ",\"ms\":");
    at = write_milliseconds(at, line->seconds);
    at = PUT(at, ",\"rows\":");
    at = write_count(at, line->predictions + line->questions + line->bad_rows);
    at = PUT(at, ",\"questions\":");
    at = write_count(at, line->questions);
    at = PUT(at, ",\"bad_rows\":");
    at = write_count(at, line->bad_rows);
    at = PUT(at, ",\"unknown_share\":");
    at = put(at, line->unknown_share, strlen(line->unknown_share));
    return PUT(at, "}\n");
}
