/* What would be left of the store if the power went now? Nothing but what fsync or fdatasync has made durable.
 *
 * Preloaded into the daemon, this keeps beside each synced file of the store an image of it: the bytes it had when its
 * last sync returned. Killing the process and putting the images in the place of the files is a power cut, at its worst.
 *
 *   HL7BRIDGE_STORE    only files whose name begins so are looked at
 *   HL7BRIDGE_IMAGES   the folder for images, one for each file, under the file's own last name
 *   HL7BRIDGE_FULL     while a file of this name exists, writing to the store fails as on a full disk
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

/* The name of the open file, if it is one of the store's; NULL for everything else in the process. */
static const char *store_file(int fd, char name[PATH_MAX]) {
  const char *store = getenv("HL7BRIDGE_STORE");
  char link[32];
  struct stat about;
  int saved = errno;
  ssize_t length = -1;
  if (store && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, name, PATH_MAX - 1);
  }
  errno = saved;
  if (length < 0) return NULL;
  name[length] = '\0';
  return strncmp(name, store, strlen(store)) == 0 ? name : NULL;
}

static void keep_image(int fd) {
  char name[PATH_MAX], image[PATH_MAX], draft[PATH_MAX];
  const char *images = getenv("HL7BRIDGE_IMAGES");
  if (!images || !store_file(fd, name)) return;
  const char *last = strrchr(name, '/') + 1;
  /* A thread each may sync at once: each drafts under its own name, and the rename decides. */
  if (snprintf(image, sizeof image, "%s/%s", images, last) >= PATH_MAX) abort();
  if (snprintf(draft, sizeof draft, "%s/%s.%ld", images, last, syscall(SYS_gettid)) >= PATH_MAX) abort();
  int out = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0) abort();
  /* Read by the descriptor that was synced: opening the file anew and closing that would drop the store's own locks. */
  off_t at = 0;
  ssize_t copied;
  while ((copied = sendfile(out, fd, &at, PIECE)) > 0) continue;
  if (copied < 0 || close(out) != 0 || rename(draft, image) != 0) abort();
}

static int is_full(int fd) {
  char name[PATH_MAX];
  const char *flag = getenv("HL7BRIDGE_FULL");
  if (!flag || access(flag, F_OK) != 0 || !store_file(fd, name)) return 0;
  errno = ENOSPC;
  return 1;
}

int fsync(int fd) {
  int failed = (int)syscall(SYS_fsync, fd);
  if (!failed) keep_image(fd);
  return failed;
}

int fdatasync(int fd) {
  int failed = (int)syscall(SYS_fdatasync, fd);
  if (!failed) keep_image(fd);
  return failed;
}

ssize_t write(int fd, const void *data, size_t size) {
  return is_full(fd) ? -1 : syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return pwrite(fd, data, size, at); }
