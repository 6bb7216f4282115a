/* SPDX-License-Identifier: MIT */
/*
 * Tests of the base floor's errors, memory, system calls and fault injection. Hashes and
 * maps are in test_hash.c, readers in test_reader.c, the trace in test_trace.c.
 */
#include "base/base.h"
#include "test.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(error_is_filled_once)
{
	struct umod_error error = { 0 };

	CHECK_INT(base_error(&error, UMOD_STAGE_BIND, -ENOSYS, "lib.so", "no %s", "foo"),
		-ENOSYS);
	CHECK_INT(base_error(&error, UMOD_STAGE_MAP, -ENOMEM, "other", "later"), -ENOMEM);
	CHECK_INT(error.stage, UMOD_STAGE_BIND);
	CHECK_INT(error.code, -ENOSYS);
	CHECK_STR(error.subject, "lib.so");
	CHECK_STR(error.message, "no foo");
	umod_error_clear(&error);
	CHECK_INT(error.code, 0);
	CHECK_STR(error.message, "");
	base_error(&error, UMOD_STAGE_MAP, -ENOMEM, NULL, "after clear");
	CHECK_STR(error.message, "after clear");
	CHECK_STR(error.subject, "");
	umod_error_clear(NULL);
	CHECK_INT(base_error(NULL, UMOD_STAGE_MAP, -EIO, "x", "y"), -EIO);
}

TEST(error_leaves_errno_alone)
{
	struct umod_error error = { 0 };

	errno = EXDEV;
	base_error(&error, UMOD_STAGE_OPEN, -ENOENT, "x", "%s", strerror(ENOENT));
	CHECK_INT(errno, EXDEV);
}

/* A text that fits exactly stays whole; one byte more and it ends in "...". */
TEST(error_cuts_what_is_too_long)
{
	char text[UMOD_ERROR_MESSAGE_BYTES + 10];
	struct umod_error error;

	for (int over = -1; over < 3; over++) {
		size_t length = (size_t)(UMOD_ERROR_MESSAGE_BYTES - 1 + over);
		memset(text, 'm', length);
		text[length] = '\0';
		umod_error_clear(&error);
		base_error(&error, UMOD_STAGE_OPEN, -EINVAL, NULL, "%s", text);
		bool cut =
			strcmp(error.message + UMOD_ERROR_MESSAGE_BYTES - 4, "...") == 0;
		CHECK_INT(cut, over > 0);
		CHECK_INT(strlen(error.message),
			over > 0 ? UMOD_ERROR_MESSAGE_BYTES - 1 : (int)length);
	}
	for (int over = -1; over < 3; over++) {
		size_t length = (size_t)(UMOD_ERROR_SUBJECT_BYTES - 1 + over);
		memset(text, 's', length);
		text[length] = '\0';
		umod_error_clear(&error);
		base_error(&error, UMOD_STAGE_OPEN, -EINVAL, text, "m");
		bool cut =
			strcmp(error.subject + UMOD_ERROR_SUBJECT_BYTES - 4, "...") == 0;
		CHECK_INT(cut, over > 0);
		CHECK_INT(strnlen(error.subject, sizeof(error.subject)),
			over > 0 ? UMOD_ERROR_SUBJECT_BYTES - 1 : (int)length);
	}
}

TEST(error_cuts_between_characters)
{
	char text[UMOD_ERROR_SUBJECT_BYTES * 2];
	struct umod_error error;

	/* Each shift puts the cut at another byte of a three-byte character. */
	for (size_t shift = 0; shift < 3; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 4);
		umod_error_clear(&error);
		base_error(&error, UMOD_STAGE_OPEN, -EINVAL, text, "m");
		size_t end = strlen(error.subject);
		CHECK_STR(error.subject + end - 3, "...");
		CHECK_INT((end - 3 - shift) % 3, 0);
	}
}

TEST(error_formats)
{
	struct umod_error error = { 0 };
	char text[64], small[8];

	base_error(&error, UMOD_STAGE_VALIDATE, -ELIBBAD, "a.so", "bad");
	CHECK_INT(umod_error_format(&error, text, sizeof(text)), 19);
	CHECK_STR(text, "validate: a.so: bad");
	CHECK_INT(umod_error_format(&error, small, sizeof(small)), 19);
	CHECK_STR(small, "validat");
	CHECK_INT(umod_error_format(&error, NULL, 0), 19);
	umod_error_clear(&error);
	base_error(&error, UMOD_STAGE_OPEN, -ENOENT, NULL, "gone");
	umod_error_format(&error, text, sizeof(text));
	CHECK_STR(text, "open: gone");
}

