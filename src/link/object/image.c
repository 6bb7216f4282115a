/* SPDX-License-Identifier: MIT */
/*
 * Makes an elf_view for a relocatable object, as if it had been linked: segments and
 * program headers from the layout, symbols with a GNU hash of what others may find. All
 * of it is one block, which elf_view_clear frees. Then the memory, and the bytes in it.
 */
#include "link/object/internal.h"
#include "link/publish.h"

#define HEADERS_MOST (LINK_OBJECT_CLASSES + 3u) /* PT_TLS, PT_GNU_EH_FRAME, _RELRO */

/* What goes into the hash. */
struct definition {
	uint32_t hash, symbol; /* in the file */
};

struct builder {
	struct link_object *object;
	struct elf_view *view;
	struct definition *definitions;
	uint32_t definition_count;
	uint32_t bucket_count, bloom_words;
	Elf64_Sym *symbols;
	uint64_t *bloom;
	uint32_t *buckets, *chains;
	uint32_t symbol_count;
	char *strings; /* as copied: the file's may change */
	uint64_t compared;
};

static bool is_init_class(unsigned class)
{
	return class >= LINK_OBJECT_INIT_TEXT && class < LINK_OBJECT_CLASSES;
}

/* Of a symbol in a section; text for what the linker provides. */
static unsigned class_of(const struct link_object *object, const struct object_symbol *s)
{
	return s->section < OBJECT_SECTION_START ? object->sections[s->section].class
						 : (unsigned)LINK_OBJECT_TEXT;
}

/* ---- segments ---- */

static void add_segment(struct link_object *object, struct elf_view *view, unsigned first,
	unsigned last, uint32_t flags)
{
	uint64_t start = object->classes[first].vaddr;
	uint64_t bytes =
		object->classes[last].vaddr + object->classes[last].bytes - start;
	if (object->classes[first].bytes + object->classes[last].bytes == 0)
		return;
	unsigned at = view->segment_count++;
	view->segments[at] = (struct elf_segment){ .vaddr = start,
		.memory_bytes = bytes,
		.file_bytes = bytes,
		.align = BASE_PAGE_BYTES,
		.flags = flags };
	view->phdrs[view->phdr_count++] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_flags = flags,
		.p_vaddr = start,
		.p_paddr = start,
		.p_filesz = bytes,
		.p_memsz = bytes,
		.p_align = BASE_PAGE_BYTES };
}

static void add_header(struct elf_view *view, uint32_t type, uint64_t vaddr,
	uint64_t file_bytes, uint64_t bytes, uint64_t align)
{
	view->phdrs[view->phdr_count++] = (Elf64_Phdr){ .p_type = type,
		.p_flags = PF_R,
		.p_vaddr = vaddr,
		.p_paddr = vaddr,
		.p_filesz = file_bytes,
		.p_memsz = bytes,
		.p_align = align };
}

static void make_segments(struct link_object *object, struct elf_view *view)
{
	static const struct {
		unsigned first, last;
		uint32_t flags;
	} segments[] = { { LINK_OBJECT_TEXT, LINK_OBJECT_TEXT, PF_R | PF_X },
		{ LINK_OBJECT_RODATA, LINK_OBJECT_RODATA, PF_R },
		{ LINK_OBJECT_RO_AFTER_INIT, LINK_OBJECT_DATA, PF_R | PF_W },
		{ LINK_OBJECT_INIT_TEXT, LINK_OBJECT_INIT_TEXT, PF_R | PF_X },
		{ LINK_OBJECT_INIT_DATA, LINK_OBJECT_INIT_DATA, PF_R | PF_W },
		{ LINK_OBJECT_INIT_RODATA, LINK_OBJECT_INIT_RODATA, PF_R } };
	for (unsigned i = 0; i < base_array_count(segments); i++)
		add_segment(object, view, segments[i].first, segments[i].last,
			segments[i].flags);
	if (object->tls_bytes) {
		view->tls_vaddr = object->tls_vaddr;
		view->tls_file_bytes = object->tls_file_bytes;
		view->tls_memory_bytes = object->tls_bytes;
		view->tls_align = object->tls_align;
		add_header(view, PT_TLS, view->tls_vaddr, view->tls_file_bytes,
			view->tls_memory_bytes, view->tls_align);
	}
	if (object->header_bytes) {
		view->eh_frame_hdr_vaddr = object->header_vaddr;
		view->eh_frame_hdr_bytes = object->header_bytes;
		add_header(view, PT_GNU_EH_FRAME, view->eh_frame_hdr_vaddr,
			view->eh_frame_hdr_bytes, view->eh_frame_hdr_bytes, 4);
	}
	uint64_t sealed = base_align_up(
		object->classes[LINK_OBJECT_RO_AFTER_INIT].bytes, BASE_PAGE_BYTES);
	if (sealed) {
		view->relro_vaddr = object->classes[LINK_OBJECT_RO_AFTER_INIT].vaddr;
		view->relro_bytes = sealed;
		add_header(view, PT_GNU_RELRO, view->relro_vaddr, sealed, sealed, 1);
	}
	view->init_array_vaddr = object->init_vaddr;
	view->init_array_count = object->init_count;
	view->fini_array_vaddr = object->fini_vaddr;
	view->fini_array_count = object->fini_count;
}

