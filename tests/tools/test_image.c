/* SPDX-License-Identifier: MIT */
/*
 * umod/image.h from C: buffers at any address, structs of older callers, damaged bytes,
 * and every allocation and system call failing in turn. What the tools print of images
 * is golden.py's.
 */
#include "base/base.h"
#include "test.h"

#include <umod/image.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOOD FIXTURES "/good.so"
#define TOP  FIXTURES "/top.so"

/* The file's bytes, @shift behind the start of *@block, which is the caller's. */
static char *read_all(const char *path, size_t shift, size_t *bytes, char **block)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*block = NULL;
	if (fd < 0 || fstat(fd, &st) != 0)
		return NULL;
	*bytes = (size_t)st.st_size;
	*block = malloc(*bytes + shift);
	ssize_t got = read(fd, *block + shift, *bytes);
	close(fd);
	return got == st.st_size ? *block + shift : NULL;
}

TEST(a_buffer_at_any_address_is_as_the_file)
{
	struct umod_image_info file = { sizeof(file) }, memory = { sizeof(memory) };
	struct umod_image *image;
	struct umod_error error;
	size_t bytes;
	char *block;

	REQUIRE_INT(umod_image_open(GOOD, &image, &error), 0);
	umod_image_info_get(image, &file);
	CHECK_STR(file.soname, "good.so");
	CHECK_INT(file.segments > 2, 1);
	umod_image_close(image);
	for (size_t shift = 0; shift < 9; shift++) {
		char *start = read_all(GOOD, shift, &bytes, &block);
		REQUIRE(start);
		REQUIRE_INT(
			umod_image_open_buffer("memory", start, bytes, &image, &error),
			0);
		umod_image_info_get(image, &memory);
		CHECK_STR(memory.soname, "good.so");
		CHECK_INT(memory.relocations, file.relocations);
		CHECK_INT(memory.symbols, file.symbols);
		CHECK_INT(memory.exports, file.exports);
		CHECK_INT(memory.file_bytes, file.file_bytes);
		umod_image_close(image);
		free(block);
	}
}

TEST(an_older_caller_gets_what_it_knows)
{
	struct umod_image_info info;
	struct umod_image *image;

	REQUIRE_INT(umod_image_open(GOOD, &image, NULL), 0);
	memset(&info, 0x55, sizeof(info));
	info.size_bytes = offsetof(struct umod_image_info, machine);
	umod_image_info_get(image, &info);
	CHECK_STR(info.type, "shared object");
	CHECK_INT(info.size_bytes, offsetof(struct umod_image_info, machine));
	CHECK_INT((uintptr_t)info.machine, 0x5555555555555555);
	umod_image_close(image);
}

TEST(wrong_arguments_are_refused)
{
	struct umod_image *image = (void *)1;
	struct umod_error error;

	CHECK_INT(umod_image_open(NULL, &image, &error), -EINVAL);
	CHECK(!image);
	CHECK_INT(umod_image_open(GOOD, NULL, &error), -EINVAL);
	CHECK_INT(umod_image_open_buffer("x", NULL, 5, &image, &error), -EINVAL);
	CHECK_INT(umod_image_open_buffer("x", NULL, 0, &image, &error), -ENOEXEC);
	CHECK_INT(error.stage, UMOD_STAGE_VALIDATE);
	CHECK_INT(umod_image_tree(NULL, GOOD, NULL, NULL, &error), -EINVAL);
	umod_image_close(NULL);
}

/* Reads all that an image can tell, so that a sanitizer sees a wrong access. */
static uint64_t read_image(const struct umod_image *image)
{
	struct umod_symbol symbol;
	struct umod_version version;
	struct umod_segment segment;
	const char *need;
	uint64_t sum = 0;

	for (uint64_t i = 0; umod_image_symbol(image, i, &symbol) == 0; i++)
		sum += strlen(symbol.name) +
		       (symbol.version ? strlen(symbol.version) : 0);
	for (unsigned i = 0; umod_image_version(image, i, &version) == 0; i++)
		sum += strlen(version.name) + (version.file ? strlen(version.file) : 0);
	for (unsigned i = 0; umod_image_segment(image, i, &segment) == 0; i++)
		sum += segment.memory_bytes;
	for (unsigned i = 0; (need = umod_image_need(image, i, NULL)) != NULL; i++)
		sum += strlen(need);
	return sum;
}

