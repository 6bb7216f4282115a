/* SPDX-License-Identifier: MIT */
/*
 * Memory: the process's own malloc(3) with checked products and a place where a test
 * can make it fail. No pools and no statistics.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define LEAST_PAGES 4 /* fewer are not worth a call */

void base_populate(void *start, size_t bytes)
{
	uintptr_t from = base_align_up((uintptr_t)start, BASE_PAGE_BYTES);
	uintptr_t to = base_align_down((uintptr_t)start + bytes, BASE_PAGE_BYTES);
	int before = errno;

	if (to > from && to - from >= LEAST_PAGES * BASE_PAGE_BYTES)
		madvise((void *)from, to - from, MADV_POPULATE_WRITE);
	errno = before;
}

static bool refuse(void)
{
	int code;

	if (!base_fault_hit(&code))
		return false;
	errno = ENOMEM;
	return true;
}

void *base_alloc(size_t bytes)
{
	/* malloc(0) may be NULL, which callers would take for a failure. */
	return refuse() ? NULL : malloc(bytes ? bytes : 1);
}

void *base_zalloc(size_t bytes)
{
	return refuse() ? NULL : calloc(1, bytes ? bytes : 1);
}

void *base_array(size_t count, size_t bytes)
{
	size_t total;

	if (refuse() || __builtin_mul_overflow(count, bytes, &total))
		return NULL;
	return calloc(1, total ? total : 1);
}

void *base_realloc(void *old, size_t bytes)
{
	return refuse() ? NULL : realloc(old, bytes ? bytes : 1);
}

char *base_strndup(const char *s, size_t n)
{
	size_t length = strnlen(s, n);
	char *copy = base_alloc(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, length);
	copy[length] = '\0';
	return copy;
}

char *base_strdup(const char *s)
{
	size_t bytes = strlen(s) + 1;
	char *copy = base_alloc(bytes);

	return copy ? memcpy(copy, s, bytes) : NULL;
}

char *base_printf(const char *format, ...)
{
	va_list list, again;

	va_start(list, format);
	va_copy(again, list);
	int length = vsnprintf(NULL, 0, format, list);
	va_end(list);
	char *text = length < 0 ? NULL : base_alloc((size_t)length + 1);
	if (text)
		vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	return text;
}

void base_free(void *p)
{
	free(p);
}

int base_grow(void *items, unsigned count, unsigned *capacity, size_t bytes)
{
	void *old, *grown;
	size_t total;

	if (count < *capacity)
		return 0;
	if (*capacity > UINT32_MAX / 2)
		return -ENOMEM;
	unsigned more = *capacity ? *capacity * 2 : 8;
	if (__builtin_mul_overflow((size_t)more, bytes, &total))
		return -ENOMEM;
	/* @items is a T ** of the caller's; memcpy keeps clear of aliasing rules. */
	memcpy(&old, items, sizeof(old));
	grown = base_realloc(old, total);
	if (!grown)
		return -ENOMEM;
	memcpy(items, &grown, sizeof(grown));
	*capacity = more;
	return 0;
}