/* ---- symbols ---- */

/* Whether others may find it. What goes after init is nobody else's. */
static bool is_offered(const struct link_object *object, const Elf64_Sym *from,
	const struct object_symbol *symbol, const struct link_object_offer *offer)
{
	unsigned bind = ELF64_ST_BIND(from->st_info);
	unsigned visibility = ELF64_ST_VISIBILITY(from->st_other);
	if ((bind != STB_GLOBAL && bind != STB_WEAK && bind != STB_GNU_UNIQUE) ||
		(visibility != STV_DEFAULT && visibility != STV_PROTECTED) ||
		!symbol->is_named || is_init_class(class_of(object, symbol)))
		return false;
	const char *name = elf_symbol_name(&object->table, from);
	return name &&
	       (!offer || !offer->is_offered || offer->is_offered(name, offer->data));
}

static void gather(struct builder *b, const struct link_object_offer *offer)
{
	const struct link_object *object = b->object;
	for (uint64_t i = object->table.first_global; i < object->table.count; i++) {
		Elf64_Sym from;
		elf_symbol_read(&object->table, i, &from);
		if (!is_offered(object, &from, &object->symbols[i], offer))
			continue;
		const char *name = elf_symbol_name(&object->table, &from);
		if (!name)
			continue;
		b->definitions[b->definition_count++] =
			(struct definition){ base_gnu_hash(name, strlen(name)),
				(uint32_t)i };
	}
}

static void put_symbol(const struct builder *b, uint32_t at, uint32_t index)
{
	const struct object_symbol *symbol = &b->object->symbols[index];
	Elf64_Sym *to = &b->symbols[at];
	elf_symbol_read(&b->object->table, index, to);
	if (symbol->is_foreign) {
		to->st_other = STV_DEFAULT;
		to->st_value = 0;
		to->st_shndx = SHN_UNDEF;
		return;
	}
	to->st_value = symbol->value;
	to->st_shndx = symbol->kind == OBJECT_ABSOLUTE
			       ? SHN_ABS
			       : (uint16_t)(class_of(b->object, symbol) + 1);
	if (ELF64_ST_TYPE(to->st_info) == STT_COMMON)
		to->st_info = ELF64_ST_INFO(ELF64_ST_BIND(to->st_info), STT_OBJECT);
}

static uint32_t count_named(const struct link_object *object)
{
	return object->undefined_count + object->named_count + 1;
}

static const char *name_at(const struct builder *b, uint32_t index)
{
	uint32_t at = b->symbols[index].st_name;
	return at < b->object->table.string_bytes ? b->strings + at : "";
}

/* Definitions [@start, @end) of one bucket have names of their own. */
static int check_bucket(struct builder *b, uint32_t start, uint32_t end, const char *path,
	struct umod_error *error)
{
	const uint32_t first = b->object->undefined_count + 1;
	for (uint32_t i = start; i + 1 < end; i++)
		for (uint32_t j = i + 1; j < end; j++) {
			if (b->chains[i] != b->chains[j])
				continue;
			if (++b->compared > 64ull * b->definition_count)
				return base_error(error, UMOD_STAGE_MAP, -ELIBBAD, path,
					"the hashes of its names collide");
			if (strcmp(name_at(b, first + i), name_at(b, first + j)) == 0)
				return base_error(error, UMOD_STAGE_MAP, -ELIBBAD, path,
					"symbol %s is defined twice",
					name_at(b, first + i));
		}
	return 0;
}

