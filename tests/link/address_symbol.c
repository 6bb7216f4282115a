/* SPDX-License-Identifier: MIT */
/*
 * The symbol that contains an address: against dladdr(3) for every symbol of the
 * libraries that this process holds, and against a plain search in made-up tables whose
 * symbols nest, overlap, and lie about their sizes.
 */
#include "link/publish.h"

#include "test.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static uint64_t seed = 362436069;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* ---- made-up tables ---- */

enum { MOST = 300 };

struct table {
	struct link_image image;
	Elf64_Sym symbols[MOST];
};

static void make_table(struct table *table, unsigned count, uint64_t space)
{
	memset(table, 0, sizeof(*table));
	table->image.bias = 0x10000;
	table->image.view.symbols = table->symbols;
	table->image.view.symbol_count = table->image.view.symbol_limit = count;
	table->image.view.string_bytes = 100;
	for (unsigned i = 1; i < count; i++) {
		Elf64_Sym *s = &table->symbols[i];
		s->st_value = next_random() % space;
		s->st_size = next_random() % 8 ? next_random() % (space / 4) : 0;
		if (next_random() % 50 == 0)
			s->st_size = UINT64_MAX - next_random() % 3;
		s->st_shndx = next_random() % 10 ? 1 : SHN_UNDEF;
		s->st_info = ELF64_ST_INFO(next_random() % 10 ? STB_GLOBAL : STB_LOCAL,
			next_random() % 10 ? STT_FUNC : STT_TLS);
		s->st_other = next_random() % 10 ? STV_DEFAULT : STV_HIDDEN;
		s->st_name = next_random() % 20 ? 1 : 100;
	}
}

/* The nearest that contains it, of several there the first: dladdr's rule. */
static const Elf64_Sym *plain_search(const struct table *table, uint64_t value)
{
	const Elf64_Sym *best = NULL;
	for (unsigned i = 1; i < table->image.view.symbol_count; i++) {
		const Elf64_Sym *s = &table->symbols[i];
		if (s->st_shndx == SHN_UNDEF || s->st_other == STV_HIDDEN ||
			ELF64_ST_BIND(s->st_info) == STB_LOCAL ||
			ELF64_ST_TYPE(s->st_info) == STT_TLS || s->st_name >= 100)
			continue;
		if (value < s->st_value || (s->st_size ? value - s->st_value >= s->st_size
						       : value != s->st_value))
			continue;
		if (!best || s->st_value > best->st_value)
			best = s;
	}
	return best;
}

TEST(symbols_of_made_up_tables)
{
	struct table *table = malloc(sizeof(*table));
	for (unsigned round = 0; round < 600 && !test_failures; round++) {
		uint64_t space = 4 + next_random() % (round % 2 ? 100 : 100000);
		make_table(table, 1 + (unsigned)(next_random() % MOST), space);
		for (unsigned i = 0; i < 300; i++) {
			uint64_t value = next_random() % (space + 8);
			/* Without memory each symbol is looked at; the same answer. */
			base_fault_arm(i < 20 ? 1 : 0, -ENOMEM);
			const Elf64_Sym *is = link_address_symbol(
				&table->image, table->image.bias + value);
			base_fault_arm(0, 0);
			CHECK(is == plain_search(table, value));
			CHECK((atomic_load(&table->image.address_index) == NULL) ==
				(i < 20));
		}
		CHECK(!link_address_symbol(&table->image, table->image.bias - 1));
		link_address_index_free(&table->image);
	}
	free(table);
}

TEST(symbols_far_apart_are_found_without_an_index)
{
	struct table *table = malloc(sizeof(*table));
	make_table(table, 3, 100);
	table->symbols[1] = (Elf64_Sym){ .st_name = 1,
		.st_shndx = 1,
		.st_value = 5ull << 32,
		.st_size = 16,
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC) };
	table->symbols[2] = table->symbols[1];
	table->symbols[2].st_value = 64;
	table->image.view.span_end = 6ull << 32;
	uintptr_t bias = table->image.bias;
	CHECK(link_address_symbol(&table->image, bias + (5ull << 32) + 15) ==
		&table->symbols[1]);
	CHECK(!link_address_symbol(&table->image, bias + (5ull << 32) + 16));
	CHECK(link_address_symbol(&table->image, bias + 64) == &table->symbols[2]);
	link_address_index_free(&table->image);
	free(table);
}

/* ---- real libraries ---- */

struct objects {
	struct link_image *images;
	unsigned count;
};

static int collect(const struct link_host_object *object, void *data)
{
	struct objects *all = data;
	struct link_image *image = &all->images[all->count];
	if (all->count == 64 || object->path[0] == '\0' ||
		elf_view_host(&image->view, object->path, object->bias, object->phdrs,
			object->phdr_count, NULL))
		return 0;
	image->path = object->path;
	image->home = LINK_HOME_HOST;
	image->bias = object->bias;
	image->start = object->bias + image->view.span_start;
	image->end = object->bias + image->view.span_end;
	all->count++;
	return 0;
}

static void release(struct objects *all)
{
	for (unsigned i = 0; i < all->count; i++) {
		link_address_index_free(&all->images[i]);
		elf_view_clear(&all->images[i].view);
	}
	free(all->images);
}

