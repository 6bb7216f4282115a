/* SPDX-License-Identifier: MIT */
/*
 * ld.so's objects as umod reads them: the list against ld.so's own link map, which of
 * them came with the program, and symbols against dlsym(3).
 */
#include "link/publish.h"

#include "test.h"

#include <dlfcn.h>
#include <unistd.h>

/* A library that Debian has in libc6 and that no program needs. */
#define LATE "libBrokenLocale.so.1"

struct seen {
	struct link_host_object objects[256];
	unsigned count;
};

static int note(const struct link_host_object *object, void *data)
{
	struct seen *seen = data;
	seen->objects[seen->count++] = *object;
	return seen->count == 256;
}

TEST(host_list_is_that_of_ld_so)
{
	struct seen seen = { .count = 0 };
	unsigned i = 0;
	CHECK_INT(link_host_visit(note, &seen), 0);
	for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next, i++) {
		REQUIRE(i < seen.count);
		CHECK_STR(seen.objects[i].path, map->l_name);
		CHECK(seen.objects[i].bias == map->l_addr);
		CHECK(seen.objects[i].phdr_count > 0);
		CHECK(seen.objects[i].at_start);
	}
	CHECK_INT(seen.count, i);
	CHECK(i >= 4); /* program, vDSO, libc, ld.so */
	CHECK_STR(seen.objects[0].path, "");
	CHECK(link_host_at_start());
	CHECK(link_host_interposes());
}

static int stop_at_second(const struct link_host_object *object, void *data)
{
	return ++*(int *)data == 2 ? 77 : 0;
}

TEST(host_walk_ends_when_told)
{
	int calls = 0;
	CHECK_INT(link_host_visit(stop_at_second, &calls), 77);
	CHECK_INT(calls, 2);
}

static int note_late(const struct link_host_object *object, void *data)
{
	if (strstr(object->path, LATE)) {
		*(int *)data = object->at_start ? 1 : 2;
		return 1;
	}
	return 0;
}

TEST(host_objects_that_come_late)
{
	uint64_t before = link_host_generation();
	int found = 0;
	CHECK(before > 0);
	CHECK(link_host_generation() == before);
	void *handle = dlopen(LATE, RTLD_NOW);
	REQUIRE(handle != NULL);
	uint64_t with = link_host_generation();
	CHECK(with != before);
	link_host_visit(note_late, &found);
	CHECK_INT(found, 2);
	dlclose(handle);
	CHECK(link_host_generation() != with);
	CHECK(link_host_generation() != before);
	found = 0;
	link_host_visit(note_late, &found);
	CHECK_INT(found, 0);
}

TEST(host_symbols)
{
	static const char *const names[] = { "malloc", "qsort", "dlopen", "strlen",
		"memcpy", "pthread_create", "_dl_find_object", "__tls_get_addr",
		"_r_debug" };
	for (unsigned i = 0; i < base_array_count(names); i++) {
		void *is = link_host_symbol(names[i]);
		/* The program's own _dl_find_object would be found first. */
		void *should = dlsym(RTLD_NEXT, names[i]);
		CHECK(is != NULL);
		/* A sanitizer puts its own before libc's. */
		if (!getenv("ASAN_OPTIONS") && !getenv("TSAN_OPTIONS"))
			CHECK(is == should);
	}
	/* GLIBC_PRIVATE */
	CHECK(link_host_symbol("__libc_early_init") != NULL);
	CHECK(link_host_symbol("_dl_allocate_tls") != NULL);
	CHECK(link_host_symbol("_rtld_global") != NULL);
	CHECK(!link_host_symbol("no_such_symbol"));
	CHECK(!link_host_symbol("errno")); /* thread-local: has no one address */
}

TEST(host_program_path)
{
	char path[4096] = "";
	CHECK(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	CHECK_STR(link_host_program_path(), path);
}

TEST(host_figures)
{
	enum { ROUNDS = 100000 };
	uint64_t begin = base_now_ns(), sum = 0;
	for (unsigned i = 0; i < ROUNDS; i++)
		sum += link_host_generation();
	uint64_t middle = base_now_ns();
	for (unsigned i = 0; i < ROUNDS; i++)
		sum += (uintptr_t)link_host_symbol("qsort");
	uint64_t end = base_now_ns();
	CHECK(sum != 0);
	printf("# generation %.0f ns, symbol %.0f ns\n",
		(double)(middle - begin) / ROUNDS, (double)(end - middle) / ROUNDS);
}
