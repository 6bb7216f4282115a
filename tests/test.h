/* SPDX-License-Identifier: MIT */
/*
 * The test helper: TEST(name) { ... } registers a test; the program runs all of them,
 * prints TAP (https://testanything.org) and exits 0, or 1 when a check failed. Arguments
 * choose tests: those whose name contains one of them; --list names them.
 *
 * CHECK* note a failure and go on, in any thread and any function; REQUIRE* also return
 * from the (void) function; SKIP(...) ends the test as skipped. Several files of a
 * program may include this header: they share one list and one main. A program with a
 * main of its own defines TEST_OWN_MAIN first, and calls test_run_all.
 */
#ifndef UMOD_TEST_H
#define UMOD_TEST_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

/* Weak, so that all files of a program see one of each. */
__attribute__((weak)) struct test_case *test_first;
__attribute__((weak)) struct test_case **test_last;
__attribute__((weak)) atomic_uint test_failures; /* of the test that runs */
__attribute__((weak)) atomic_bool test_skipped;

static inline void test_register(struct test_case *test)
{
	if (!test_last)
		test_last = &test_first;
	*test_last = test;
	test_last = &test->next;
}

#define TEST(NAME)                                                                   \
	static void test_run_##NAME(void);                                           \
	static struct test_case test_case_##NAME = { #NAME, test_run_##NAME, NULL }; \
	__attribute__((constructor)) static void test_register_##NAME(void)          \
	{                                                                            \
		test_register(&test_case_##NAME);                                    \
	}                                                                            \
	static void test_run_##NAME(void)

__attribute__((format(printf, 3, 4))) static inline bool test_fail(
	const char *file, int line, const char *format, ...)
{
	char text[2048];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	printf("# %s:%d: %s\n", file, line, text);
	fflush(stdout);
	atomic_fetch_add(&test_failures, 1);
	return false;
}

static inline bool test_true(const char *file, int line, const char *what, bool is)
{
	return is || test_fail(file, line, "failed: %s", what);
}

static inline bool test_int(
	const char *file, int line, const char *what, intmax_t is, intmax_t should)
{
	return is == should ||
	       test_fail(file, line, "%s is %jd, should be %jd", what, is, should);
}

static inline bool test_string(
	const char *file, int line, const char *what, const char *is, const char *should)
{
	if (is == should || (is && should && strcmp(is, should) == 0))
		return true;
	return test_fail(file, line, "%s is \"%s\", should be \"%s\"", what,
		is ? is : "(null)", should ? should : "(null)");
}

static inline bool test_contains(
	const char *file, int line, const char *what, const char *is, const char *part)
{
	return (is && strstr(is, part)) ||
	       test_fail(file, line, "%s is \"%s\", without \"%s\"", what,
		       is ? is : "(null)", part);
}

/* Each gives true when it holds. CHECK_INT(is, should), CHECK_HAS(text, part). */
#define CHECK(c)        test_true(__FILE__, __LINE__, #c, !!(c))
#define CHECK_INT(a, b) test_int(__FILE__, __LINE__, #a, (intmax_t)(a), (intmax_t)(b))
#define CHECK_STR(a, b) test_string(__FILE__, __LINE__, #a, (a), (b))
#define CHECK_HAS(a, b) test_contains(__FILE__, __LINE__, #a, (a), (b))
#define FAIL(...)       test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* As CHECK*, and return from the function. */
#define REQUIRE(c)              \
	do {                    \
		if (!CHECK(c))  \
			return; \
	} while (0)
#define REQUIRE_INT(a, b)             \
	do {                          \
		if (!CHECK_INT(a, b)) \
			return;       \
	} while (0)

#define SKIP(...)                                  \
	do {                                       \
		printf("# skipped: " __VA_ARGS__); \
		printf("\n");                      \
		atomic_store(&test_skipped, true); \
		return;                            \
	} while (0)

static inline bool test_chosen(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strstr(name, argv[i]))
			return true;
	}
	return argc < 2;
}

static inline int test_run_all(int argc, char **argv)
{
	unsigned number = 0, failed = 0;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (struct test_case *t = test_first; t; t = t->next)
			puts(t->name);
		return 0;
	}
	for (struct test_case *t = test_first; t; t = t->next) {
		if (!test_chosen(t->name, argc, argv))
			continue;
		atomic_store(&test_failures, 0);
		atomic_store(&test_skipped, false);
		t->run();
		bool bad = atomic_load(&test_failures) > 0;
		printf("%s %u - %s%s\n", bad ? "not ok" : "ok", ++number, t->name,
			!bad && atomic_load(&test_skipped) ? " # SKIP" : "");
		fflush(stdout); /* a test that forks must not print this twice */
		failed += bad;
	}
	printf("1..%u\n", number);
	fflush(stdout);
	/* A filter that fits nothing is a mistake, not a success. */
	return failed || number == 0;
}

#ifndef TEST_OWN_MAIN
__attribute__((weak)) int main(int argc, char **argv)
{
	return test_run_all(argc, argv);
}
#endif

#endif
