/* Power that fails when a file gets its name: what isn't on the disk is lost.
   Loaded before the C library, whose functions these are instead of.

   POWER_FAILS_AT is the end of the file's path. When a file is opened there for writing,
   or is renamed to it, that still happens. Then all files below POWER_BELOW lose what
   was written since their last fsync, renames in directories without an fsync since are
   undone, but for this last one, and the process is gone. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 4096, LENGTH = 4096 };

/* Files that were opened for writing, and how much of each is on the disk. */
static struct {
    int descriptor;
    off_t on_disk;
} files[MOST];
static int n_files;

/* Renames that aren't on the disk. */
static struct {
    char from[LENGTH], to[LENGTH];
    struct stat directory;
} renames[MOST];
static int n_renames;

static int is_below(const char *path) {
    const char *below = getenv("POWER_BELOW");
    return below && strncmp(path, below, strlen(below)) == 0;
}

static int is_the_moment(const char *path) {
    const char *end = getenv("POWER_FAILS_AT");
    size_t length = strlen(path), end_length = end ? strlen(end) : 0;
    if (!end_length || length < end_length || !is_below(path))
        return 0;
    return strcmp(path + length - end_length, end) == 0;
}

static void fail(void) {
    struct stat status;
    for (int i = 0; i < n_files; i++)
        if (fstat(files[i].descriptor, &status) == 0 &&
            status.st_size > files[i].on_disk)
            if (ftruncate(files[i].descriptor, files[i].on_disk))
                abort();

    int (*original)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    for (int i = n_renames - 2; i >= 0; i--)
        original(renames[i].to, renames[i].from);
    kill(getpid(), SIGKILL);
}

static int note_opened(int descriptor, const char *path, int flags) {
    struct stat status;
    int is_for_writing = (flags & O_ACCMODE) != O_RDONLY;
    if (descriptor < 0 || !is_for_writing || !is_below(path))
        return descriptor;
    if (fstat(descriptor, &status) || !S_ISREG(status.st_mode))
        return descriptor;
    if (n_files == MOST)
        abort();
    files[n_files].descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    files[n_files++].on_disk = status.st_size;
    if (is_the_moment(path)) {
        n_renames++; /* none is the last one */
        fail();
    }
    return descriptor;
}

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...) {                                       \
        int (*original)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);             \
        va_list arguments;                                                             \
        va_start(arguments, flags);                                                    \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0;         \
        va_end(arguments);                                                             \
        return note_opened(original(path, flags, mode), path, flags);                  \
    }

OPEN(open)
OPEN(open64)

static int is_same(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

int fsync(int descriptor) {
    int (*original)(int) = dlsym(RTLD_NEXT, "fsync");
    int failed = original(descriptor);
    struct stat synced, other;
    if (failed || fstat(descriptor, &synced))
        return failed;

    for (int i = 0; i < n_files; i++)
        if (fstat(files[i].descriptor, &other) == 0 && is_same(&synced, &other))
            files[i].on_disk = synced.st_size;
    int n_left = 0;
    for (int i = 0; i < n_renames; i++)
        if (!is_same(&synced, &renames[i].directory))
            renames[n_left++] = renames[i];
    n_renames = n_left;
    return failed;
}

int rename(const char *from, const char *to) {
    int (*original)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    int failed = original(from, to);
    if (failed || !is_below(to))
        return failed;
    if (n_renames == MOST)
        abort();
    char directory[LENGTH];
    snprintf(directory, LENGTH, "%s", to);
    if (stat(dirname(directory), &renames[n_renames].directory))
        abort();
    snprintf(renames[n_renames].from, LENGTH, "%s", from);
    snprintf(renames[n_renames++].to, LENGTH, "%s", to);
    if (is_the_moment(to))
        fail();
    return failed;
}
