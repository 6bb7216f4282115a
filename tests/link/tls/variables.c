/* SPDX-License-Identifier: MIT */
/*
 * A library with thread-local variables of every kind; compiled once for each model of
 * access. tls_check() compares them with what they should be and changes them.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef LARGE_ALIGN
#define LARGE_ALIGN 4096
#endif

static int target = 17;

__thread int tls_exported = 42;
__thread int *tls_pointer = &target; /* relocated in the initial values */
static __thread char local_text[24] = "initial";
static __thread long local_zero;
__attribute__((aligned(64))) static __thread char aligned_64[64];
__attribute__((aligned(LARGE_ALIGN))) static __thread char aligned_large[96];

/* 0: all as new; else the number of the first that is not. */
int tls_check(void)
{
	if (tls_exported != 42)
		return 1;
	if (tls_pointer != &target)
		return 2;
	if (strcmp(local_text, "initial") != 0)
		return 3;
	if (local_zero != 0)
		return 4;
	if ((uintptr_t)aligned_64 % 64 || aligned_64[63])
		return 5;
	if ((uintptr_t)aligned_large % LARGE_ALIGN || aligned_large[95])
		return 6;
	return 0;
}

void tls_change(int by)
{
	tls_exported += by;
	tls_pointer = NULL;
	strcpy(local_text, "changed");
	local_zero = by;
	memset(aligned_64, by, sizeof(aligned_64));
	memset(aligned_large, by, sizeof(aligned_large));
}

int tls_changed_by(void)
{
	return strcmp(local_text, "changed") == 0 && aligned_64[63] == local_zero &&
			       aligned_large[95] == local_zero && !tls_pointer
		       ? tls_exported - 42
		       : -1;
}

int *tls_where(void)
{
	return &tls_exported;
}
