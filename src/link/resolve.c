/* SPDX-License-Identifier: MIT */
/*
 * From a symbol of an image that is being bound to its definition, in bulk: an image's
 * own definitions need no name read unless an earlier image of the scope may have the
 * same hash, and large scopes are asked through one index. Relocates nothing.
 */
#include "link/bind.h"

/* Costs, in probes of one image's filter: about 2 ns. */
#define COST_INSERT  7
#define COST_INDEXED 10 /* a look-up whose memory was fetched ahead */

/* From so many global images on they are asked by an index of their own. */
#define GLOBALS_MARKED 64

static void mark(struct link_image *image, uint32_t value, uint32_t *position)
{
	if (!image || image->mark == value)
		return;
	image->mark = value;
	image->position = (*position)++;
}

static bool few_globals(const struct link_scope *scope)
{
	return !scope->globals || link_globals_count(scope->globals) <= GLOBALS_MARKED;
}

static uint64_t undefined_count(const struct elf_view *view)
{
	return view->has_gnu_hash ? view->gnu.symbol_offset : view->symbol_count;
}

static uint64_t defined_count(const struct elf_view *view)
{
	uint64_t undefined = undefined_count(view);
	return view->symbol_count > undefined ? view->symbol_count - undefined : 0;
}

static uint64_t cost_of_entering(const struct link_image *image)
{
	return !image || image->index_slot[LINK_INDEX_ALL]
		       ? 0
		       : defined_count(&image->view) * COST_INSERT;
}

/* Whether one index for all is cheaper than walking the scope for each name. */
static bool wants_index(const struct link_scope *scope)
{
	uint64_t walking = 0, indexed = 0, own = 0;
	unsigned unbound = 0, globals = 0;
	if (scope->globals && few_globals(scope))
		globals = link_globals_count(scope->globals);
	for (unsigned i = 0; i < globals; i++)
		indexed += cost_of_entering(link_globals_at(scope->globals, i));
	for (unsigned i = 0; i < scope->count; i++) {
		const struct link_image *image = scope->images[i];
		uint64_t undefined = undefined_count(&image->view);
		uint64_t defined = defined_count(&image->view);
		indexed += cost_of_entering(image);
		if (image->bound)
			continue;
		unbound++;
		own = cost_of_entering(image);
		/* Half of the scope is walked for a name that is there; for own
		 * definitions what comes before the image itself, with more to do
		 * where a filter errs, since a chain's hash lacks a bit. */
		walking += undefined * (globals + scope->count / 2 + COST_INDEXED) +
			   defined * i;
		indexed += (undefined + defined / 4) * COST_INDEXED;
	}
	/* What is bound itself is not entered: see fill_index. */
	return walking > indexed - (unbound == 1 ? own : 0);
}

void link_mark_scope(struct link_bind_options *options)
{
	const struct link_scope *scope = options->scope;
	unsigned globals = scope->globals ? link_globals_count(scope->globals) : 0;
	uint32_t position = 0;
	if (!wants_index(scope))
		options->index = NULL;
	options->index_has_globals = options->index && few_globals(scope);
	for (unsigned i = 0; scope->local_first && i < scope->count; i++)
		mark(scope->images[i], options->mark, &position);
	for (unsigned i = 0; options->index_has_globals && i < globals; i++)
		mark(link_globals_at(scope->globals, i), options->mark, &position);
	for (unsigned i = 0; i < scope->count; i++)
		mark(scope->images[i], options->mark, &position);
}

/*
 * The image itself need not be there: find_indexed asks it. So one large library that is
 * loaded next to its needs is never entered, unless something else needs it later.
 */
static int fill_index(struct link_binder *b)
{
	const struct link_scope *scope = b->scope;
	struct link_index *index = b->options->index;
	int result = link_index_reserve(index, scope->images, scope->count, b->image);
	for (unsigned i = 0; !result && i < scope->count; i++)
		if (scope->images[i] != b->image)
			result = link_index_add(index, scope->images[i]);
	unsigned globals =
		b->options->index_has_globals ? link_globals_count(scope->globals) : 0;
	for (unsigned i = 0; !result && i < globals; i++)
		if (link_globals_at(scope->globals, i))
			result =
				link_index_add(index, link_globals_at(scope->globals, i));
	return result;
}

