/* SPDX-License-Identifier: MIT */
/*
 * Fixture: an OpenMP loop with a reduction. Compiled with -fopenmp at test time.
 */
long omp_sum(long count, int threads, int *used);
int (*omp_entry(void))(void);

int omp_get_num_threads(void);
int omp_get_thread_num(void);

long omp_sum(long count, int threads, int *used)
{
	long sum = 0;

#pragma omp parallel num_threads(threads)
	{
#pragma omp master
		*used = omp_get_num_threads();
#pragma omp for reduction(+ : sum)
		for (long i = 1; i <= count; i++)
			sum += i;
	}
	return sum;
}

/* Which copy of libgomp this fixture is bound to. */
int (*omp_entry(void))(void)
{
	return omp_get_thread_num;
}
