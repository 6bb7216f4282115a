/* SPDX-License-Identifier: MIT */
/*
 * Where symbols are looked for: lent symbols, the global scope of a namespace, the local
 * scope of a load. Says which definition a name has and what address that means; stores
 * nothing into images.
 */
#include "link/link.h"

/* ---- lent symbols ---- */

struct lent {
	struct lent *next;
	void *address;
	uint32_t hash;
	char name[];
};

struct link_symbol_list {
	struct base_map map; /* GNU hash -> struct lent */
	struct lent *first;
};

struct link_symbol_list *link_symbol_list_new(void)
{
	return base_zalloc(sizeof(struct link_symbol_list));
}

int link_symbol_list_add(struct link_symbol_list *list, const char *name, void *address)
{
	size_t length = strlen(name);
	struct lent *lent = base_alloc(sizeof(*lent) + length + 1);
	if (!lent)
		return -ENOMEM;
	memcpy(lent->name, name, length + 1);
	lent->hash = base_gnu_hash(name, length);
	lent->address = address;
	if (base_map_put(&list->map, lent->hash, lent)) {
		base_free(lent);
		return -ENOMEM;
	}
	lent->next = list->first;
	list->first = lent;
	return 0;
}

void link_symbol_list_free(struct link_symbol_list *list)
{
	if (!list)
		return;
	while (list->first) {
		struct lent *lent = list->first;
		list->first = lent->next;
		base_free(lent);
	}
	base_map_free(&list->map);
	base_free(list);
}

static bool find_lent(const struct link_image *image,
	const struct elf_reference *reference, struct link_definition *out)
{
	const struct lent *lent;
	size_t cursor = 0;
	while ((lent = base_map_next(&image->symbols->map, reference->hash, &cursor)))
		if (strcmp(lent->name, reference->name) == 0) {
			*out = (struct link_definition){
				.image = (struct link_image *)image,
				.address = lent->address
			};
			return true;
		}
	return false;
}

bool link_image_find(const struct link_image *image,
	const struct elf_reference *reference, struct link_definition *out)
{
	if (image->home == LINK_HOME_SYMBOLS)
		return find_lent(image, reference, out);
	uint32_t index = elf_view_find(&image->view, reference);
	if (index == 0)
		return false;
	*out = (struct link_definition){ .image = (struct link_image *)image,
		.symbol = &image->view.symbols[index],
		.symbol_index = index };
	return true;
}

/* ---- the global scope ---- */

/* From so many images on, an index is asked rather than each image in turn. */
#define INDEX_FROM 8
/* What entering a name costs, in probes of an image's filter: memory that is new, and
 * written all over, included. */
#define COST_ENTERED 20

struct list {
	_Atomic unsigned count;
	unsigned capacity;
	_Atomic(struct link_image *) images[];
};

struct link_globals {
	_Atomic(struct list *) list;
	_Atomic(struct link_index *) index; /* once there are many */
	_Atomic unsigned indexed;           /* so many of the list are in the index */
	_Atomic uint64_t unindexed_names;   /* of those that are not */
	_Atomic uint64_t probes; /* of those that are not, by searches; about */
	/* Of the names, for loads; so many of the list are in it, and so many fit: */
	uint64_t *filter;
	unsigned filtered, filter_shift;
	bool filter_all; /* an image's names are not known */
	uint64_t filter_names, filter_room;
	unsigned live;
};

struct link_globals *link_globals_new(void)
{
	return base_zalloc(sizeof(struct link_globals));
}

void link_globals_free(struct link_globals *globals)
{
	if (!globals)
		return;
	link_index_free(atomic_load(&globals->index));
	base_free(globals->filter);
	base_free(atomic_load(&globals->list));
	base_free(globals);
}

unsigned link_globals_count(const struct link_globals *globals)
{
	const struct list *list =
		atomic_load_explicit(&globals->list, memory_order_acquire);
	return list ? atomic_load_explicit(&list->count, memory_order_acquire) : 0;
}