/* Few are walked with the rest of the scope, many are asked by themselves. */
static int prepare_globals(struct link_globals *globals)
{
	int result = link_globals_prepare(globals);
	if (!result && link_globals_count(globals) > GLOBALS_MARKED &&
		link_globals_want_index(globals))
		result = link_globals_index(globals);
	return result;
}

int link_resolve_begin(struct link_binder *b)
{
	const struct link_scope *scope = b->scope;
	bool local_at_start = scope->local_first || !scope->globals ||
			      link_globals_count(scope->globals) == 0;
	b->self_first =
		!scope->lent &&
		((local_at_start && scope->count && scope->images[0] == b->image) ||
			b->view->symbolic);
	b->use_index = b->options->index != NULL;
	int result = 0;
	if (scope->globals && !b->options->index_has_globals)
		result = prepare_globals(scope->globals);
	if (!result && b->use_index)
		result = fill_index(b);
	if (!result && !b->use_index && (!scope->globals || few_globals(scope)))
		link_walk_begin(b);
	return result ? base_error(b->error, UMOD_STAGE_BIND, result, b->image->path,
				"no memory for the symbol index")
		      : 0;
}

void link_resolve_end(struct link_binder *b)
{
	link_walk_end(b);
}

/* The hash of one of the image's own definitions, but for bit 0. */
static bool own_hash(const struct elf_view *view, uint32_t index, uint32_t *hash)
{
	const struct elf_gnu_hash *gnu = &view->gnu;
	if (!view->has_gnu_hash || index < gnu->symbol_offset ||
		index - gnu->symbol_offset >= gnu->chain_count)
		return false;
	*hash = gnu->chains[index - gnu->symbol_offset];
	return true;
}

/* ---- reading ahead ---- */

static unsigned fetch_symbols(
	struct link_binder *b, const Elf64_Rela *rela, unsigned count)
{
	const struct elf_view *view = b->view;
	uint32_t previous = b->last_index;
	unsigned n = 0;
	for (unsigned i = 0; i < count; i++) {
		uint32_t symbol = ELF64_R_SYM(rela[i].r_info);
		if (symbol == previous || symbol == 0 || symbol >= view->symbol_limit)
			continue;
		previous = symbol;
		b->ahead[n++] = (struct link_ahead){ .symbol = symbol };
		__builtin_prefetch(&view->symbols[symbol]);
	}
	return n;
}

static void fetch_names(struct link_binder *b, unsigned n)
{
	const struct elf_view *view = b->view;
	for (unsigned i = 0; i < n; i++) {
		struct link_ahead *ahead = &b->ahead[i];
		const Elf64_Sym *symbol = &view->symbols[ahead->symbol];
		ahead->is_own = symbol->st_shndx != SHN_UNDEF &&
				own_hash(view, ahead->symbol, &ahead->hash);
		if (!ahead->is_own && symbol->st_name < view->string_bytes)
			__builtin_prefetch(view->strings + symbol->st_name);
	}
}

static void hash_name(struct link_binder *b, struct link_ahead *ahead)
{
	const struct elf_view *view = b->view;
	uint64_t at = view->symbols[ahead->symbol].st_name;
	if (at >= view->string_bytes)
		return;
	const char *name = view->strings + at;
	size_t length = strnlen(name, view->string_bytes - at);
	ahead->length = (uint32_t)length;
	ahead->hash = base_gnu_hash(name, length);
	ahead->has_name = at + length < view->string_bytes;
}

static void hash_names(struct link_binder *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct link_ahead *ahead = &b->ahead[i];
		if (ahead->is_own)
			continue;
		hash_name(b, ahead);
		if (b->use_index)
			link_index_prefetch(b->options->index, ahead->hash);
	}
}

/* The image itself, which the index may leave out, and which may define @hash. */
static bool self_maybe_has(const struct link_binder *b, uint32_t hash, uint32_t before)
{
	const struct link_image *self = b->image;
	return !self->index_slot[LINK_INDEX_ALL] && self->mark == b->options->mark &&
	       self->position < before && elf_view_maybe_has(&self->view, hash);
}

