/* SPDX-License-Identifier: MIT */
/* The thread that cuts a file short, see cutter.h. */
#include "cutter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *cut(void *data)
{
	struct cutter *cutter = data;
	unsigned seed = 4711;
	while (!atomic_load(&cutter->end)) {
		if (atomic_load(&cutter->asked) == atomic_load(&cutter->done)) {
			usleep(20);
			continue;
		}
		/* Sleeping is too coarse: the moment is waited for. */
		uint64_t until = now_ns() + (uint64_t)rand_r(&seed) %
						    (1000ul * cutter->latest_us + 1);
		while (now_ns() < until)
			;
		size_t length = (size_t)rand_r(&seed) % cutter->count;
		if (rand_r(&seed) % 4 == 0)
			length = 0;
		if (ftruncate(cutter->fd, (off_t)length) != 0)
			perror("ftruncate");
		atomic_fetch_add(&cutter->done, 1);
	}
	return NULL;
}

bool cutter_open(struct cutter *cutter, const char *library, unsigned latest_us)
{
	struct stat st;
	int from = open(library, O_RDONLY | O_CLOEXEC);
	memset(cutter, 0, sizeof(*cutter));
	cutter->latest_us = latest_us;
	if (from < 0 || fstat(from, &st) != 0)
		return false;
	cutter->count = (size_t)st.st_size;
	cutter->bytes = malloc(cutter->count);
	strcpy(cutter->path, "/tmp/umod-cut-XXXXXX");
	cutter->fd = mkstemp(cutter->path);
	bool good = cutter->bytes && cutter->fd >= 0 &&
		    read(from, cutter->bytes, cutter->count) == (ssize_t)cutter->count;
	close(from);
	if (good)
		good = pthread_create(&cutter->thread, NULL, cut, cutter) == 0;
	if (!good) {
		free(cutter->bytes);
		if (cutter->fd >= 0)
			close(cutter->fd);
	}
	return good;
}

void cutter_close(struct cutter *cutter)
{
	atomic_store(&cutter->end, true);
	pthread_join(cutter->thread, NULL);
	unlink(cutter->path);
	close(cutter->fd);
	free(cutter->bytes);
}

void cutter_restore(struct cutter *cutter)
{
	if (pwrite(cutter->fd, cutter->bytes, cutter->count, 0) != (ssize_t)cutter->count)
		perror("pwrite");
}

void cutter_go(struct cutter *cutter)
{
	atomic_fetch_add(&cutter->asked, 1);
}

void cutter_wait(struct cutter *cutter)
{
	while (atomic_load(&cutter->asked) != atomic_load(&cutter->done))
		usleep(20);
}
