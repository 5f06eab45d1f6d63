"""C libraries that are loaded first and answer in the place of the system, to show what a bad disk does to us."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.installed import missing

NO_LOCKS = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>
static int answer(int descriptor, int command, long argument) {
    if (command == F_SETLK || command == F_SETLKW) { errno = ENOLCK; return -1; }
    return syscall(SYS_fcntl, descriptor, command, argument);
}
#define PASSED(last) va_list list; va_start(list, last); long argument = va_arg(list, long); va_end(list)
int fcntl(int descriptor, int command, ...) { PASSED(command); return answer(descriptor, command, argument); }
int fcntl64(int descriptor, int command, ...) { PASSED(command); return answer(descriptor, command, argument); }
"""
"""A file system that keeps no locks."""

SYNCED = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int in_platter(const char *path, char *target, size_t size) {
    const char *disk = getenv("UPSTILE_DISK"), *platter = getenv("UPSTILE_PLATTER");
    if (!disk || !platter || strncmp(path, disk, strlen(disk)) || path[strlen(disk)] != '/') return 0;
    snprintf(target, size, "%s/%s", platter, path + strlen(disk) + 1);
    return 1;
}
static void copy(int descriptor) {
    char link[64], path[4096], target[4200], block[65536];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    if (!in_platter(path, target, sizeof target)) return;
    int out = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    off_t at = 0;
    for (ssize_t n; (n = pread(descriptor, block, sizeof block, at)) > 0; at += n)
        if (write(out, block, n) != n) abort();
    close(out);
    const char *threads = getenv("UPSTILE_THREADS");
    if (!threads) return;
    out = open(threads, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(out, "%ld\n", syscall(SYS_gettid));
    close(out);
}
int unlink(const char *path) {
    char target[4200];
    if (in_platter(path, target, sizeof target)) syscall(SYS_unlinkat, AT_FDCWD, target, 0);
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int fsync(int descriptor) { int r = syscall(SYS_fsync, descriptor); if (!r) copy(descriptor); return r; }
int fdatasync(int descriptor) { int r = syscall(SYS_fdatasync, descriptor); if (!r) copy(descriptor); return r; }
"""
"""Keeps a copy of each file of the folder `UPSTILE_DISK`, as it was when it was last synced, in `UPSTILE_PLATTER`.

Into the file `UPSTILE_THREADS` go the ids of the threads that synced.
"""


def compiled(source: str, folder: Path) -> Path:
    """A library that `LD_PRELOAD` may name."""
    compiler = shutil.which("cc")
    if sys.platform != "linux":
        pytest.skip("needs Linux: LD_PRELOAD and /proc")
    if compiler is None:
        missing("a C compiler", "apt-get install gcc")
    library = folder / "preloaded.so"
    (folder / "preloaded.c").write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "preloaded.c"], check=True)  # noqa: S603
    return library