/* The first of the scope that has this hash; names and versions are compared later. */
static void ask_index_for(struct link_binder *b, struct link_ahead *ahead)
{
	struct link_index_cursor cursor = { 0 };
	struct link_image *image;
	uint32_t symbol, best = UINT32_MAX;
	while ((image = link_index_next(
			b->options->index, ahead->hash, &cursor, &symbol)))
		if (image->mark == b->options->mark && image->position < best) {
			best = image->position;
			ahead->image = image;
			ahead->index = symbol;
		}
	if (cursor.overflow || self_maybe_has(b, ahead->hash, best))
		return;
	ahead->state = best == UINT32_MAX ? LINK_AHEAD_NOWHERE : LINK_AHEAD_FOUND;
}

static void ask_index(struct link_binder *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct link_ahead *ahead = &b->ahead[i];
		if (!ahead->has_name)
			continue;
		ask_index_for(b, ahead);
		if (!ahead->image)
			continue;
		__builtin_prefetch(&ahead->image->view.symbols[ahead->index]);
		if (ahead->image->view.versym)
			__builtin_prefetch(&ahead->image->view.versym[ahead->index]);
	}
}

/* All cache lines of the names to compare with. */
static void fetch_found_names(struct link_binder *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct link_ahead *ahead = &b->ahead[i];
		if (!ahead->image)
			continue;
		const struct elf_view *view = &ahead->image->view;
		const char *name = view->strings + view->symbols[ahead->index].st_name;
		for (uint32_t at = 0; at <= ahead->length; at += 64)
			__builtin_prefetch(name + at);
	}
}

void link_look_ahead(struct link_binder *b, const Elf64_Rela *rela, unsigned count)
{
	unsigned n = fetch_symbols(b, rela, count);
	fetch_names(b, n);
	hash_names(b, n);
	if (b->use_index)
		ask_index(b, n);
	else if (b->probes)
		link_walk_ahead(b, n);
	fetch_found_names(b, n);
	b->ahead_count = n;
	b->ahead_next = 0;
}

static const struct link_ahead *find_ahead(struct link_binder *b, uint32_t symbol)
{
	for (unsigned i = b->ahead_next; i < b->ahead_count; i++)
		if (b->ahead[i].symbol == symbol) {
			b->ahead_next = i + 1;
			return &b->ahead[i];
		}
	return NULL;
}

/* ---- searching ---- */

/* Whether the global scope can define @hash before @self does. */
static bool globals_maybe_have(
	const struct link_globals *globals, uint32_t hash, const struct link_image *self)
{
	if (!globals || !link_globals_maybe_have(globals, hash))
		return false;
	unsigned count = link_globals_count(globals);
	if (count > 16)
		return true;
	for (unsigned i = 0; i < count; i++) {
		const struct link_image *image = link_globals_at(globals, i);
		if (image == self)
			return false;
		if (image && (image->home == LINK_HOME_SYMBOLS ||
				     elf_view_maybe_has_either(&image->view, hash)))
			return true;
	}
	return false;
}

/* No image before this one in its scope can define @hash. */
static bool is_own(struct link_binder *b, uint32_t index, uint32_t hash)
{
	const struct link_scope *scope = b->scope;
	bool globals_first = !scope->local_first && !b->options->index_has_globals;
	if (b->self_first)
		return true;
	if (b->lazily)
		return false;
	if (scope->lent ||
		(globals_first && globals_maybe_have(scope->globals, hash, b->image)))
		return false;
	if (b->image->global_order && globals_first)
		return true;
	if (b->use_index && !link_index_is_shared(b->options->index, b->image, index))
		return true;
	if (b->use_index) {
		struct link_index_cursor cursor = { 0 };
		struct link_image *found;
		uint32_t symbol;
		while ((found = link_index_next(
				b->options->index, hash, &cursor, &symbol)))
			if (found->mark == b->options->mark &&
				found->position < b->image->position)
				return false;
		return !cursor.overflow;
	}
	for (unsigned i = 0; i < scope->count && scope->images[i] != b->image; i++)
		if (elf_view_maybe_has_either(&scope->images[i]->view, hash))
			return false;
	return true;
}