TEST(damaged_bytes_are_read_in_bounds)
{
	struct umod_image *image;
	struct umod_error error;
	unsigned refused = 0;
	size_t bytes;
	char *block, *start = read_all(GOOD, 0, &bytes, &block);

	REQUIRE(start);
	for (size_t at = 0; at < bytes; at += at < 4096 ? 1 : 7) {
		start[at] ^= (char)0xff;
		if (umod_image_open_buffer("damaged", start, bytes, &image, &error) ==
			0) {
			read_image(image);
			umod_image_close(image);
		} else {
			refused++;
			if (!error.message[0] || error.code >= 0)
				FAIL("byte %zu: no reason given", at);
		}
		start[at] ^= (char)0xff;
	}
	CHECK(refused > 200);
	free(block);
}

static int count_visits(
	unsigned depth, const char *name, const char *path, const char *how, void *data)
{
	unsigned *visits = data;

	if (!name || !how || (!path && !how[0]))
		FAIL("depth %u: an answer without name or reason", depth);
	if (name && (strncmp(name, "libc.", 5) == 0 || strncmp(name, "ld-", 3) == 0))
		return 0; /* clang names it as a need of everything, gcc does not */
	return ++*visits == 1000 ? 77 : 0;
}

TEST(each_failing_call_of_an_open_is_told)
{
	struct umod_image *image;
	struct umod_error error;
	uint64_t nth = 0;
	int result;

	do {
		base_fault_arm(++nth, ENOMEM);
		result = umod_image_open(GOOD, &image, &error);
		bool hit = base_fault_calls() >= nth;
		base_fault_arm(0, 0);
		if (result) {
			CHECK(!image);
			CHECK_INT(error.code, result);
			CHECK_INT(result, -ENOMEM);
		} else {
			read_image(image);
			umod_image_close(image);
		}
		if (!hit)
			break;
	} while (nth < 1000);
	CHECK_INT(result, 0);
	CHECK(nth > 5 && nth < 1000);
}

TEST(each_failing_call_of_a_tree_is_told)
{
	struct umod_context *context;
	struct umod_error error;
	uint64_t nth = 0;
	unsigned visits, failures = 0;

	REQUIRE_INT(umod_context_new(NULL, &context, &error), 0);
	for (;;) {
		visits = 0;
		base_fault_arm(++nth, ENOMEM);
		int result = umod_image_tree(context, TOP, count_visits, &visits, &error);
		bool hit = base_fault_calls() >= nth;
		base_fault_arm(0, 0);
		if (result) {
			failures++;
			CHECK_INT(error.code, result);
		}
		if (!hit || nth > 10000)
			break;
	}
	CHECK(failures > 10);
	/* top, left, right, leaf twice, bottom. */
	CHECK_INT(visits, 6);
	umod_context_unref(context);
}

static int stop_at_once(
	unsigned depth, const char *name, const char *path, const char *how, void *data)
{
	return 5;
}

TEST(a_visitor_can_end_the_walk)
{
	struct umod_context *context;
	struct umod_error error;

	REQUIRE_INT(umod_context_new(NULL, &context, &error), 0);
	CHECK_INT(umod_image_tree(context, TOP, stop_at_once, NULL, &error), 5);
	CHECK_INT(umod_image_tree(context, "/no/such", stop_at_once, NULL, &error),
		-ENOENT);
	CHECK_INT(error.stage, UMOD_STAGE_OPEN);
	umod_context_unref(context);
}
