/* SPDX-License-Identifier: MIT */
/*
 * Shows umod's images to debuggers and profilers: to gdb and lldb as one more namespace,
 * a node at the end of the list that DT_DEBUG starts (glibc's <link.h>, protocol version
 * 2); to perf, where UMOD_PERF_MAP is set, as lines of its map file for images that are
 * not mapped from their file. Reads nothing of the images but symbols for perf.
 *
 * Nothing is put into ld.so's own list of objects, which it walks itself. The list of
 * nodes is only ever appended to, by ld.so as well (dlmopen), under its own lock: its
 * end is looked for again at each series.
 */
#include "link/publish.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define NODES_LIMIT 1000 /* of a damaged list; ld.so makes 16 */

/* Found by umod maps in other processes: base/shown.h. */
static struct {
	struct r_debug_extended debug;
	struct shown_process shown;
} node = { .debug = { .base = { .r_version = 2 } },
	.shown = { .magic = SHOWN_MAGIC,
		.version = SHOWN_VERSION,
		.image_offset = offsetof(struct link_image, shown) -
				offsetof(struct link_image, map) } };
_Static_assert(offsetof(struct link_image, shown) > offsetof(struct link_image, map) &&
		       (int)LINK_HOME_ARENA == (int)SHOWN_HOME_ARENA,
	"as base/shown.h says");
static struct link_image *first, *last;

static struct link_image *image_of(struct link_map *map)
{
	return map ? (void *)((char *)map - offsetof(struct link_image, map)) : NULL;
}

struct link_image *link_debugger_first(void)
{
	return first;
}

struct link_image *link_debugger_next(const struct link_image *image)
{
	return image_of(image->map.l_next);
}

/* The program's DT_DEBUG rather than _r_debug, of which the program may hold a copy. */
static int find_debug(const struct link_host_object *program, void *data)
{
	const Elf64_Dyn *dynamic = NULL;
	for (unsigned i = 0; i < program->phdr_count; i++)
		if (program->phdrs[i].p_type == PT_DYNAMIC)
			dynamic =
				(const void *)(program->bias + program->phdrs[i].p_vaddr);
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
		if (dynamic->d_tag == DT_DEBUG)
			*(void **)data = (void *)dynamic->d_un.d_ptr;
	return 1;
}

static struct r_debug_extended *host_debug(void)
{
	static struct r_debug_extended *found;
	if (!found)
		link_host_visit(find_debug, &found);
	if (!found)
		found = link_host_symbol("_r_debug");
	return found;
}

/* Appends our node, unless it is there. False: there is no list. */
static bool join_list(void)
{
	struct r_debug_extended *host = host_debug();
	if (!host || host->base.r_version < 1 || !host->base.r_brk)
		return false;
	node.debug.base.r_brk = host->base.r_brk;
	node.debug.base.r_ldbase = host->base.r_ldbase;
	struct r_debug_extended **end = &host->r_next;
	for (unsigned i = 0; *end; end = &(*end)->r_next)
		if (*end == &node.debug || ++i == NODES_LIMIT)
			return *end == &node.debug;
	__atomic_store_n(end, &node.debug, __ATOMIC_RELEASE);
	/* Only now may r_next be read, as ld.so's own first dlmopen says it. */
	if (host->base.r_version < 2)
		__atomic_store_n(&host->base.r_version, 2, __ATOMIC_RELEASE);
	return true;
}

/* The debugger's breakpoint is in there. */
static void tell(int state)
{
	node.debug.base.r_state = state;
	((void (*)(void))node.debug.base.r_brk)();
}

void link_show(const void *counters, uint64_t count)
{
	node.shown.counter_count = count;
	node.shown.counters = (uintptr_t)counters;
	join_list();
}

/* The first change of a series; later ones change the list between the two calls. */
static void begin(int state)
{
	if (node.debug.base.r_state == RT_CONSISTENT && join_list())
		tell(state);
}

/* ---- perf ---- */

/* One line each: start and size in hexadecimal, and the name. */
static void write_perf_lines(FILE *file, const struct link_image *image)
{
	const struct elf_view *view = &image->view;
	for (uint64_t i = 1; i < view->symbol_count && i < view->symbol_limit; i++) {
		const Elf64_Sym *symbol = &view->symbols[i];
		const char *name = elf_view_string(view, symbol->st_name);
		if (name && symbol->st_shndx != SHN_UNDEF && symbol->st_size &&
			ELF64_ST_TYPE(symbol->st_info) == STT_FUNC)
			fprintf(file, "%lx %lx %s [%s]\n", image->bias + symbol->st_value,
				symbol->st_size, name, image->name);
	}
}

static void tell_perf(const struct link_image *image)
{
	static int wanted = -1;
	char path[64];
	if (wanted < 0) {
		const char *value = base_getenv("UMOD_PERF_MAP");
		wanted = value && strcmp(value, "1") == 0;
	}
	if (!wanted || image->home == LINK_HOME_FILE)
		return;
	/* In a directory that anyone may write to: no link is followed. */
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "a");
	if (!file) {
		if (fd >= 0)
			close(fd);
		return;
	}
	write_perf_lines(file, image);
	fclose(file);
}

/* ---- the list of images ---- */

void link_debugger_add(struct link_image *image)
{
	begin(RT_ADD);
	image->map = (struct link_map){
		.l_addr = image->bias,
		.l_name = (char *)image->path,
		.l_ld = image->view.dynamic_bytes
				? (void *)(image->bias + image->view.dynamic_vaddr)
				: NULL,
		.l_prev = last ? &last->map : NULL,
	};
	image->shown.start = image->start;
	image->shown.end = image->end;
	image->shown.home = image->home;
	if (last)
		last->map.l_next = &image->map;
	else
		first = image;
	last = image;
	node.debug.base.r_map = &first->map;
	tell_perf(image);
}

void link_debugger_remove(struct link_image *image)
{
	struct link_map *map = &image->map;
	begin(RT_DELETE);
	if (map->l_next)
		map->l_next->l_prev = map->l_prev;
	else
		last = image_of(map->l_prev);
	if (map->l_prev)
		map->l_prev->l_next = map->l_next;
	else
		first = image_of(map->l_next);
	node.debug.base.r_map = first ? &first->map : NULL;
	map->l_next = map->l_prev = NULL;
}

void link_debugger_done(void)
{
	if (node.debug.base.r_state != RT_CONSISTENT && join_list())
		tell(RT_CONSISTENT);
}