/* The symbol that the index named, or another of the image that has the right version. */
static bool candidate_matches(struct link_image *image, uint32_t index,
	const struct elf_reference *reference, struct link_definition *out)
{
	const struct elf_view *view = &image->view;
	const Elf64_Sym *symbol = &view->symbols[index];
	bool only_versioned = false;
	if (!elf_view_string_is(
		    view, symbol->st_name, reference->name, reference->length))
		return false;
	if (!elf_symbol_is_definition(symbol) ||
		!elf_view_version_matches(view, index, reference, &only_versioned))
		return link_image_find(image, reference, out);
	*out = (struct link_definition){ image, symbol, index, NULL };
	return true;
}

/* Those of the scope that are marked, through the index: the match that comes first. */
static bool find_indexed(struct link_binder *b, const struct elf_reference *reference,
	const struct link_image *skip, struct link_definition *out)
{
	struct link_index_cursor cursor = { 0 };
	struct link_image *image;
	uint32_t symbol, best = UINT32_MAX;
	while ((image = link_index_next(
			b->options->index, reference->hash, &cursor, &symbol))) {
		struct link_definition definition;
		if (image->mark != b->options->mark || image->position >= best ||
			image == skip)
			continue;
		if (candidate_matches(image, symbol, reference, &definition)) {
			*out = definition;
			best = image->position;
		}
	}
	if (cursor.overflow)
		return link_scope_find(b->scope, reference, skip, out);
	return (b->image != skip && self_maybe_has(b, reference->hash, best) &&
		       link_image_find(b->image, reference, out)) ||
	       best != UINT32_MAX;
}

static bool find_in_globals(struct link_binder *b, const struct elf_reference *reference,
	const struct link_image *skip, struct link_definition *out)
{
	struct link_globals *globals = b->scope->globals;
	return globals && link_globals_maybe_have(globals, reference->hash) &&
	       link_globals_find(globals, reference, skip, out);
}

static bool find_in_locals(struct link_binder *b, const struct elf_reference *reference,
	const struct link_image *skip, struct link_definition *out)
{
	return b->use_index ? find_indexed(b, reference, skip, out)
			    : link_local_find(b->scope, reference, skip, out);
}

static bool find(struct link_binder *b, const struct elf_reference *reference,
	const struct link_ahead *ahead, const struct link_image *skip,
	struct link_definition *out)
{
	const struct link_scope *scope = b->scope;
	if (b->view->symbolic && b->image != skip &&
		link_image_find(b->image, reference, out))
		return true;
	if (b->lazily)
		return link_scope_find(scope, reference, skip, out);
	if (scope->lent && link_image_find(scope->lent, reference, out))
		return true;
	if ((b->probes || b->options->index_has_globals) && ahead && !skip) {
		if (ahead->state == LINK_AHEAD_NOWHERE)
			return false;
		/* Else: another name of the same hash, or another version. */
		if (ahead->state == LINK_AHEAD_FOUND &&
			candidate_matches(ahead->image, ahead->index, reference, out))
			return true;
	}
	if (b->options->index_has_globals)
		return find_indexed(b, reference, skip, out);
	if (scope->local_first && find_in_locals(b, reference, skip, out))
		return true;
	if (find_in_globals(b, reference, skip, out))
		return true;
	return !scope->local_first && find_in_locals(b, reference, skip, out);
}

/* The version that the image asks of symbol @index. */
static const struct elf_version *wanted_version(
	const struct elf_view *view, uint32_t index)
{
	if (!view->versym)
		return NULL;
	unsigned version = view->versym[index] & 0x7fff;
	return version > 1 && version < view->version_count && view->versions[version].id
		       ? &view->versions[version]
		       : NULL;
}

static int undefined(
	struct link_binder *b, const char *name, const struct elf_version *version)
{
	return base_error(b->error, UMOD_STAGE_BIND, -ENOSYS, b->image->path,
		"undefined symbol: %s%s%s%s%s%s", name, version ? ", version " : "",
		version ? version->name : "", version && version->file ? " (of " : "",
		version && version->file ? version->file : "",
		version && version->file ? ")" : "");
}

