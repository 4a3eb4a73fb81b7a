/* Preloaded into redis-server: a disk that can lose its power, fill up and fail. It concerns files below
 * PARLEY_DISK_FOLDER and is ruled through the page PARLEY_DISK_STATE, which outlives the process
 * (tests/support/parley_test/disk.py has the other side).
 *
 * Power: the page remembers for each file, by inode, how long it was when its last successful fsync or fdatasync began.
 * After SIGKILL the tester cuts every file to that length, or somewhere behind it, since unsynced bytes may reach a
 * disk or not. That is exact for files that only grow, as append only files do. Renames, creations and removals count
 * as durable at once, as on a journalling file system whose order they keep; bytes written over older ones are not
 * modelled. Space and errors: write, writev and pwrite fail with write_errno, or stop short when free_bytes is used up
 * (ENOSPC); fsync and fdatasync fail with sync_errno, or take sync_sleep_ms longer. What goes through stdio (RDB files)
 * is not intercepted on its way, only its fsync.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { kFiles = 4000 };

struct File {
  _Atomic uint64_t inode; /* 0: the place is free */
  _Atomic int64_t synced;
};

struct Page {
  _Atomic int32_t write_errno;
  _Atomic int32_t sync_errno;
  _Atomic int32_t sync_sleep_ms;
  _Atomic int32_t syncs;      /* since the page was made */
  _Atomic int64_t free_bytes; /* negative: no limit */
  int64_t reserved;
  struct File files[kFiles];
};

static struct Page* page;
static char folder[4096];
static size_t folder_size;

static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char*);
static int (*real_rename)(const char*, const char*);
static ssize_t (*real_write)(int, const void*, size_t);
static ssize_t (*real_writev)(int, const struct iovec*, int);
static ssize_t (*real_pwrite)(int, const void*, size_t, off_t);

static void find(const char* name, void* function) {
  void* symbol = dlsym(RTLD_NEXT, name);
  memcpy(function, &symbol, sizeof symbol); /* ISO C has no cast for this */
}

__attribute__((constructor)) static void begin(void) {
  find("fsync", &real_fsync);
  find("fdatasync", &real_fdatasync);
  find("ftruncate", &real_ftruncate);
  find("unlink", &real_unlink);
  find("rename", &real_rename);
  find("write", &real_write);
  find("writev", &real_writev);
  find("pwrite", &real_pwrite);
  const char* state = getenv("PARLEY_DISK_STATE");
  const char* below = getenv("PARLEY_DISK_FOLDER");
  if (!state || !below || !realpath(below, folder)) return;
  folder_size = strlen(folder);
  int file = open(state, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void* mapped = mmap(NULL, sizeof(struct Page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) page = mapped;
}

static int concerns(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  return size > (ssize_t)folder_size && memcmp(path, folder, folder_size) == 0 && path[folder_size] == '/';
}

static struct File* file_of(uint64_t inode, int make) {
  for (int i = 0; i < kFiles; ++i) {
    uint64_t found = atomic_load(&page->files[i].inode);
    if (found == 0 && make && atomic_compare_exchange_strong(&page->files[i].inode, &found, inode)) found = inode;
    if (found == inode) return &page->files[i];
    if (found == 0) return NULL;
  }
  if (make) abort(); /* the table is too small for this test */
  return NULL;
}

static int sync_file(int fd, int (*real)(int)) {
  if (!page || !concerns(fd)) return real(fd);
  struct stat before;
  if (fstat(fd, &before) != 0) return -1;
  int32_t sleep_ms = atomic_load(&page->sync_sleep_ms);
  if (sleep_ms > 0) {
    struct timespec pause = {sleep_ms / 1000, sleep_ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
  }
  int32_t error = atomic_load(&page->sync_errno);
  if (error) {
    errno = error;
    return -1;
  }
  if (real(fd) != 0) return -1;
  if (S_ISREG(before.st_mode)) {
    struct File* file = file_of(before.st_ino, 1);
    int64_t old = atomic_load(&file->synced);
    while (old < before.st_size && !atomic_compare_exchange_weak(&file->synced, &old, before.st_size)) {
    }
  }
  atomic_fetch_add(&page->syncs, 1);
  return 0;
}

int fsync(int fd) { return sync_file(fd, real_fsync); }
int fdatasync(int fd) { return sync_file(fd, real_fdatasync); }

/* How many of `size` bytes may be written; -1 with errno if none. */
static ssize_t allowed(int fd, size_t size) {
  if (!page || size == 0 || (atomic_load(&page->write_errno) == 0 && atomic_load(&page->free_bytes) < 0) ||
      !concerns(fd))
    return (ssize_t)size;
  int32_t error = atomic_load(&page->write_errno);
  if (error) {
    errno = error;
    return -1;
  }
  int64_t left = atomic_load(&page->free_bytes);
  if (left == 0) {
    errno = ENOSPC;
    return -1;
  }
  int64_t taken = left < (int64_t)size ? left : (int64_t)size;
  atomic_fetch_sub(&page->free_bytes, taken);
  return (ssize_t)taken;
}

ssize_t write(int fd, const void* bytes, size_t size) {
  ssize_t part = allowed(fd, size);
  return part < 0 ? -1 : real_write(fd, bytes, (size_t)part);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  ssize_t part = allowed(fd, size);
  return part < 0 ? -1 : real_pwrite(fd, bytes, (size_t)part, at);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  ssize_t part = allowed(fd, size);
  if (part < 0) return -1;
  if ((size_t)part == size) return real_writev(fd, parts, count);
  size_t first = parts[0].iov_len < (size_t)part ? parts[0].iov_len : (size_t)part;
  return real_write(fd, parts[0].iov_base, first);
}

int ftruncate(int fd, off_t size) {
  int result = real_ftruncate(fd, size);
  struct stat now;
  if (result == 0 && page && concerns(fd) && fstat(fd, &now) == 0) {
    struct File* file = file_of(now.st_ino, 0);
    if (file && atomic_load(&file->synced) > size) atomic_store(&file->synced, size);
  }
  return result;
}

/* An inode may be given to another file: what was known of it is forgotten. */
static void forget(const char* path) {
  struct stat gone;
  int error = errno;
  if (page && stat(path, &gone) == 0 && gone.st_nlink == 1) {
    struct File* file = file_of(gone.st_ino, 0);
    if (file) atomic_store(&file->synced, 0);
  }
  errno = error;
}

int unlink(const char* path) {
  forget(path);
  return real_unlink(path);
}

int rename(const char* from, const char* to) {
  forget(to);
  return real_rename(from, to);
}
