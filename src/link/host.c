/* SPDX-License-Identifier: MIT */
/*
 * The objects that ld.so loaded: their list, which of them came with the program, and
 * symbols of ld.so and libc by a lookup of our own. Reads only; keeps nothing of what may
 * go. Calls neither dlsym nor dl_iterate_phdr by name: umod itself may stand in for both.
 */
#include "link/publish.h"

/*
 * ---- ld.so and libc, found without their help ----
 *
 * Both are in the link map from the start and never go, so that its beginning can be
 * walked without ld.so's lock.
 */

enum { HOST_LDSO, HOST_LIBC, HOST_VIEWS };
static struct elf_view host_views[HOST_VIEWS];
static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER; /* guards making them */
static atomic_bool host_views_made;
static _Atomic(link_iterate_function *) host_iterate;

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* An object whose ELF header is mapped at its load address, as both have it. */
static bool make_view(struct elf_view *view, const char *name, uintptr_t bias)
{
	const Elf64_Ehdr *header = (const void *)bias;
	if (!bias || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	return elf_view_host(view, name, bias, (const void *)(bias + header->e_phoff),
		       header->e_phnum, NULL) == 0;
}

__attribute__((constructor)) static void keep_lock(void)
{
	base_lock_across_fork(BASE_FORK_HOST, &host_lock);
}

static bool make_views(void)
{
	if (atomic_load_explicit(&host_views_made, memory_order_acquire))
		return true;
	pthread_mutex_lock(&host_lock);
	if (!host_views[HOST_LDSO].symbols)
		make_view(&host_views[HOST_LDSO], "ld.so", _r_debug.r_ldbase);
	const struct link_map *map =
		host_views[HOST_LIBC].symbols ? NULL : _r_debug.r_map;
	for (; map; map = map->l_next)
		if (map->l_name && strcmp(last_part(map->l_name), "libc.so.6") == 0) {
			make_view(&host_views[HOST_LIBC], "libc.so.6", map->l_addr);
			break;
		}
	bool made = host_views[HOST_LDSO].symbols && host_views[HOST_LIBC].symbols;
	if (made)
		atomic_store_explicit(&host_views_made, true, memory_order_release);
	pthread_mutex_unlock(&host_lock);
	return made;
}

void *link_host_symbol(const char *name)
{
	struct elf_reference reference;
	if (!make_views())
		return NULL;
	link_reference(&reference, name, NULL);
	for (unsigned i = 0; i < HOST_VIEWS; i++) {
		const struct elf_view *view = &host_views[i];
		uint32_t index = elf_view_find(view, &reference);
		if (!index)
			continue;
		const Elf64_Sym *symbol = &view->symbols[index];
		uintptr_t at = view->bias + symbol->st_value;
		if (ELF64_ST_TYPE(symbol->st_info) == STT_TLS)
			return NULL;
		if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
			return ((void *(*)(void))at)();
		return (void *)at;
	}
	return NULL;
}

link_iterate_function *link_host_iterate(void)
{
	link_iterate_function *found =
		atomic_load_explicit(&host_iterate, memory_order_acquire);
	if (base_likely(found))
		return found;
	found = (link_iterate_function *)link_host_symbol("dl_iterate_phdr");
	atomic_store_explicit(&host_iterate, found, memory_order_release);
	return found;
}

/* ---- which objects came with the program ---- */

/*
 * They are a beginning of the link map: ld.so appends what is loaded later, and never
 * lets go of what came first. Its end is the last object that the program needs, through
 * whatever stands before it: preloaded objects are needed by nobody, but they come right
 * after the program, and what they need counts too.
 */
struct start_set {
	unsigned count;
	unsigned self, ldso; /* places in it; UINT_MAX: not in it */
};
static struct start_set start_set;
static atomic_bool start_set_made;

struct start_walk {
	struct start_set set;
	struct base_map wanted; /* hash of name -> name, in an object's string table */
	struct dl_phdr_info *infos; /* from set.count on: not known to be needed yet */
	unsigned info_count, info_capacity;
	bool failed;
};

struct names {
	const char *strings, *soname;
	const Elf64_Dyn *dynamic;
};

static bool read_names(const struct dl_phdr_info *info, struct names *names)
{
	uint64_t soname = 0;
	memset(names, 0, sizeof(*names));
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			names->dynamic = (const void *)(info->dlpi_addr +
							info->dlpi_phdr[i].p_vaddr);
	if (!names->dynamic)
		return false;
	for (const Elf64_Dyn *d = names->dynamic; d->d_tag != DT_NULL; d++) {
		/* ld.so has relocated the pointers, but not those of the vDSO. */
		if (d->d_tag == DT_STRTAB)
			names->strings =
				(const char *)(d->d_un.d_ptr < info->dlpi_addr
						       ? info->dlpi_addr + d->d_un.d_ptr
						       : d->d_un.d_ptr);
		else if (d->d_tag == DT_SONAME)
			soname = d->d_un.d_val;
	}
	if (names->strings && soname)
		names->soname = names->strings + soname;
	return names->strings != NULL;
}

static bool is_wanted(const struct base_map *wanted, const char *name)
{
	size_t cursor = 0;
	uint64_t key = base_hash_bytes(name, strlen(name));
	for (const char *n; (n = base_map_next(wanted, key, &cursor));)
		if (strcmp(n, name) == 0)
			return true;
	return false;
}

static int want_needs(struct base_map *wanted, const struct dl_phdr_info *info)
{
	struct names names;
	if (!read_names(info, &names))
		return 0;
	for (const Elf64_Dyn *d = names.dynamic; d->d_tag != DT_NULL; d++) {
		if (d->d_tag != DT_NEEDED && d->d_tag != DT_FILTER &&
			d->d_tag != DT_AUXILIARY)
			continue;
		const char *name = names.strings + d->d_un.d_val;
		if (is_wanted(wanted, name))
			continue;
		int result = base_map_put(
			wanted, base_hash_bytes(name, strlen(name)), (void *)name);
		if (result)
			return result;
	}
	return 0;
}

static bool object_holds(const struct dl_phdr_info *info, uintptr_t address)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const Elf64_Phdr *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_LOAD &&
			address - info->dlpi_addr - p->p_vaddr < p->p_memsz)
			return true;
	}
	return false;
}

