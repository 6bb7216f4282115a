/* SPDX-License-Identifier: MIT */
/*
 * From an address in an image to the symbol that contains it, by an index that is made
 * at the image's first use and answers as dladdr(3) does: the nearest symbol at or below
 * the address that reaches it. Knows no images but the one that it is handed.
 */
#include "link/publish.h"

/*
 * Where the answer changes in one image: from starts[i] on, up to starts[i + 1], no
 * symbol but symbols[i] can be the nearest that contains an address.
 */
struct link_address_index {
	uint32_t count;
	uint32_t *symbols; /* behind starts */
	uint32_t starts[];
};

struct place {
	uint32_t value, symbol;
};

/*
 * What may name an address: a definition that others can see, as for dladdr(3). Of a
 * relocatable object all, since it has no table of such alone.
 */
static bool names_address(const struct elf_view *view, const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
	return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS &&
	       type != STT_TLS && type != STT_SECTION && type != STT_FILE &&
	       symbol->st_name < view->string_bytes &&
	       (view->type == ET_REL ||
		       (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
			       visibility != STV_HIDDEN && visibility != STV_INTERNAL));
}

static uint64_t symbol_bytes(const Elf64_Sym *symbol)
{
	return symbol->st_size ? symbol->st_size : 1;
}

static bool contains(const Elf64_Sym *symbol, uint64_t value)
{
	return value >= symbol->st_value &&
	       value - symbol->st_value < symbol_bytes(symbol);
}

/* Stable, by value, 11 bits at a time. The result is in the one that it returns. */
static struct place *sort_places(struct place *from, struct place *to, uint32_t count)
{
	uint32_t counts[2048];
	for (unsigned shift = 0; shift < 32; shift += 11) {
		memset(counts, 0, sizeof(counts));
		for (uint32_t i = 0; i < count; i++)
			counts[from[i].value >> shift & 2047]++;
		if (count && counts[from[0].value >> shift & 2047] == count)
			continue;
		for (uint32_t i = 0, sum = 0; i < 2048; i++) {
			uint32_t here = counts[i];
			counts[i] = sum;
			sum += here;
		}
		for (uint32_t i = 0; i < count; i++)
			to[counts[from[i].value >> shift & 2047]++] = from[i];
		struct place *other = from;
		from = to;
		to = other;
	}
	return from;
}

/* The sweep over the sorted symbols; @open holds those that contain the place in hand. */
struct sweep {
	const Elf64_Sym *symbols;
	struct place *out;
	uint32_t out_count, depth;
	uint32_t *open;
};

static void emit(struct sweep *sweep, uint64_t value, uint32_t symbol)
{
	if (value > UINT32_MAX)
		return;
	if (sweep->out_count && sweep->out[sweep->out_count - 1].value == value)
		sweep->out_count--;
	sweep->out[sweep->out_count++] = (struct place){ (uint32_t)value, symbol };
}

static uint64_t end_of(const struct sweep *sweep)
{
	const Elf64_Sym *symbol = &sweep->symbols[sweep->open[sweep->depth - 1]];
	uint64_t end;
	if (__builtin_add_overflow(symbol->st_value, symbol_bytes(symbol), &end))
		return UINT64_MAX;
	return end;
}

/* Closes what ends at or before @limit; the symbol around it shows again. */
static void close_until(struct sweep *sweep, uint64_t limit)
{
	while (sweep->depth && end_of(sweep) <= limit) {
		uint64_t end = end_of(sweep);
		do {
			sweep->depth--;
		} while (sweep->depth && end_of(sweep) <= end);
		if (sweep->depth)
			emit(sweep, end, sweep->open[sweep->depth - 1]);
	}
}

