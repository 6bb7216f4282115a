/* SPDX-License-Identifier: MIT */
/*
 * What the process is: its clock, its auxiliary vector, its environment. The
 * environment counts for nothing where the caller may not be trusted (AT_SECURE: a
 * set-user-ID program, for one).
 */
#include "base/base.h"

#include <stdlib.h>
#include <sys/auxv.h>
#include <time.h>

uint64_t base_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool base_secure_execution(void)
{
	return getauxval(AT_SECURE) != 0;
}

unsigned long base_auxval(unsigned long type)
{
	return getauxval(type);
}

const char *base_getenv(const char *name)
{
	return base_secure_execution() ? NULL : getenv(name);
}