TEST(every_stage_has_a_name_of_its_own)
{
	for (int i = 0; i < UMOD_STAGE_COUNT; i++) {
		const char *name = umod_stage_name((enum umod_stage)i);
		CHECK(strcmp(name, "unknown") != 0);
		for (int j = 0; j < i; j++)
			CHECK(strcmp(name, umod_stage_name((enum umod_stage)j)) != 0);
	}
	CHECK_STR(umod_stage_name(UMOD_STAGE_COUNT), "unknown");
	CHECK_STR(umod_stage_name((enum umod_stage) - 1), "unknown");
}

TEST(ranges_do_not_overflow)
{
	CHECK(base_range_fits(0, 0, 0));
	CHECK(base_range_fits(10, 0, 10));
	CHECK(base_range_fits(4, 6, 10));
	CHECK(!base_range_fits(4, 7, 10));
	CHECK(!base_range_fits(11, 0, 10));
	CHECK(!base_range_fits(UINT64_MAX, 2, 10));
	CHECK(!base_range_fits(2, UINT64_MAX, 10));
	CHECK(!base_range_fits(UINT64_MAX, UINT64_MAX, UINT64_MAX));
	CHECK(base_range_fits(UINT64_MAX, 0, UINT64_MAX));
	CHECK_INT(base_align_up(1, 4096), 4096);
	CHECK_INT(base_align_up(4096, 4096), 4096);
	CHECK_INT(base_align_down(4097, 4096), 4096);
}

TEST(memory_checks_products)
{
	CHECK(!base_array(SIZE_MAX / 2, 3));
	CHECK(!base_array(SIZE_MAX, SIZE_MAX));
	BASE_AUTO_FREE unsigned char *a = base_array(100, 7);
	REQUIRE(a != NULL);
	for (int i = 0; i < 700; i++)
		CHECK(a[i] == 0);
	/* Nothing asked for is no failure. */
	BASE_AUTO_FREE void *b = base_array(0, 7), *c = base_alloc(0),
			    *d = base_zalloc(0);
	CHECK(b && c && d);
}

TEST(memory_copies_strings)
{
	BASE_AUTO_FREE char *a = base_strdup("text");
	BASE_AUTO_FREE char *b = base_strndup("text", 2);
	BASE_AUTO_FREE char *c = base_strndup("text", 20);
	BASE_AUTO_FREE char *d = base_printf("%s-%d", "text", 42);
	CHECK_STR(a, "text");
	CHECK_STR(b, "te");
	CHECK_STR(c, "text");
	CHECK_STR(d, "text-42");
}

TEST(array_grows)
{
	BASE_AUTO_FREE int *items = NULL;
	unsigned capacity = 0, count = 0;

	for (; count < 1000; count++) {
		REQUIRE_INT(base_grow(&items, count, &capacity, sizeof(*items)), 0);
		REQUIRE(capacity > count);
		items[count] = (int)count;
	}
	for (unsigned i = 0; i < count; i++)
		CHECK_INT(items[i], i);
	/* A failure leaves all as it was. */
	int *before = items;
	unsigned full = capacity;
	base_fault_arm(1, ENOMEM);
	CHECK_INT(base_grow(&items, capacity, &capacity, sizeof(*items)), -ENOMEM);
	base_fault_arm(0, 0);
	CHECK(items == before && capacity == full);
	capacity = UINT32_MAX - 1;
	CHECK_INT(base_grow(&items, capacity, &capacity, 1), -ENOMEM);
	capacity = UINT32_MAX / 2;
	CHECK_INT(base_grow(&items, capacity, &capacity, SIZE_MAX / 4), -ENOMEM);
}

TEST(system_calls_give_negative_errnos)
{
	struct stat st;
	char buffer[8];
	void *p = NULL;

	CHECK_INT(base_sys_open("/nonexistent/file"), -ENOENT);
	CHECK_INT(base_sys_stat("/nonexistent/file", &st), -ENOENT);
	CHECK_INT(base_sys_readlink("/", buffer, sizeof(buffer)), -EINVAL);
	CHECK_INT(base_sys_pread(-1, buffer, 1, 0), -EBADF);
	CHECK_INT(base_sys_close(-1), -EBADF);
	CHECK_INT(base_sys_fstat(-1, &st), -EBADF);
	CHECK_INT(base_sys_mmap(NULL, 1, PROT_READ, MAP_PRIVATE, -1, 0, &p), -EBADF);
	CHECK(p == NULL);
	CHECK_INT(base_sys_mprotect((void *)1, 1, PROT_READ), -EINVAL);
}

