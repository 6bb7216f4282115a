// SPDX-License-Identifier: MIT
// A program that knows nothing of umod, for runs with libumod preloaded: throws, also
// before main, walks over its objects, and ends a thread by pthread_exit.
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int caught;

__attribute__((noinline)) static void throw_deep(int depth)
{
	if (depth == 0)
		throw depth;
	throw_deep(depth - 1);
	caught -= 1000; /* not reached; keeps the call from being a jump */
}

static void throw_and_catch()
{
	try {
		throw_deep(10);
	} catch (int) {
		caught++;
	}
}

__attribute__((constructor)) static void early()
{
	throw_and_catch();
}

static int count(struct dl_phdr_info *, size_t size, void *data)
{
	++*(int *)data;
	return size < sizeof(struct dl_phdr_info);
}

static int destroyed;

static void *leave(void *)
{
	struct guard {
		~guard()
		{
			destroyed++;
		}
	} here;
	pthread_exit(nullptr); /* unwinds this frame */
}

int main()
{
	struct timespec begin, end;
	int objects = 0;
	pthread_t thread;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 20000; i++)
		throw_and_catch();
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (dl_iterate_phdr(count, &objects) || objects < 5)
		return 1;
	pthread_create(&thread, nullptr, leave, nullptr);
	pthread_join(thread, nullptr);
	printf("%.0f ns for an exception through 10 frames, %d objects\n",
		((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) /
			20000,
		objects);
	return caught != 20001 || destroyed != 1;
}