/* Buckets by counting, so that each one's symbols lie side by side. */
static int fill_hash(struct builder *b, const char *path, struct umod_error *error)
{
	const uint32_t first = b->object->undefined_count + 1;
	uint32_t *const starts = b->buckets;
	int result = 0;
	for (uint32_t i = 0; i < b->definition_count; i++)
		starts[b->definitions[i].hash % b->bucket_count]++;
	for (uint32_t k = 0, sum = 0; k < b->bucket_count; k++) {
		uint32_t here = starts[k];
		starts[k] = sum;
		sum += here;
	}
	for (uint32_t i = 0; i < b->definition_count; i++) {
		uint32_t hash = b->definitions[i].hash;
		uint32_t at = starts[hash % b->bucket_count]++;
		b->chains[at] = hash & ~1u;
		put_symbol(b, first + at, b->definitions[i].symbol);
		b->bloom[hash / 64 & (b->bloom_words - 1)] |=
			1ull << (hash & 63) | 1ull << (hash >> 6 & 63);
	}
	/* Now each start is its bucket's end, and the one before its beginning. */
	for (uint32_t k = b->bucket_count; !result && k-- > 0;) {
		uint32_t end = starts[k], start = k ? starts[k - 1] : 0;
		starts[k] = end > start ? first + start : 0;
		if (end == start)
			continue;
		result = check_bucket(b, start, end, path, error);
		b->chains[end - 1] |= 1;
	}
	return result;
}

static void fill_rest(struct builder *b)
{
	const struct link_object *object = b->object;
	uint32_t at = object->undefined_count + 1 + b->definition_count;
	for (uint32_t i = 0; i < object->undefined_count; i++)
		put_symbol(b, i + 1, object->undefined[i]);
	/* The definitions are in the file's order: a second cursor tells them. */
	uint32_t next = 0;
	for (uint32_t i = 1; i < object->table.count && at < b->symbol_count; i++) {
		if (next < b->definition_count && b->definitions[next].symbol == i) {
			next++;
			continue;
		}
		const struct object_symbol *symbol = &object->symbols[i];
		if (symbol->is_named)
			put_symbol(b, at++, i);
	}
	b->symbol_count = at;
}

static void set_tables(struct builder *b)
{
	struct elf_view *view = b->view;
	view->strings = b->strings;
	view->string_bytes = b->object->table.string_bytes;
	view->symbols = b->symbols;
	view->symbol_limit = view->symbol_count = b->symbol_count;
	view->has_gnu_hash = true;
	view->gnu = (struct elf_gnu_hash){ .bucket_count = b->bucket_count,
		.symbol_offset = b->object->undefined_count + 1,
		.bloom_words = b->bloom_words,
		.bloom_shift = 6,
		.bloom = b->bloom,
		.buckets = b->buckets,
		.chains = b->chains,
		.chain_count = b->definition_count };
}

/* One block: headers, segments, symbols, bloom filter, hash, strings. */
static int allocate(struct builder *b)
{
	struct elf_view *view = b->view;
	uint64_t headers =
		HEADERS_MOST * (sizeof(Elf64_Phdr) + sizeof(struct elf_segment));
	uint64_t symbols = (uint64_t)b->symbol_count * sizeof(Elf64_Sym);
	uint64_t hash = 8ull * b->bloom_words + 4ull * b->bucket_count +
			4ull * b->definition_count;
	uint8_t *block =
		base_alloc(headers + symbols + hash + b->object->table.string_bytes);
	if (!block)
		return -ENOMEM;
	base_populate(block, headers + symbols + hash + b->object->table.string_bytes);
	view->phdrs = (void *)block;
	view->segments = (void *)(view->phdrs + HEADERS_MOST);
	b->symbols = (void *)(block + headers);
	b->bloom = (void *)(block + headers + symbols);
	b->buckets = (void *)(b->bloom + b->bloom_words);
	b->chains = b->buckets + b->bucket_count;
	b->strings = (char *)(b->chains + b->definition_count);
	memset(b->bloom, 0, hash);
	memset(b->symbols, 0, sizeof(*b->symbols));
	if (b->object->table.string_bytes) {
		memcpy(b->strings, b->object->table.strings,
			b->object->table.string_bytes);
		b->strings[b->object->table.string_bytes - 1] = '\0';
	}
	return 0;
}

