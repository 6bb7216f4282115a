/* SPDX-License-Identifier: MIT */
/*
 * _dl_find_object and dl_iterate_phdr as umod exports them: for the host's objects equal
 * to ld.so's own, and with images published, which they find too. The images are made
 * up: nothing is loaded here.
 */
#include "link/publish.h"

#include "test.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <sys/mman.h>

typedef int find_function(void *address, struct dl_find_object *result);

static find_function *real_find(void)
{
	return (find_function *)link_host_symbol("_dl_find_object");
}

/* The program's own, as every library in the process sees it. */
static bool interposed(void)
{
	return dlsym(RTLD_DEFAULT, "_dl_find_object") != (void *)real_find();
}

static int compare_find(struct dl_phdr_info *info, size_t size, void *data)
{
	unsigned *same = data;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const Elf64_Phdr *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD)
			continue;
		for (unsigned j = 0; j < 3; j++) {
			struct dl_find_object is, should;
			void *at = (void *)(info->dlpi_addr + p->p_vaddr +
					    j * p->p_memsz / 2);
			memset(&is, 0, sizeof(is));
			memset(&should, 0, sizeof(should));
			CHECK_INT(_dl_find_object(at, &is), real_find()(at, &should));
			CHECK(memcmp(&is, &should, sizeof(is)) == 0);
			++*same;
		}
	}
	return 0;
}

TEST(find_object_of_the_host)
{
	unsigned same = 0;
	struct dl_find_object none;
	CHECK_INT(dl_iterate_phdr(compare_find, &same), 0);
	CHECK(same > 20);
	CHECK_INT(_dl_find_object((void *)1, &none), -1);
	printf("# %u addresses, %s\n", same,
		interposed() ? "through umod" : "by ld.so alone");
}

struct list {
	struct dl_phdr_info infos[256];
	unsigned count, stop_at;
};

static int note(struct dl_phdr_info *info, size_t size, void *data)
{
	struct list *list = data;
	CHECK_INT(size, sizeof(*info));
	list->infos[list->count++] = *info;
	return list->count == list->stop_at ? 55 : 0;
}

TEST(iterate_over_the_host)
{
	struct list is = { .count = 0 }, should = { .count = 0 };
	CHECK_INT(link_iterate_phdr(note, &is), 0);
	CHECK_INT(link_host_iterate()(note, &should), 0);
	REQUIRE_INT(is.count, should.count);
	for (unsigned i = 0; i < is.count; i++) {
		const struct dl_phdr_info *a = &is.infos[i], *b = &should.infos[i];
		CHECK(a->dlpi_addr == b->dlpi_addr && a->dlpi_name == b->dlpi_name &&
			a->dlpi_phdr == b->dlpi_phdr && a->dlpi_phnum == b->dlpi_phnum &&
			a->dlpi_adds == b->dlpi_adds && a->dlpi_subs == b->dlpi_subs &&
			a->dlpi_tls_modid == b->dlpi_tls_modid &&
			a->dlpi_tls_data == b->dlpi_tls_data);
	}
}

/* ---- with images ---- */

enum { IMAGES = 3, BYTES = 8 * 4096 };

static struct link_image images[IMAGES];
static Elf64_Phdr phdrs[2];

static void publish_all(void)
{
	phdrs[0].p_type = PT_LOAD;
	phdrs[0].p_memsz = BYTES;
	phdrs[1].p_type = PT_GNU_EH_FRAME;
	for (unsigned i = 0; i < IMAGES; i++) {
		struct link_image *image = &images[i];
		memset(image, 0, sizeof(*image));
		void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		image->home = LINK_HOME_MEMORY;
		image->path = image->name = "made-up.so";
		image->bias = image->start = (uintptr_t)memory;
		image->end = image->start + BYTES;
		image->view.phdrs = phdrs;
		image->view.phdr_count = 2;
		image->view.eh_frame_hdr_vaddr = 4096;
		image->view.eh_frame_hdr_bytes = i == 0 ? 0 : 100;
		CHECK_INT(link_publish(image, NULL), 0);
	}
	link_publish_done();
}

