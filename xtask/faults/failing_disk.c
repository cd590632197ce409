/* A disk that fails: preloaded into a process, it makes one of its writes or syncs go wrong.
 *
 * FAILING_DISK_FOLDER  the files under this folder count, and no others
 * FAILING_DISK_FAULT   what goes wrong, such as "sync 7": the seventh sync fails with EIO;
 *                      "write 7": the seventh write fails with EIO; "full 7": with ENOSPC, and every
 *                      later one too; "half 7": half of it is written before it fails with EIO;
 *                      "dead 7": from the seventh write on every write, sync and renaming fails with
 *                      EIO; "name 7": the seventh renaming fails with EIO; "frozen 7": the seventh
 *                      write and those behind it fail with EROFS, and renamings meanwhile, until the
 *                      disk takes writes again
 * FAILING_DISK_COUNT   a file that gets "SYNCS WRITES RENAMINGS AGAIN" when the process ends, AGAIN
 *                      being the writes and syncs of a segment of a log after a sync of it had failed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off_t);
typedef int (*sync_fn)(int);
typedef int (*truncate_fn)(int, off_t);
typedef int (*rename_fn)(const char *, const char *);

enum verdict { GO_ON, HALF, FAIL };

static atomic_long syncs, writes, names, again;
/* The segment whose sync failed. */
static atomic_ulong failed;

static int inside(const char *path) {
    const char *folder = getenv("FAILING_DISK_FOLDER");
    if (folder == NULL) return 0;
    size_t prefix = strlen(folder);
    return strncmp(path, folder, prefix) == 0 && (path[prefix] == '/' || path[prefix] == 0);
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

static int counts(int fd) {
    char path[PATH_MAX];
    return path_of(fd, path) && inside(path);
}

static unsigned long inode(int fd) {
    struct stat told;
    return fstat(fd, &told) == 0 ? told.st_ino : 0;
}

/* Counts what goes to a segment whose sync failed. */
static void judge_again(int fd) {
    if (atomic_load(&failed) != 0 && inode(fd) == atomic_load(&failed)) atomic_fetch_add(&again, 1);
}

static void remember_failure(int fd) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return;
    const char *end = strrchr(path, '.');
    if (end != NULL && strcmp(end, ".log") == 0) atomic_store(&failed, inode(fd));
}

/* Reads the fault: its kind, and at which count it comes. */
static long fault(const char *kind) {
    const char *given = getenv("FAILING_DISK_FAULT");
    size_t length = strlen(kind);
    if (given == NULL || strncmp(given, kind, length) != 0 || given[length] != ' ') return 0;
    return atol(given + length + 1);
}

/* How many writes a disk refuses that turned read-only for a while. */
#define FROZEN 40

/* Tells whether the disk takes no writes for a while. */
static int frozen(long number) {
    long first = fault("frozen");
    return first > 0 && number >= first && number < first + FROZEN;
}

static enum verdict judge_write(int fd) {
    if (!counts(fd)) return GO_ON;
    long number = atomic_fetch_add(&writes, 1) + 1;
    if (fault("full") > 0 && number >= fault("full")) {
        errno = ENOSPC;
        return FAIL;
    }
    if (frozen(number)) {
        errno = EROFS;
        return FAIL;
    }
    errno = EIO;
    if (fault("dead") > 0 && number >= fault("dead")) return FAIL;
    if (number == fault("half")) return HALF;
    return number == fault("write") ? FAIL : GO_ON;
}

/* Tells whether the disk died of a write that came before. */
static int dead(void) {
    return fault("dead") > 0 && atomic_load(&writes) >= fault("dead");
}

static int sync_fails(int fd) {
    if (!counts(fd)) return 0;
    judge_again(fd);
    if (atomic_fetch_add(&syncs, 1) + 1 != fault("sync") && !dead()) return 0;
    remember_failure(fd);
    errno = EIO;
    return 1;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    int before = errno;
    judge_again(fd);
    enum verdict verdict = judge_write(fd);
    if (verdict == FAIL) return -1;
    if (verdict == HALF) length /= 2;
    if (verdict == GO_ON) errno = before;
    ssize_t written = REAL(write_fn, "write")(fd, bytes, length);
    if (verdict == GO_ON) return written;
    errno = EIO;
    return -1;
}

static ssize_t write_at(const char *name, int fd, const void *bytes, size_t length, off_t at) {
    int before = errno;
    judge_again(fd);
    enum verdict verdict = judge_write(fd);
    if (verdict == FAIL) return -1;
    if (verdict == HALF) length /= 2;
    if (verdict == GO_ON) errno = before;
    ssize_t written = REAL(pwrite_fn, name)(fd, bytes, length, at);
    if (verdict == GO_ON) return written;
    errno = EIO;
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return write_at("pwrite", fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) {
    return write_at("pwrite64", fd, bytes, length, at);
}

int fsync(int fd) {
    return sync_fails(fd) ? -1 : REAL(sync_fn, "fsync")(fd);
}

int fdatasync(int fd) {
    return sync_fails(fd) ? -1 : REAL(sync_fn, "fdatasync")(fd);
}

/* A truncation is a write of its own kind: it fails where a write would. */
static int truncate_to(const char *name, int fd, off_t length) {
    int before = errno;
    if (judge_write(fd) != GO_ON) return -1;
    errno = before;
    return REAL(truncate_fn, name)(fd, length);
}

int ftruncate(int fd, off_t length) {
    return truncate_to("ftruncate", fd, length);
}

int ftruncate64(int fd, off_t length) {
    return truncate_to("ftruncate64", fd, length);
}

int rename(const char *from, const char *to) {
    if (inside(from) && frozen(atomic_load(&writes))) {
        errno = EROFS;
        return -1;
    }
    if (inside(from) && (atomic_fetch_add(&names, 1) + 1 == fault("name") || dead())) {
        errno = EIO;
        return -1;
    }
    return REAL(rename_fn, "rename")(from, to);
}

__attribute__((destructor)) static void tell(void) {
    const char *name = getenv("FAILING_DISK_COUNT");
    FILE *file = name == NULL ? NULL : fopen(name, "w");
    if (file == NULL) return;
    fprintf(file, "%ld %ld %ld %ld\n", atomic_load(&syncs), atomic_load(&writes), atomic_load(&names),
            atomic_load(&again));
    fclose(file);
}
