/* SPDX-License-Identifier: MIT */
/* A library that uses a variable of another, and one that may be nowhere. */
#include <stddef.h>

extern __thread int tls_exported;
extern __thread int tls_nowhere __attribute__((weak));

int *user_where(void)
{
	return &tls_exported;
}

int *user_nowhere(void)
{
	return &tls_nowhere;
}