static void unpublish_all(void)
{
	for (unsigned i = 0; i < IMAGES; i++) {
		link_unpublish(&images[i]);
		CHECK(!images[i].published);
		munmap((void *)images[i].start, BYTES);
	}
	link_publish_done();
}

TEST(find_object_of_images)
{
	publish_all();
	for (unsigned i = 0; i < IMAGES && interposed(); i++) {
		struct dl_find_object is;
		const struct link_image *image = &images[i];
		memset(&is, 0xaa, sizeof(is)); /* the rest is reserved */
		CHECK_INT(_dl_find_object((void *)(image->start + 10), &is), 0);
		CHECK(is.dlfo_flags == 0);
		CHECK(is.dlfo_map_start == (void *)image->start);
		CHECK(is.dlfo_map_end == (void *)image->end);
		CHECK(is.dlfo_link_map == &image->map);
		CHECK(is.dlfo_eh_frame ==
			(i == 0 ? NULL : (void *)(image->start + 4096)));
		CHECK_INT(_dl_find_object((void *)(image->end - 1), &is), 0);
	}
	unsigned same = 0;
	link_host_iterate()(compare_find, &same);
	CHECK(same > 20);
	unpublish_all();
	struct dl_find_object none;
	CHECK_INT(_dl_find_object((void *)images[0].start, &none), -1);
}

TEST(iterate_over_images)
{
	struct list host = { .count = 0 }, is = { .count = 0 }, after = { .count = 0 };
	link_iterate_phdr(note, &host);
	publish_all();
	CHECK_INT(link_iterate_phdr(note, &is), 0);
	REQUIRE_INT(is.count, host.count + IMAGES);
	for (unsigned i = 0; i < is.count; i++) {
		CHECK(is.infos[i].dlpi_adds == host.infos[0].dlpi_adds + IMAGES);
		CHECK(is.infos[i].dlpi_subs == host.infos[0].dlpi_subs);
		if (i < host.count) {
			CHECK_STR(is.infos[i].dlpi_name, host.infos[i].dlpi_name);
			CHECK(is.infos[i].dlpi_phdr == host.infos[i].dlpi_phdr);
			CHECK(is.infos[i].dlpi_tls_modid == host.infos[i].dlpi_tls_modid);
			CHECK(is.infos[i].dlpi_tls_data == host.infos[i].dlpi_tls_data);
		} else {
			CHECK_STR(is.infos[i].dlpi_name, "made-up.so");
			CHECK(is.infos[i].dlpi_phdr == phdrs);
			CHECK_INT(is.infos[i].dlpi_phnum, 2);
			bool known = false;
			for (unsigned j = 0; j < IMAGES; j++)
				known |= images[j].bias == is.infos[i].dlpi_addr;
			CHECK(known);
		}
	}
	struct list some = { .stop_at = host.count + 2 };
	CHECK_INT(link_iterate_phdr(note, &some), 55);
	CHECK_INT(some.count, host.count + 2);
	unpublish_all();
	CHECK_INT(link_iterate_phdr(note, &after), 0);
	CHECK_INT(after.count, host.count);
	CHECK(after.infos[0].dlpi_subs == is.infos[0].dlpi_subs + IMAGES);
}

/* Unloads all while the walk is at the first of them. */
static int unpublish_inside(struct dl_phdr_info *info, size_t size, void *data)
{
	if (strcmp(info->dlpi_name, "made-up.so") == 0) {
		++*(int *)data;
		unpublish_all();
	}
	return 0;
}

TEST(iterate_while_the_callback_unloads)
{
	int calls = 0;
	publish_all();
	CHECK_INT(link_iterate_phdr(unpublish_inside, &calls), 0);
	CHECK_INT(calls, 1);
}

