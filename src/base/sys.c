/* SPDX-License-Identifier: MIT */
/*
 * System calls as results or negative errnos, with a place where a test can make each of
 * them fail. errno is left in no certain state. What glibc makes a cancellation point is
 * called raw: a thread cancelled in the middle of a load would keep the load lock.
 */
#include "base/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int result(long value)
{
	return value < 0 ? -errno : (int)value;
}

/* True, and the negative errno in *out, when a test wants this call to fail. */
static bool refuse(int *out)
{
	if (!base_fault_hit(out))
		return false;
	*out = -*out;
	return true;
}

int base_sys_open(const char *path)
{
	int fd;

	if (refuse(&fd))
		return fd;
	do {
		fd = result(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
	} while (fd == -EINTR);
	return fd;
}

int base_sys_close(int fd)
{
	/* Never again after EINTR: Linux has closed it then. */
	return result(syscall(SYS_close, fd));
}

int base_sys_stat(const char *path, struct stat *st)
{
	int err;

	return refuse(&err) ? err : result(stat(path, st));
}

int base_sys_fstat(int fd, struct stat *st)
{
	int err;

	return refuse(&err) ? err : result(fstat(fd, st));
}

int64_t base_sys_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	int err;
	size_t done = 0;

	if (refuse(&err))
		return err;
	while (done < bytes) {
		long n = syscall(SYS_pread64, fd, (char *)buffer + done, bytes - done,
			offset + done);
		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return (int64_t)done;
}

int base_sys_mmap(void *address, size_t bytes, int protection, int flags, int fd,
	uint64_t offset, void **out)
{
	int err;

	if (refuse(&err))
		return err;
	void *p = mmap(address, bytes, protection, flags, fd, (off_t)offset);
	if (p == MAP_FAILED)
		return -errno;
	*out = p;
	return 0;
}

int base_sys_munmap(void *address, size_t bytes)
{
	return result(munmap(address, bytes));
}

int base_sys_mprotect(void *address, size_t bytes, int protection)
{
	int err;

	return refuse(&err) ? err : result(mprotect(address, bytes, protection));
}

int base_sys_madvise(void *address, size_t bytes, int advice)
{
	int err;

	return refuse(&err) ? err : result(madvise(address, bytes, advice));
}

int64_t base_sys_readlink(const char *path, char *buffer, size_t bytes)
{
	int err;

	return refuse(&err) ? err : result(readlink(path, buffer, bytes));
}