struct link_image *link_globals_at(const struct link_globals *globals, unsigned index)
{
	const struct list *list =
		atomic_load_explicit(&globals->list, memory_order_acquire);
	return atomic_load_explicit(&list->images[index], memory_order_acquire);
}

/* A list with room for one more, without the gaps of the old one. */
static struct list *grow(struct link_globals *globals)
{
	struct list *old = atomic_load(&globals->list);
	unsigned capacity = 2 * globals->live + 8, kept = 0, indexed = 0, filtered = 0;
	struct list *list =
		base_zalloc(sizeof(*list) + capacity * sizeof(struct link_image *));
	if (!list)
		return NULL;
	list->capacity = capacity;
	for (unsigned i = 0; old && i < old->count; i++) {
		struct link_image *image = atomic_load(&old->images[i]);
		if (image) {
			atomic_init(&list->images[kept++], image);
			image->global_order = kept;
		}
		if (i + 1 == atomic_load(&globals->indexed))
			indexed = kept;
		if (i + 1 == globals->filtered)
			filtered = kept;
	}
	atomic_init(&list->count, kept);
	globals->filtered = filtered;
	/* A reader with the old number and the new list looks at some images twice. */
	atomic_store_explicit(&globals->indexed, 0, memory_order_release);
	atomic_store_explicit(&globals->list, list, memory_order_release);
	atomic_store_explicit(&globals->indexed, indexed, memory_order_release);
	if (old)
		base_reader_wait();
	base_free(old);
	return list;
}

/* ---- the filter: a bit for each name of the global scope ---- */

#define FILTER_BITS_EACH 32

static uint32_t filter_bit(const struct link_globals *globals, uint32_t hash)
{
	return ((hash | 1) * 0x9e3779b1u) >> globals->filter_shift;
}

static void filter_add(struct link_globals *globals, uint32_t hash)
{
	uint32_t bit = filter_bit(globals, hash);
	globals->filter[bit / 64] |= (uint64_t)1 << bit % 64;
}

bool link_globals_maybe_have(const struct link_globals *globals, uint32_t hash)
{
	uint32_t bit = filter_bit(globals, hash);
	return !globals->filter || globals->filter_all ||
	       globals->filter[bit / 64] >> bit % 64 & 1;
}

static void filter_image(struct link_globals *globals, const struct link_image *image)
{
	const struct elf_gnu_hash *gnu = &image->view.gnu;
	if (!image->view.has_gnu_hash)
		globals->filter_all = true;
	for (uint64_t i = 0; image->view.has_gnu_hash && i < gnu->chain_count; i++)
		filter_add(globals, gnu->chains[i]);
}

static uint64_t names_from(const struct list *list, unsigned from)
{
	uint64_t names = 0;
	for (unsigned i = from; i < list->count; i++) {
		const struct link_image *image = atomic_load(&list->images[i]);
		names += image ? image->view.gnu.chain_count : 0;
	}
	return names;
}

/* Bits are never taken back: a larger filter is made anew when it fills. */
static int fill_filter(struct link_globals *globals, const struct list *list)
{
	uint64_t more = names_from(list, globals->filtered);
	if (globals->filter_names + more > globals->filter_room) {
		uint64_t names = names_from(list, 0), bits = 1 << 16;
		unsigned shift = 16;
		while (bits < names * FILTER_BITS_EACH && shift > 2) {
			bits *= 2;
			shift--;
		}
		uint64_t *filter = base_zalloc(bits / 8);
		if (!filter)
			return -ENOMEM;
		base_free(globals->filter);
		globals->filter = filter;
		globals->filter_shift = shift;
		globals->filter_room = bits / (FILTER_BITS_EACH / 2);
		globals->filter_names = 0;
		globals->filtered = 0;
		globals->filter_all = false;
		more = names;
	}
	for (; globals->filtered < list->count; globals->filtered++) {
		const struct link_image *image =
			atomic_load(&list->images[globals->filtered]);
		if (image)
			filter_image(globals, image);
	}
	globals->filter_names += more;
	return 0;
}