static bool object_is_wanted(
	const struct base_map *wanted, const struct dl_phdr_info *info)
{
	struct names names;
	const char *path = info->dlpi_name ? info->dlpi_name : "";
	return is_wanted(wanted, path) || is_wanted(wanted, last_part(path)) ||
	       (read_names(info, &names) && names.soname &&
		       is_wanted(wanted, names.soname));
}

/* Called under ld.so's lock: no object goes while its names are compared. */
static int start_visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct start_walk *walk = data;
	unsigned index = walk->info_count;
	if (base_grow(&walk->infos, index, &walk->info_capacity, sizeof(*info))) {
		walk->failed = true;
		return 1;
	}
	walk->infos[walk->info_count++] = *info;
	if (object_holds(info, (uintptr_t)&start_set))
		walk->set.self = index;
	if (info->dlpi_addr == host_views[HOST_LDSO].bias)
		walk->set.ldso = index;
	if (index != 0 && !object_is_wanted(&walk->wanted, info))
		return 0;
	for (unsigned i = walk->set.count; i <= index; i++)
		if (want_needs(&walk->wanted, &walk->infos[i]))
			walk->failed = true;
	walk->set.count = index + 1;
	return walk->failed;
}

/* False for want of memory: asked again the next time. */
static bool make_start_set(void)
{
	if (atomic_load_explicit(&start_set_made, memory_order_acquire))
		return true;
	link_iterate_function *iterate = link_host_iterate();
	if (!iterate)
		return false;
	struct start_walk walk = { .set = { 0, UINT32_MAX, UINT32_MAX } };
	iterate(start_visit, &walk);
	base_map_free(&walk.wanted);
	base_free(walk.infos);
	if (walk.failed)
		return false;
	pthread_mutex_lock(&host_lock);
	if (!atomic_load_explicit(&start_set_made, memory_order_relaxed))
		start_set = walk.set;
	atomic_store_explicit(&start_set_made, true, memory_order_release);
	pthread_mutex_unlock(&host_lock);
	return true;
}

bool link_host_at_start(void)
{
	return make_start_set() && start_set.self < start_set.count;
}

bool link_host_interposes(void)
{
	return link_host_at_start() && start_set.self < start_set.ldso;
}

/* ---- the list ---- */

struct host_walk {
	int (*visit)(const struct link_host_object *object, void *data);
	void *data;
	unsigned index, start_count;
};

static int host_visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct host_walk *walk = data;
	const struct link_host_object object = {
		.path = info->dlpi_name,
		.bias = info->dlpi_addr,
		.phdrs = info->dlpi_phdr,
		.phdr_count = info->dlpi_phnum,
		.tls_id = info->dlpi_tls_modid,
		.tls_block = info->dlpi_tls_data,
		.at_start = walk->index++ < walk->start_count,
	};
	return walk->visit(&object, walk->data);
}

int link_host_visit(
	int (*visit)(const struct link_host_object *object, void *data), void *data)
{
	link_iterate_function *iterate = link_host_iterate();
	/* What is not known to be late is not treated so. */
	struct host_walk walk = { visit, data, 0,
		make_start_set() ? start_set.count : UINT32_MAX };
	return iterate ? iterate(host_visit, &walk) : 0;
}

static int first_counters(struct dl_phdr_info *info, size_t size, void *data)
{
	*(uint64_t *)data = info->dlpi_adds + info->dlpi_subs;
	return 1;
}

uint64_t link_host_generation(void)
{
	uint64_t generation = 0;
	link_iterate_function *iterate = link_host_iterate();
	if (iterate)
		iterate(first_counters, &generation);
	return generation;
}

const char *link_host_program_path(void)
{
	static char path[4096];
	static atomic_int state; /* 0: not read, 1: being read, 2: read */
	int expected = 0;
	if (atomic_compare_exchange_strong(&state, &expected, 1)) {
		int64_t length =
			base_sys_readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[length > 0 ? length : 0] = '\0';
		atomic_store_explicit(&state, length > 0 ? 2 : 0, memory_order_release);
	}
	return atomic_load_explicit(&state, memory_order_acquire) == 2 ? path : "";
}
