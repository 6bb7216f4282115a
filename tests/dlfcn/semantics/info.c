/* SPDX-License-Identifier: MIT */
/* Scenarios of what is told of an address, a handle, and of all that is loaded. */
#include "semantics.h"

static void tell_address(const char *what, const void *address)
{
	Dl_info info = { 0 };
	struct link_map *map = NULL;
	const ElfW(Sym) *symbol = NULL;
	if (!dladdr(address, &info)) {
		printf("%s: unknown\n", what);
		return;
	}
	printf("%s: %s %s %d %d\n", what, last_part(info.dli_fname),
		info.dli_sname ? info.dli_sname : "none",
		info.dli_saddr ? (int)((char *)address - (char *)info.dli_saddr) : -1,
		memcmp(info.dli_fbase, ELFMAG, SELFMAG) == 0);
	dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP);
	dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT);
	printf("  %s %d %d\n", map ? last_part(map->l_name) : "none",
		map && map->l_addr == (ElfW(Addr))info.dli_fbase,
		symbol ? (int)(symbol->st_size > 0) : -1);
}

static void addresses(void)
{
	void *a = open_told("a", RTLD_NOW);
	char *who = dlsym(a, "who_a");
	tell_address("who_a", who);
	tell_address("inside", who + 1);
	tell_address("value_a", dlsym(a, "value_a"));
	tell_address("printf", dlsym(RTLD_DEFAULT, "printf"));
	tell_address("nowhere", (void *)16);
	int local;
	tell_address("the stack", &local);
	dlclose(a);
	tell_address("what went", who);
}

static void handles(void)
{
	void *a = open_told("a", RTLD_NOW), *map = NULL, *data = &map;
	char origin[4096] = "";
	size_t id = 77;
	printf("%d %d\n", dlinfo(a, RTLD_DI_LINKMAP, &map), map == a);
	struct link_map *link = map;
	printf("%s %d %d\n", last_part(link->l_name), link->l_addr != 0,
		link->l_ld != NULL);
	printf("%d %s\n", dlinfo(a, RTLD_DI_ORIGIN, origin), last_part(origin));
	printf("%d %zu\n", dlinfo(a, RTLD_DI_TLS_MODID, &id), id);
	printf("%d %d\n", dlinfo(a, RTLD_DI_TLS_DATA, &data), data == NULL);
	const ElfW(Phdr) *headers = NULL;
	printf("%d %d\n", dlinfo(a, RTLD_DI_PHDR, &headers) > 3, headers != NULL);
	printf("%d %s\n", dlinfo(a, 99, &map), reason());
	void *tls = open_told("storage", RTLD_NOW);
	printf("%d %d\n", dlinfo(tls, RTLD_DI_TLS_MODID, &id), id > 0);
	printf("%d %d\n", dlinfo(tls, RTLD_DI_TLS_DATA, &data), data == NULL);
	call(tls, "storage");
	printf("%d %d\n", dlinfo(tls, RTLD_DI_TLS_DATA, &data), data != NULL);
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	printf("%d %s\n", dlinfo(libc, RTLD_DI_LINKMAP, &link), last_part(link->l_name));
}

static void places(void)
{
	void *caller = open_told("caller", RTLD_NOW);
	Dl_serinfo size, *all;
	printf("%d\n", dlinfo(caller, RTLD_DI_SERINFOSIZE, &size));
	all = malloc(size.dls_size);
	all->dls_size = size.dls_size;
	all->dls_cnt = size.dls_cnt;
	printf("%d\n", dlinfo(caller, RTLD_DI_SERINFO, all));
	for (unsigned i = 0; i < all->dls_cnt; i++)
		printf("%s %x\n",
			i ? all->dls_serpath[i].dls_name
			  : last_part(all->dls_serpath[i].dls_name),
			all->dls_serpath[i].dls_flags);
	free(all);
}

struct seen {
	unsigned ours, all, phdrs;
	unsigned long long adds, subs;
};

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	struct seen *seen = data;
	seen->all++;
	seen->adds = info->dlpi_adds;
	seen->subs = info->dlpi_subs;
	if (strcmp(last_part(info->dlpi_name), "liba.so") == 0) {
		seen->ours++;
		seen->phdrs = info->dlpi_phnum;
	}
	return size < sizeof(*info);
}

static void iteration(void)
{
	struct seen before = { 0 }, with = { 0 }, after = { 0 };
	dl_iterate_phdr(look, &before);
	void *a = open_told("a", RTLD_NOW);
	dl_iterate_phdr(look, &with);
	dlclose(a);
	dl_iterate_phdr(look, &after);
	printf("%u %u %u\n", before.ours, with.ours, after.ours);
	printf("%u %d %d\n", with.all - before.all, with.phdrs > 3,
		after.all == before.all);
	printf("%llu %llu\n", with.adds - before.adds, after.subs - before.subs);
}

static void objects(void)
{
	void *a = open_told("a", RTLD_NOW);
	char *who = dlsym(a, "who_a");
	struct dl_find_object found;
	printf("%d\n", _dl_find_object(who, &found));
	printf("%s %d %d %d\n", last_part(found.dlfo_link_map->l_name),
		who >= (char *)found.dlfo_map_start, who < (char *)found.dlfo_map_end,
		found.dlfo_eh_frame != NULL);
	printf("%d\n", _dl_find_object((void *)printf, &found));
	dlclose(a);
	printf("%d\n", _dl_find_object(who, &found));
}

static void maps(void)
{
	struct link_map *a = open_told("a", RTLD_NOW);
	printf("%s\n", last_part(a->l_name));
	printf("%d\n", (void *)(a->l_addr) == ({
		Dl_info info;
		dladdr(dlsym(a, "who_a"), &info);
		info.dli_fbase;
	}));
	const ElfW(Dyn) *dynamic = a->l_ld;
	while (dynamic->d_tag != DT_SONAME && dynamic->d_tag != DT_NULL)
		dynamic++;
	printf("%d\n", dynamic->d_tag == DT_NULL);
}

const struct scenario info_scenarios[] = {
	{ "addresses", addresses },
	{ "handles", handles },
	{ "places", places },
	{ "iteration", iteration },
	{ "objects", objects },
	{ "maps", maps },
	{ NULL, NULL },
};