int link_globals_prepare(struct link_globals *globals)
{
	const struct list *list = atomic_load(&globals->list);
	return list ? fill_filter(globals, list) : 0;
}

int link_globals_index(struct link_globals *globals)
{
	const struct list *list = atomic_load(&globals->list);
	struct link_index *index = atomic_load(&globals->index), *made = NULL;
	unsigned count = list ? list->count : 0, done = atomic_load(&globals->indexed);
	int result = 0;
	if (!index && !(made = index = link_index_new(LINK_INDEX_GLOBAL)))
		return -ENOMEM;
	for (; !result && done < count; done++) {
		struct link_image *image = atomic_load(&list->images[done]);
		if (image)
			result = link_index_add(index, image);
	}
	if (result) {
		link_index_free(made);
		return result;
	}
	/* In this order: a reader that sees the number sees the index. */
	atomic_store_explicit(&globals->index, index, memory_order_release);
	atomic_store_explicit(&globals->indexed, done, memory_order_release);
	atomic_store(&globals->unindexed_names, 0);
	atomic_store(&globals->probes, 0);
	return 0;
}

bool link_globals_want_index(const struct link_globals *globals)
{
	unsigned left = link_globals_count(globals) -
			atomic_load_explicit(&globals->indexed, memory_order_relaxed);
	return left >= INDEX_FROM &&
	       atomic_load_explicit(&globals->probes, memory_order_relaxed) >=
		       COST_ENTERED * atomic_load_explicit(&globals->unindexed_names,
					      memory_order_relaxed);
}

/* Threads may lose some of one another's: cheaper than a locked instruction each. */
static void count_probes(struct link_globals *globals, unsigned probes)
{
	uint64_t before = atomic_load_explicit(&globals->probes, memory_order_relaxed);
	atomic_store_explicit(&globals->probes, before + probes, memory_order_relaxed);
}

int link_globals_add(struct link_globals *globals, struct link_image *image)
{
	struct list *list = atomic_load(&globals->list);
	if (image->global_order)
		return 0;
	if (!list || list->count == list->capacity)
		list = grow(globals);
	if (!list)
		return -ENOMEM;
	atomic_store_explicit(&list->images[list->count], image, memory_order_relaxed);
	atomic_store_explicit(&list->count, list->count + 1, memory_order_release);
	image->global_order = list->count;
	globals->live++;
	atomic_fetch_add(&globals->unindexed_names, image->view.gnu.chain_count);
	return 0;
}

void link_globals_remove(struct link_globals *globals, struct link_image *image)
{
	struct list *list = atomic_load(&globals->list);
	if (!image->global_order || !list)
		return;
	link_index_remove(atomic_load(&globals->index), image);
	atomic_store_explicit(
		&list->images[image->global_order - 1], NULL, memory_order_release);
	image->global_order = 0;
	globals->live--;
}

/* 1: found, 0: not there, -1: the index does not hold all that have this name. */
static int find_indexed(const struct link_index *index,
	const struct elf_reference *reference, const struct link_image *skip,
	struct link_definition *out)
{
	struct link_index_cursor cursor = { 0 };
	struct link_image *image;
	uint32_t symbol;
	while ((image = link_index_next(index, reference->hash, &cursor, &symbol))) {
		/* The image decides: versions of one name may be several. */
		if (image != skip && link_image_find(image, reference, out))
			return 1;
	}
	return cursor.overflow ? -1 : 0;
}

