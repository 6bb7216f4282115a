/* SPDX-License-Identifier: MIT */
/* A library that calls another through its PLT, and a function that is nowhere. */
#include <stdarg.h>

typedef float floats_8 __attribute__((vector_size(32)));

double callee_mixed(long a, long b, long c, long d, long e, long f, double g, double h,
	double i, double j, double k, double l, double m, double n, long o,
	long double p);
double callee_sum(int count, ...);
void nowhere(void);

#ifdef CALLEE
double callee_mixed(long a, long b, long c, long d, long e, long f, double g, double h,
	double i, double j, double k, double l, double m, double n, long o, long double p)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i +
	       10 * j + 11 * k + 12 * l + 13 * m + 14 * n + 15 * o + (double)(16 * p);
}

double callee_sum(int count, ...)
{
	va_list list;
	double sum = 0;
	va_start(list, count);
	while (count-- > 0)
		sum += va_arg(list, double);
	va_end(list);
	return sum;
}
#else
double lazy_mixed(void)
{
	return callee_mixed(
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, (long double)16);
}

double lazy_sum(void)
{
	return callee_sum(3, 0.5, 1.5, 2.5);
}

void lazy_nowhere(void)
{
	nowhere();
}
#endif