static struct link_address_index *sweep_places(const struct elf_view *view,
	const struct place *places, uint32_t count, uint32_t *open, struct place *out)
{
	struct sweep sweep = { .symbols = view->symbols, .out = out, .open = open };
	for (uint32_t i = 0; i < count; i++) {
		close_until(&sweep, places[i].value);
		sweep.open[sweep.depth++] = places[i].symbol;
		emit(&sweep, places[i].value, places[i].symbol);
	}
	close_until(&sweep, UINT64_MAX - 1);
	struct link_address_index *index =
		base_alloc(sizeof(*index) + 2 * sizeof(uint32_t) * sweep.out_count);
	if (!index)
		return NULL;
	index->count = sweep.out_count;
	index->symbols = index->starts + index->count;
	for (uint32_t i = 0; i < index->count; i++) {
		index->starts[i] = out[i].value;
		index->symbols[i] = out[i].symbol;
	}
	return index;
}

/* NULL for want of memory, or where an offset does not fit 32 bits. */
static struct link_address_index *build_index(const struct elf_view *view)
{
	uint64_t limit = view->symbol_count < view->symbol_limit ? view->symbol_count
								 : view->symbol_limit;
	uint32_t count = 0;
	if (limit >= UINT32_MAX / 4 || view->span_end > UINT32_MAX)
		return NULL;
	/* Two to sort in, two for the sweep, which can give two places for a symbol. */
	struct place *room = base_alloc((4 * limit + 1) * sizeof(*room));
	if (!room)
		return NULL;
	/* Last first: of symbols with one value, the sweep keeps the first on top. */
	for (uint64_t i = limit; i-- > 1;)
		if (names_address(view, &view->symbols[i]) &&
			view->symbols[i].st_value <= UINT32_MAX)
			room[count++] =
				(struct place){ (uint32_t)view->symbols[i].st_value,
					(uint32_t)i };
	struct place *sorted = sort_places(room, room + count, count);
	struct place *spare = sorted == room ? room + count : room;
	struct link_address_index *index =
		sweep_places(view, sorted, count, (void *)spare, room + 2 * count);
	base_free(room);
	return index;
}

static const Elf64_Sym *search_all(const struct elf_view *view, uint64_t value)
{
	const Elf64_Sym *best = NULL;
	for (uint64_t i = 1; i < view->symbol_count && i < view->symbol_limit; i++) {
		const Elf64_Sym *symbol = &view->symbols[i];
		if (contains(symbol, value) && names_address(view, symbol) &&
			(!best || symbol->st_value > best->st_value))
			best = symbol;
	}
	return best;
}

/* Two threads may build it at once; one of them is kept. */
static struct link_address_index *index_of(struct link_image *image)
{
	struct link_address_index *seen = NULL,
				  *index = atomic_load_explicit(
					  &image->address_index, memory_order_acquire);
	if (base_likely(index))
		return index;
	index = build_index(&image->view);
	if (!index || atomic_compare_exchange_strong(&image->address_index, &seen, index))
		return index;
	base_free(index);
	return seen;
}

const Elf64_Sym *link_address_symbol(struct link_image *image, uintptr_t address)
{
	const struct elf_view *view = &image->view;
	uint64_t value = address - image->bias;
	if (!view->symbols)
		return NULL;
	const struct link_address_index *index = index_of(image);
	if (!index)
		return search_all(view, value);
	if (index->count == 0 || value < index->starts[0] || value > UINT32_MAX)
		return NULL;
	const uint32_t *at = index->starts;
	for (uint32_t left = index->count; left > 1;) {
		const uint32_t *next = at + left / 2;
		uint32_t probe = *next;
		/* As in address.c: a move by condition, not a jump. */
		__asm__("" : "+r"(next), "+r"(probe));
		at = probe <= (uint32_t)value ? next : at;
		left -= left / 2;
	}
	const Elf64_Sym *symbol = &view->symbols[index->symbols[at - index->starts]];
	return contains(symbol, value) ? symbol : NULL;
}

void link_address_index_free(struct link_image *image)
{
	base_free(atomic_exchange(&image->address_index, NULL));
}