static int record(struct link_binder *b, struct link_definition *out, const char *name)
{
	const struct link_bind_options *options = b->options;
	int result = 0;
	if (out->symbol && ELF64_ST_BIND(out->symbol->st_info) == STB_GNU_UNIQUE &&
		options->unique)
		result = options->unique(out, name, options->data);
	if (!result && out->image != b->image && options->depend &&
		out->image->depend_mark != b->depend_mark) {
		out->image->depend_mark = b->depend_mark;
		result = options->depend(b->image, out->image, options->data);
	}
	if (result)
		return base_error(b->error, UMOD_STAGE_BIND, result, b->image->path,
			"no memory to record what %s is bound to", name);
	return 0;
}

static int look_up(struct link_binder *b, uint32_t index, const Elf64_Sym *symbol,
	const struct link_ahead *ahead, bool copy, struct link_definition *out)
{
	const struct elf_view *view = b->view;
	const char *name = elf_view_string(view, symbol->st_name);
	if (!name)
		return base_error(b->error, UMOD_STAGE_BIND, -ELIBBAD, b->image->path,
			"st_name of symbol %u: %#x is outside the string table", index,
			symbol->st_name);
	const struct elf_version *version = wanted_version(view, index);
	size_t length = ahead && ahead->has_name
				? ahead->length
				: strnlen(name, view->string_bytes - symbol->st_name);
	if (symbol->st_name + length >= view->string_bytes)
		return base_error(b->error, UMOD_STAGE_BIND, -EBUSY, b->image->path,
			"the string table changed while it was read");
	struct elf_reference reference = {
		.name = name,
		.length = (uint32_t)length,
		.hash = ahead && ahead->has_name ? ahead->hash
						 : base_gnu_hash(name, length),
		.version = version ? version->id : 0,
		.version_hidden = version && version->hidden_need,
		/* An object means what it would have been linked with. */
		.newest = view->type == ET_REL,
	};
	if (!b->lazily) /* many threads at once, without the lock */
		b->image->lookups_done++;
	base_trace(BASE_TRACE_SYMBOLS, "%s: looks for %s%s%s", b->image->path, name,
		version ? "@" : "", version ? version->name : "");
	if (find(b, &reference, ahead, copy ? b->image : NULL, out) ||
		(b->options->last_resort &&
			b->options->last_resort(&reference, out, b->options->data))) {
		base_trace(BASE_TRACE_BINDINGS, "%s: %s%s%s bound to %s", b->image->path,
			name, version ? "@" : "", version ? version->name : "",
			out->image->path ? out->image->path : "a lent symbol");
		return record(b, out, name);
	}
	*out = (struct link_definition){ 0 };
	if (ELF64_ST_BIND(symbol->st_info) == STB_WEAK)
		return 0;
	return undefined(b, name, version);
}

int link_resolve(
	struct link_binder *b, uint32_t index, bool copy, struct link_definition *out)
{
	const struct elf_view *view = b->view;
	if (index >= view->symbol_limit)
		return base_error(b->error, UMOD_STAGE_BIND, -ELIBBAD, b->image->path,
			"r_info: symbol %u, but there are %lu", index,
			view->symbol_limit);
	const Elf64_Sym *symbol = &view->symbols[index];
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
	bool defined = symbol->st_shndx != SHN_UNDEF;
	const struct link_ahead *ahead = find_ahead(b, index);
	uint32_t hash;
	*out = (struct link_definition){ b->image, symbol, index, NULL };
	if (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL ||
		(visibility != STV_DEFAULT && (defined || visibility != STV_PROTECTED)))
		return 0;
	if (defined && !copy && ELF64_ST_BIND(symbol->st_info) != STB_GNU_UNIQUE &&
		elf_symbol_is_definition(symbol) && own_hash(view, index, &hash) &&
		is_own(b, index, hash))
		return 0;
	return look_up(b, index, symbol, ahead, copy, out);
}
