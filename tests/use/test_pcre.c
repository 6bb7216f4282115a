/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions in two copies of libpcre2-8, interpreted and compiled by its JIT.
 */
#include "use.h"

#include <stdint.h>

static void *compile(struct use_copy *copy, const char *pattern)
{
	void *(*make)(const char *, size_t, uint32_t, int *, size_t *, void *);
	size_t where = 0;
	int code = 0;

	USE_GET(copy, make, "pcre2_compile_8");
	return make(pattern, strlen(pattern), 0, &code, &where, NULL);
}

/* Where @expression matches @text first: "from-to from-to ...", the groups included. */
static const char *match(struct use_copy *copy, void *expression, const char *text,
	char *spans, size_t bytes)
{
	void *(*data_new)(const void *, void *);
	void (*data_free)(void *);
	int (*run)(const void *, const char *, size_t, size_t, uint32_t, void *, void *);
	size_t *(*vector)(void *);
	size_t length = 0;
	void *data;
	int count;

	USE_GET(copy, data_new, "pcre2_match_data_create_from_pattern_8");
	USE_GET(copy, data_free, "pcre2_match_data_free_8");
	USE_GET(copy, run, "pcre2_match_8");
	USE_GET(copy, vector, "pcre2_get_ovector_pointer_8");
	data = data_new(expression, NULL);
	count = run(expression, text, strlen(text), 0, 0, data, NULL);
	spans[0] = '\0';
	for (int i = 0; i < count && length < bytes; i++)
		length += (size_t)snprintf(spans + length, bytes - length, "%s%zu-%zu",
			i ? " " : "", vector(data)[2 * i], vector(data)[2 * i + 1]);
	data_free(data);
	return spans;
}

static void work(struct use_copy *copy, unsigned thread)
{
	void *expression = compile(copy, "(?<year>\\d{4})-(\\d\\d)(?=-\\d\\d\\b)");
	int (*jit)(void *, uint32_t);
	void (*release)(void *);
	char spans[128];

	USE_GET(copy, jit, "pcre2_jit_compile_8");
	USE_GET(copy, release, "pcre2_code_free_8");
	REQUIRE(expression != NULL);
	CHECK_STR(match(copy, expression, "on 2024-02-29!", spans, sizeof(spans)),
		"3-10 3-7 8-10");
	CHECK_STR(match(copy, expression, "on 2024-02-291", spans, sizeof(spans)), "");
	CHECK_INT(jit(expression, 1), 0);
	for (int i = 0; i < 200; i++) {
		CHECK_STR(match(copy, expression, "999-99 1066-10-14", spans,
				  sizeof(spans)),
			"7-14 7-11 12-14");
	}
	release(expression);
	CHECK(compile(copy, "(unclosed") == NULL);
}

TEST(expressions_in_libpcre2)
{
	use_side_by_side(
		&(struct use_work){ .library = "libpcre2-8.so.0", .work = work });
}