TEST(system_calls_work)
{
	char path[] = "/tmp/umod-test-XXXXXX", buffer[16] = "", link[PATH_MAX], name[64];
	struct stat st;
	void *p;
	int made = mkstemp(path);

	REQUIRE(made >= 0);
	CHECK_INT(write(made, "0123456789", 10), 10);
	close(made);
	BASE_AUTO_CLOSE int fd = base_sys_open(path);
	REQUIRE(fd >= 0);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_INT(base_sys_fstat(fd, &st), 0);
	CHECK_INT(st.st_size, 10);
	CHECK_INT(base_sys_stat(path, &st), 0);
	CHECK_INT(base_sys_pread(fd, buffer, 4, 3), 4);
	CHECK_STR(buffer, "3456");
	/* Past the end: as many as there are. */
	CHECK_INT(base_sys_pread(fd, buffer, sizeof(buffer), 8), 2);
	CHECK_INT(base_sys_pread(fd, buffer, sizeof(buffer), 100), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int64_t n = base_sys_readlink(name, link, sizeof(link));
	CHECK(n == (int64_t)strlen(path) && memcmp(link, path, (size_t)n) == 0);
	REQUIRE_INT(base_sys_mmap(NULL, 10, PROT_READ, MAP_PRIVATE, fd, 0, &p), 0);
	CHECK(memcmp(p, "0123456789", 10) == 0);
	CHECK_INT(base_sys_mprotect(p, 10, PROT_NONE), 0);
	CHECK_INT(base_sys_madvise(p, 10, MADV_DONTNEED), 0);
	CHECK_INT(base_sys_munmap(p, 10), 0);
	unlink(path);
}

TEST(fault_hits_the_nth_call_once)
{
	struct stat st;

	base_fault_arm(3, EIO);
	void *first = base_alloc(1);
	CHECK(first != NULL);
	CHECK_INT(base_sys_stat("/", &st), 0);
	CHECK_INT(base_sys_stat("/", &st), -EIO);
	CHECK_INT(base_sys_stat("/", &st), 0);
	base_fault_arm(0, 0);
	CHECK_INT(base_fault_calls(), 4);
	base_free(first);
	/* Disarmed: neither fails nor counts. */
	CHECK_INT(base_sys_stat("/", &st), 0);
	CHECK_INT(base_fault_calls(), 4);
	CHECK(!atomic_load(&base_fault_armed));
}

/* Each function that may fail by injection does, with what its comment says. */
TEST(fault_reaches_every_function)
{
	struct stat st;
	char b[8];
	void *p = NULL;
	unsigned capacity = 0;

#define FAILS(call)                               \
	do {                                      \
		base_fault_arm(1, EDOM);          \
		CHECK(call);                      \
		CHECK_INT(base_fault_calls(), 1); \
		base_fault_arm(0, 0);             \
	} while (0)
	FAILS(!base_alloc(1));
	FAILS(!base_zalloc(1));
	FAILS(!base_array(1, 1));
	FAILS(!base_realloc(NULL, 1));
	FAILS(!base_strdup("x"));
	FAILS(!base_strndup("x", 1));
	FAILS(!base_printf("x"));
	FAILS(base_grow(&p, 0, &capacity, 1) == -ENOMEM);
	FAILS(base_sys_open("/") == -EDOM);
	FAILS(base_sys_stat("/", &st) == -EDOM);
	FAILS(base_sys_fstat(0, &st) == -EDOM);
	FAILS(base_sys_pread(0, b, 1, 0) == -EDOM);
	FAILS(base_sys_mmap(NULL, 1, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p) == -EDOM);
	FAILS(base_sys_mprotect(NULL, 0, 0) == -EDOM);
	FAILS(base_sys_madvise(NULL, 0, 0) == -EDOM);
	FAILS(base_sys_readlink("/", b, 1) == -EDOM);
#undef FAILS
	/* These free; were they to fail, every undo would have to expect it. */
	base_fault_arm(1, EDOM);
	CHECK_INT(base_sys_close(-1), -EBADF);
	CHECK_INT(base_sys_munmap((void *)1, 1), -EINVAL);
	CHECK_INT(base_fault_calls(), 0);
	base_fault_arm(0, 0);
}

static void *allocate_in_thread(void *failed)
{
	void *p = base_alloc(1);

	*(bool *)failed = !p;
	base_free(p);
	return NULL;
}

TEST(fault_hits_its_own_thread_only)
{
	pthread_t thread;
	bool failed = true;

	base_fault_arm(1, ENOMEM);
	REQUIRE_INT(pthread_create(&thread, NULL, allocate_in_thread, &failed), 0);
	pthread_join(thread, NULL);
	CHECK(!failed);
	CHECK(!base_alloc(1));
	base_fault_arm(0, 0);
}

TEST(clock_runs)
{
	uint64_t a = base_now_ns();

	usleep(2000);
	uint64_t b = base_now_ns();
	CHECK(b - a >= 2000000 && b - a < 60000000000);
}

TEST(environment_is_read)
{
	setenv("UMOD_TEST_VARIABLE", "value", 1);
	CHECK_STR(base_getenv("UMOD_TEST_VARIABLE"), "value");
	CHECK(!base_getenv("UMOD_TEST_NO_SUCH_VARIABLE"));
	CHECK(!base_secure_execution());
	CHECK_INT(base_auxval(6 /* AT_PAGESZ */), sysconf(_SC_PAGESIZE));
}