bool link_globals_find(struct link_globals *globals,
	const struct elf_reference *reference, const struct link_image *skip,
	struct link_definition *out)
{
	/* The list before the number: see grow(). */
	const struct list *list =
		atomic_load_explicit(&globals->list, memory_order_acquire);
	unsigned count =
		list ? atomic_load_explicit(&list->count, memory_order_acquire) : 0;
	unsigned indexed = atomic_load_explicit(&globals->indexed, memory_order_acquire);
	const struct link_index *index =
		atomic_load_explicit(&globals->index, memory_order_acquire);
	int in_index = indexed ? find_indexed(index, reference, skip, out) : 0;
	if (in_index > 0)
		return true;
	if (in_index < 0)
		indexed = 0;
	bool found = false;
	unsigned i = indexed;
	for (; i < count && !found; i++) {
		const struct link_image *image =
			atomic_load_explicit(&list->images[i], memory_order_acquire);
		found = image && image != skip &&
			elf_view_maybe_has(&image->view, reference->hash) &&
			link_image_find(image, reference, out);
	}
	if (i > indexed)
		count_probes(globals, i - indexed);
	return found;
}

/* ---- scopes ---- */

struct link_scope *link_scope_new(const struct link_image *lent,
	struct link_globals *globals, struct link_image *const *images, unsigned count,
	bool local_first)
{
	struct link_scope *scope =
		base_alloc(sizeof(*scope) + count * sizeof(struct link_image *));
	if (!scope)
		return NULL;
	atomic_init(&scope->references, 1);
	scope->local_first = local_first;
	scope->lent = lent;
	scope->globals = globals;
	scope->count = count;
	if (count)
		memcpy(scope->images, images, count * sizeof(struct link_image *));
	return scope;
}

struct link_scope *link_scope_ref(struct link_scope *scope)
{
	atomic_fetch_add_explicit(&scope->references, 1, memory_order_relaxed);
	return scope;
}

void link_scope_unref(struct link_scope *scope)
{
	if (scope && atomic_fetch_sub_explicit(
			     &scope->references, 1, memory_order_acq_rel) == 1)
		base_free(scope);
}

bool link_local_find(const struct link_scope *scope,
	const struct elf_reference *reference, const struct link_image *skip,
	struct link_definition *out)
{
	for (unsigned i = 0; i < scope->count; i++) {
		const struct link_image *image = scope->images[i];
		if (image != skip && elf_view_maybe_has(&image->view, reference->hash) &&
			link_image_find(image, reference, out))
			return true;
	}
	return false;
}

bool link_scope_find(const struct link_scope *scope,
	const struct elf_reference *reference, const struct link_image *skip,
	struct link_definition *out)
{
	if (scope->lent && find_lent(scope->lent, reference, out))
		return true;
	if (scope->local_first && link_local_find(scope, reference, skip, out))
		return true;
	if (scope->globals && link_globals_find(scope->globals, reference, skip, out))
		return true;
	return !scope->local_first && link_local_find(scope, reference, skip, out);
}

void link_reference(
	struct elf_reference *reference, const char *name, const char *version)
{
	size_t length = strlen(name);
	*reference = (struct elf_reference){
		.name = name,
		.length = (uint32_t)length,
		.hash = base_gnu_hash(name, length),
		.version = version ? elf_version_intern(version) : 0,
		.version_hidden = true,
		.newest = true,
	};
}

void *link_substitute(const struct link_image *image, uint32_t symbol_index)
{
	unsigned low = 0, high = image->substitute_count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct link_substitute *s = &image->substitutes[middle];
		if (s->symbol_index == symbol_index)
			return s->address;
		if (s->symbol_index < symbol_index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void *link_definition_address(const struct link_definition *definition)
{
	const struct link_image *image = definition->image;
	const Elf64_Sym *symbol = definition->symbol;
	if (!symbol)
		return definition->address;
	void *substitute = image->substitute_count
				   ? link_substitute(image, definition->symbol_index)
				   : NULL;
	if (substitute)
		return substitute;
	void *address = (void *)(symbol->st_value +
				 (symbol->st_shndx == SHN_ABS ? 0 : image->bias));
	switch (ELF64_ST_TYPE(symbol->st_info)) {
	case STT_TLS:
		return link_tls_address(image, symbol->st_value);
	case STT_GNU_IFUNC:
		if (image->home != LINK_HOME_HOST &&
			!elf_view_is_code(&image->view, symbol->st_value))
			return NULL;
		return ((void *(*)(void))address)();
	default:
		return address;
	}
}