/* The same symbol, or for several of one name and value one of them. */
static bool same(
	const struct link_image *image, const Elf64_Sym *is, const Dl_info *should)
{
	if (!is || !should->dli_sname)
		return !is && !should->dli_sname;
	return image->bias + is->st_value == (uintptr_t)should->dli_saddr &&
	       strcmp(image->view.strings + is->st_name, should->dli_sname) == 0;
}

static void compare_address(struct link_image *image, uintptr_t address, unsigned *done)
{
	Dl_info info;
	if (!dladdr((void *)address, &info))
		return;
	const Elf64_Sym *is = link_address_symbol(image, address);
	++*done;
	if (!same(image, is, &info))
		FAIL("%s+%#lx: %s, dladdr says %s", image->path, address - image->bias,
			is ? image->view.strings + is->st_name : "none",
			info.dli_sname ? info.dli_sname : "none");
}

static void compare_library(struct link_image *image)
{
	unsigned done = 0;
	const struct elf_view *view = &image->view;
	uint64_t step = view->symbol_count / 1000 + 1; /* dladdr takes 0.2 ms in LLVM */
	for (uint64_t i = 1; i < view->symbol_count; i += step) {
		const Elf64_Sym *s = &view->symbols[i];
		if (s->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(s->st_info) == STT_TLS)
			continue;
		uintptr_t at = image->bias + s->st_value;
		compare_address(image, at, &done);
		compare_address(image, at + s->st_size / 2, &done);
		compare_address(image, at + s->st_size, &done);
	}
	for (unsigned i = 0; i < 500; i++)
		compare_address(image,
			image->start + next_random() % (image->end - image->start),
			&done);
	printf("# %s: %u addresses as dladdr\n", image->path, done);
	CHECK(done > 100);
}

static double symbol_ns(struct link_image *image, unsigned step)
{
	enum { ROUNDS = 1000000, POINTS = 4096 };
	static uintptr_t points[POINTS];
	for (unsigned i = 0; i < POINTS; i++) {
		const struct elf_view *view = &image->view;
		points[i] = image->bias +
			    view->symbols[next_random() % view->symbol_count].st_value;
	}
	link_address_symbol(image, points[0]);
	uint64_t begin = base_now_ns(), sum = 0;
	for (unsigned i = 0, at = 0; i < ROUNDS; i++, at = (at + step) % POINTS)
		sum += (uintptr_t)link_address_symbol(image, points[at]);
	uint64_t end = base_now_ns();
	CHECK(sum != 0 || step == 0);
	return (double)(end - begin) / ROUNDS;
}

TEST(symbols_of_real_libraries)
{
	static const char *const more[] = { "libLLVM-14.so.1", "libstdc++.so.6",
		"libcrypto.so.3", "libm.so.6", "libsqlite3.so.0" };
	for (unsigned i = 0; i < base_array_count(more); i++)
		if (!dlopen(more[i], RTLD_LAZY))
			printf("# without %s\n", more[i]);
	struct objects all = { calloc(64, sizeof(struct link_image)), 0 };
	link_host_visit(collect, &all);
	CHECK(all.count >= 4);
	for (unsigned i = 0; i < all.count; i++) {
		struct link_image *image = &all.images[i];
		const char *name = strrchr(image->path, '/');
		if (!name || strstr(name, "vdso"))
			continue;
		uint64_t begin = base_now_ns();
		link_address_symbol(image, image->start);
		uint64_t end = base_now_ns();
		compare_library(image);
		printf("# %s: %lu symbols, index made in %.0f us, lookup %.1f ns hot, "
		       "%.1f ns anywhere\n",
			name + 1, (unsigned long)image->view.symbol_count,
			(double)(end - begin) / 1e3, symbol_ns(image, 0),
			symbol_ns(image, 7));
	}
	release(&all);
}

/* ---- the first use, by many threads at once ---- */

static struct link_image *shared;
static pthread_barrier_t together;

static void *first_use(void *data)
{
	pthread_barrier_wait(&together);
	const Elf64_Sym *symbol = link_address_symbol(shared, (uintptr_t)data);
	return (void *)symbol;
}

static int only_libc(const struct link_host_object *object, void *data)
{
	return strstr(object->path, "/libc.so.6") ? collect(object, data) : 0;
}

TEST(symbols_first_asked_by_many_threads)
{
	enum { THREADS = 8 };
	struct objects all = { calloc(64, sizeof(struct link_image)), 0 };
	link_host_visit(only_libc, &all);
	REQUIRE_INT(all.count, 1);
	shared = &all.images[0];
	uintptr_t address = (uintptr_t)link_host_symbol("qsort") + 5;
	const Elf64_Sym *should = link_address_symbol(shared, address);
	REQUIRE(should != NULL);
	CHECK_STR(shared->view.strings + should->st_name, "qsort");
	pthread_barrier_init(&together, NULL, THREADS);
	for (unsigned round = 0; round < 20; round++) {
		pthread_t threads[THREADS];
		link_address_index_free(shared);
		for (unsigned i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, first_use, (void *)address);
		for (unsigned i = 0; i < THREADS; i++) {
			void *is;
			pthread_join(threads[i], &is);
			CHECK(is == should);
		}
	}
	release(&all);
}
