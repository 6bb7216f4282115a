/* SPDX-License-Identifier: MIT */
/*
 * An OpenMP loop in two copies of a fixture, each with a libgomp of its own, which keeps
 * its threads in a pool and its state in initial-exec thread-local storage.
 */
#include "use.h"

static void work(struct use_copy *copy, unsigned thread)
{
	long (*sum)(long count, int threads, int *used);
	int (*(*entry)(void))(void);
	int used = 0;

	USE_GET(copy, sum, "omp_sum");
	USE_GET(copy, entry, "omp_entry");
	CHECK_INT(sum(100000, 4, &used), 100000L * 100001 / 2);
	CHECK_INT(used, 4);
	CHECK_INT(sum(1000, 3, &used), 1000L * 1001 / 2);
	CHECK_INT(used, 3);
	CHECK(entry() != NULL);
}

static void end(struct use_copy *copy)
{
	int (*(*entry)(void))(void);
	static int (*first)(void);

	USE_GET(copy, entry, "omp_entry");
	if (copy->index == 0)
		first = entry();
	else
		CHECK(first != entry()); /* a libgomp each */
}

TEST(a_loop_in_libgomp)
{
	/* The threads of its pool end some time after the threads that they worked for,
	 * in code of libgomp's: it must not go before. */
	use_side_by_side(&(struct use_work){
		.library = USE_OMP, .work = work, .end = end, .pinned = true });
}
