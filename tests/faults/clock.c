/* A clock that jumps: the first reading is right, later ones are ahead or behind.
   Loaded before the C library, whose clocks these are instead of. The monotonic clock
   stays as it is, since nobody can set that one. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

enum { HOUR = 3600, N_JUMPS = 5 };
static const long long YEAR = 365LL * 24 * HOUR;

typedef int clock_function(clockid_t, struct timespec *);

/* 1970, the next century, an hour ago, a month ahead, now. */
static long long seconds_of_reading(unsigned long reading, long long now) {
    switch (reading % N_JUMPS) {
    case 0:
        return now;
    case 1:
        return 2 * 24 * HOUR;
    case 2:
        return now + 150 * YEAR;
    case 3:
        return now - HOUR;
    default:
        return now + 31LL * 24 * HOUR;
    }
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static atomic_ulong n_readings;
    static _Atomic(clock_function *) original;

    if (!original)
        original = (clock_function *)dlsym(RTLD_NEXT, "clock_gettime");
    int failed = original(clock, time);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec = seconds_of_reading(n_readings++, time->tv_sec);
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec reading;
    int failed = clock_gettime(CLOCK_REALTIME, &reading);
    time->tv_sec = reading.tv_sec;
    time->tv_usec = reading.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *seconds) {
    struct timespec reading;
    clock_gettime(CLOCK_REALTIME, &reading);
    if (seconds)
        *seconds = reading.tv_sec;
    return reading.tv_sec;
}