int object_make_view(struct link_image *image, struct link_object *object,
	const struct link_object_offer *offer, struct umod_error *error)
{
	struct builder b = { .object = object, .view = &image->view };
	uint64_t globals = object->table.count - object->table.first_global;
	BASE_AUTO_FREE struct definition *definitions =
		base_alloc((globals + 1) * sizeof(*definitions));
	if (!definitions)
		return base_error(error, UMOD_STAGE_MAP, -ENOMEM, image->path,
			"no memory for its names");
	base_populate(definitions, globals * sizeof(*definitions));
	b.definitions = definitions;
	gather(&b, offer);
	b.bucket_count = b.definition_count / 2 + 1;
	b.bloom_words = 1;
	while (b.bloom_words * 8ull < b.definition_count)
		b.bloom_words *= 2;
	b.symbol_count = count_named(object);
	if (allocate(&b))
		return base_error(error, UMOD_STAGE_MAP, -ENOMEM, image->path,
			"no memory for its symbols");
	make_segments(object, &image->view);
	int result = fill_hash(&b, image->path, error);
	fill_rest(&b);
	set_tables(&b);
	return result;
}

/* ---- memory ---- */

static void copy_sections(struct link_image *image, const struct link_object *object)
{
	for (unsigned c = 0; c < LINK_OBJECT_CLASSES; c++)
		base_populate((void *)(image->bias + object->classes[c].vaddr),
			object->classes[c].file_bytes);
	for (unsigned i = 0; i < object->file.section_count; i++) {
		const struct object_section *s = &object->sections[i];
		if (s->is_loaded && s->data)
			memcpy((void *)(image->bias + s->vaddr), s->data, s->bytes);
	}
}

int link_object_map(struct link_image *image, const struct link_map_options *options,
	const struct link_object_offer *offer, struct umod_error *error)
{
	struct link_object *object = image->object;
	int result = object_place_sections(image, object, error);
	if (!result)
		result = object_each_table(
			image, link_arch_object_scan, UMOD_STAGE_MAP, error);
	if (result)
		return result;
	object_number_needs(object);
	result = object_lay_out(image, object, error);
	if (result)
		return result;
	object_place_symbols(image, object);
	result = object_make_view(image, object, offer, error);
	if (!result)
		result = link_map_memory(
			image, options, object->needs_low || options->low, error);
	if (result)
		return result;
	image->view.bias = image->bias;
	image->seals_late = object->has_late_seal && image->view.relro_bytes;
	uint64_t init = object->classes[LINK_OBJECT_INIT_TEXT].vaddr;
	if (init < image->view.span_end &&
		object->classes[LINK_OBJECT_INIT_TEXT].bytes +
			object->classes[LINK_OBJECT_INIT_DATA].bytes +
			object->classes[LINK_OBJECT_INIT_RODATA].bytes)
		image->init_start = image->bias + init;
	copy_sections(image, object);
	base_trace(BASE_TRACE_FILES, "%s: linked %s at %#lx-%#lx", image->path,
		image->home == LINK_HOME_ARENA ? "in an arena" : "in memory",
		image->start, image->end);
	return 0;
}

/* ---- settle ---- */

/* Headers and segments of what goes; the table stays where readers may look. */
static void forget_init(struct link_image *image, uintptr_t from)
{
	struct elf_view *view = &image->view;
	uint64_t start = from - image->bias;
	for (unsigned i = 0; i < view->phdr_count; i++)
		if (view->phdrs[i].p_type == PT_LOAD && view->phdrs[i].p_vaddr >= start)
			view->phdrs[i].p_type = PT_NULL;
	while (view->segment_count &&
		view->segments[view->segment_count - 1].vaddr >= start)
		view->segment_count--;
	view->span_end = start;
}

void link_object_settle(struct link_image *image)
{
	if (image->seals_late) {
		image->seals_late = false;
		if (link_protect(image, NULL))
			base_trace(BASE_TRACE_FILES,
				"%s: stays writable where it should be read-only after "
				"init: no memory, or no mapping left",
				image->path);
	}
	if (!image->init_start)
		return;
	uintptr_t start = image->init_start;
	image->init_start = 0;
	if (image->published)
		link_address_shrink(image, start);
	base_reader_wait();
	link_unmap_tail(image, start);
	forget_init(image, start);
	image->shown.end = start;
}

void link_object_finalize(struct link_image *image)
{
	static void (*finalize)(void *);
	if (image->view.type != ET_REL)
		return;
	if (!finalize)
		finalize = (void (*)(void *))link_host_symbol("__cxa_finalize");
	/* What __dso_handle is. */
	if (finalize)
		finalize((void *)image->start);
}
