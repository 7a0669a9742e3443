/* Preloaded: the power button. Counts, over all threads, the calls that change a file, and kills the
 * program inside the one it is told. LK_POWER names a file that is shared with the test (power.mjs):
 * calls so far, the call at which to die (0: none), what was being done then, and of each of
 * the last calls a number that says what it did to which file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KINDS = 8192 };
struct shared {
  _Atomic uint64_t calls;
  _Atomic uint64_t last;
  char what[240];
  uint32_t kinds[KINDS];
};
static struct shared *power;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("LK_POWER");
  const int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory != MAP_FAILED) power = memory;
  close(file);
}
static void count(const char *call, const char *path) {
  if (!power) return;
  const uint64_t calls = atomic_fetch_add(&power->calls, 1) + 1;
  const uint64_t last = atomic_load(&power->last);
  uint32_t kind = 2166136261u;
  for (const char *c = call; *c; ++c) kind = (kind ^ (unsigned char)*c) * 16777619u;
  for (const char *c = path; *c; ++c) kind = (kind ^ (unsigned char)*c) * 16777619u;
  power->kinds[(calls - 1) % KINDS] = kind;
  if (last == 0 || calls < last) return;
  snprintf(power->what, sizeof power->what, "%s %s", call, path);
  kill(getpid(), SIGKILL);
}
/* Sockets and pipes are no files. */
static void count_file(const char *call, int file) {
  struct stat is;
  if (!power || fstat(file, &is) != 0 || !S_ISREG(is.st_mode)) return;
  char link[40], path[200];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  count(call, path);
}

#define NEXT(name) \
  static __typeof__(name) *next; \
  if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define ON_FILE(type, name, parameters, arguments) \
  type name parameters { NEXT(name); count_file(#name, file); return next arguments; }
#define ON_PATH(name, parameters, arguments) \
  int name parameters { NEXT(name); count(#name, path); return next arguments; }
#define OPENS(name, parameters, ...) \
  int name parameters { \
    NEXT(name); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
      va_list more; \
      va_start(more, flags); \
      mode = va_arg(more, mode_t); \
      va_end(more); \
    } \
    if (flags & (O_CREAT | O_TRUNC)) count(#name, path); \
    return next(__VA_ARGS__, flags, mode); \
  }

ON_FILE(ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
ON_FILE(ssize_t, writev, (int file, const struct iovec *data, int size), (file, data, size))
ON_FILE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
ON_FILE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
ON_FILE(int, ftruncate, (int file, off_t size), (file, size))
ON_FILE(int, ftruncate64, (int file, off64_t size), (file, size))
ON_FILE(int, fdatasync, (int file), (file))
ON_FILE(int, fchmod, (int file, mode_t mode), (file, mode))
/* Of folders too: what makes a new name durable. */
int fsync(int file) {
  NEXT(fsync);
  count("fsync", "");
  return next(file);
}
ON_PATH(unlink, (const char *path), (path))
ON_PATH(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
ON_PATH(remove, (const char *path), (path))
ON_PATH(rmdir, (const char *path), (path))
ON_PATH(rename, (const char *from, const char *path), (from, path))
ON_PATH(renameat, (int there, const char *from, int folder, const char *path), (there, from, folder, path))
ON_PATH(renameat2, (int there, const char *from, int folder, const char *path, unsigned flags), (there, from, folder, path, flags))
ON_PATH(link, (const char *from, const char *path), (from, path))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
OPENS(open, (const char *path, int flags, ...), path)
OPENS(open64, (const char *path, int flags, ...), path)
OPENS(openat, (int folder, const char *path, int flags, ...), folder, path)
OPENS(openat64, (int folder, const char *path, int flags, ...), folder, path)