TEST(publish_fails_without_memory)
{
	/* Anything so far may have left room for a few. */
	unsigned failed = 0;
	static struct link_image many[400];
	for (unsigned i = 0; i < 400; i++) {
		struct umod_error error = { 0 };
		many[i].home = LINK_HOME_MEMORY;
		many[i].path = "many.so";
		many[i].start = 4096 * (100 + 2 * i);
		many[i].end = many[i].start + 4096;
		base_fault_arm(1, -ENOMEM);
		int result = link_publish(&many[i], &error);
		base_fault_arm(0, 0);
		if (result) {
			failed++;
			CHECK_INT(result, -ENOMEM);
			CHECK_INT(error.stage, UMOD_STAGE_PUBLISH);
			CHECK_STR(error.subject, "many.so");
			CHECK(!many[i].published);
			link_unpublish(&many[i]);
			CHECK_INT(link_publish(&many[i], NULL), 0);
		}
	}
	CHECK(failed > 100);
	for (unsigned i = 0; i < 400; i++)
		link_unpublish(&many[i]);
	link_publish_done();
}

TEST(backtrace_still_works)
{
	void *frames[64];
	CHECK(backtrace(frames, 64) >= 3);
}

/* ---- what a debugger reads ---- */

static struct r_debug_extended *program_debug(void)
{
	for (const Elf64_Dyn *d = _DYNAMIC; d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_DEBUG)
			return (void *)d->d_un.d_ptr;
	return NULL;
}

/* Images in the nodes that follow ld.so's first; each chain is checked both ways. */
static unsigned count_for_debugger(void)
{
	const struct r_debug_extended *debug = program_debug();
	unsigned found = 0, nodes = 0;
	if (!debug || debug->base.r_version < 2)
		return 0;
	for (debug = debug->r_next; debug && nodes < 100;
		debug = debug->r_next, nodes++) {
		const struct link_map *before = NULL;
		CHECK_INT(debug->base.r_version, 2);
		CHECK_INT(debug->base.r_state, RT_CONSISTENT);
		for (const struct link_map *m = debug->base.r_map; m; m = m->l_next) {
			CHECK(m->l_prev == before);
			found += strcmp(m->l_name, "made-up.so") == 0;
			before = m;
		}
	}
	return found;
}

TEST(debugger_sees_images)
{
	publish_all();
	CHECK_INT(count_for_debugger(), IMAGES);
	link_unpublish(&images[1]);
	link_publish_done();
	CHECK_INT(count_for_debugger(), IMAGES - 1);
	CHECK_INT(link_publish(&images[1], NULL), 0);
	link_publish_done();
	CHECK_INT(count_for_debugger(), IMAGES);
	/* ld.so appends its own node behind ours, or we ours behind its. */
	void *other = dlmopen(LM_ID_NEWLM, "libBrokenLocale.so.1", RTLD_NOW);
	CHECK_INT(count_for_debugger(), IMAGES);
	if (other)
		dlclose(other);
	unpublish_all();
	CHECK_INT(count_for_debugger(), 0);
}

TEST(find_object_figures)
{
	enum { ROUNDS = 1000000 };
	struct dl_find_object found;
	void *addresses[] = { (void *)printf, NULL };
	const char *const names[] = { "libc, with images", "an image" };
	publish_all();
	addresses[1] = (void *)(images[1].start + 5);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t begin = base_now_ns();
		for (unsigned j = 0; j < ROUNDS; j++)
			_dl_find_object(addresses[i], &found);
		printf("# _dl_find_object: %s: %.1f ns\n", names[i],
			(double)(base_now_ns() - begin) / ROUNDS);
	}
	unpublish_all();
	uint64_t begin = base_now_ns();
	for (unsigned j = 0; j < ROUNDS; j++)
		real_find()(addresses[0], &found);
	printf("# ld.so's own, found by name each time: %.1f ns\n",
		(double)(base_now_ns() - begin) / ROUNDS);
}
