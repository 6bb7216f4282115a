/* SPDX-License-Identifier: MIT */
/*
 * What there is, as one moment shows it: a snapshot is taken under the lock, and told of
 * without it. The forms of /proc/modules and of lsmod are here.
 */
#include "life/life.h"

#include <inttypes.h>
#include <stdlib.h>

bool life_is_seen(const struct umod_module *module)
{
	return module->life && module->life->is_listed &&
	       module->state != UMOD_STATE_UNFORMED;
}

/* "a,b,": who is bound to @module; allocated. */
static char *users_of(const struct umod_module *module)
{
	char *text = base_strdup("");
	const struct umod_module *last = module->users ? module->space->last : NULL;
	for (const struct umod_module *m = last; m && text; m = m->previous) {
		bool uses = false;
		for (unsigned i = 0; m->life && i < m->edge_count; i++)
			uses |= m->edges[i] == module;
		if (!uses)
			continue;
		char *longer = base_printf("%s%s,", text, m->life->name);
		base_free(text);
		text = longer;
	}
	return text;
}

static int take(const struct umod_module *module, struct life_seen *seen)
{
	const struct life *life = module->life;
	*seen = (struct life_seen){ .bytes = module->image.end - module->image.start,
		.start = module->image.start,
		.uses = life_uses(module),
		.state = module->state,
		.taints = life->taints,
		.is_permanent = life->init && !life->exit,
		.by_demand = life->by_demand };
	memcpy(seen->name, life->name, sizeof(seen->name));
	seen->users = users_of(module);
	return seen->users ? 0 : -ENOMEM;
}

int life_look(struct umod_namespace *space, struct life_snapshot *out)
{
	int result = 0;
	*out = (struct life_snapshot){ 0 };
	registry_lock();
	for (const struct umod_module *m = space->last; m && !result; m = m->previous) {
		if (!m->life || !m->life->is_listed)
			continue;
		result = base_grow(
			&out->items, out->count, &out->capacity, sizeof(*out->items));
		if (!result)
			result = take(m, &out->items[out->count++]);
	}
	registry_unlock();
	if (result)
		life_look_away(out);
	return result ? -ENOMEM : 0;
}

void life_look_away(struct life_snapshot *snapshot)
{
	for (unsigned i = 0; i < snapshot->count; i++)
		base_free(snapshot->items[i].users);
	base_free(snapshot->items);
	*snapshot = (struct life_snapshot){ 0 };
}

/* ---- text ---- */

static const char *state_name(enum umod_state state)
{
	return state == UMOD_STATE_LIVE    ? "Live"
	       : state == UMOD_STATE_GOING ? "Unloading"
					   : "Loading";
}

unsigned life_taint_letters(uint64_t taints, char out[LIFE_TAINT_BYTES])
{
	static const char letters[] = "PFSRMBUDAWCIOELKXTNJ";
	_Static_assert(sizeof(letters) <= LIFE_TAINT_BYTES, "each may be there");
	unsigned used = 0;
	for (unsigned i = 0; i + 1 < sizeof(letters); i++)
		if (taints & 1ull << i)
			out[used++] = letters[i];
	out[used] = 0;
	return used;
}

/* " (PO)" as the kernel has it; "" where there is nothing to tell. */
static void taint_text(const struct life_seen *seen, char out[LIFE_TAINT_BYTES + 8])
{
	strcpy(out, " (");
	unsigned used = 2 + life_taint_letters(seen->taints, out + 2);
	if (seen->state == UMOD_STATE_GOING)
		out[used++] = '-';
	else if (seen->state != UMOD_STATE_LIVE)
		out[used++] = '+';
	strcpy(out + used, ")");
	if (used == 2)
		out[0] = 0;
}

/* name size refcount users state address taints */
static void print_module(FILE *out, const struct life_seen *seen)
{
	char taints[LIFE_TAINT_BYTES + 8];
	taint_text(seen, taints);
	bool none = !seen->users[0] && !seen->is_permanent;
	fprintf(out, "%s %" PRIu64 " %u %s%s%s %s 0x%016" PRIx64 "%s\n", seen->name,
		seen->bytes, seen->uses, none ? "-" : "", seen->users,
		seen->is_permanent ? "[permanent]," : "", state_name(seen->state),
		(uint64_t)seen->start, taints);
}

static void print_lsmod(FILE *out, const struct life_seen *seen)
{
	size_t length = strlen(seen->users);
	fprintf(out, "%-19s %8" PRIu64 "  %u%s%.*s%s\n", seen->name, seen->bytes,
		seen->uses, length ? " " : "", length ? (int)length - 1 : 0, seen->users,
		seen->by_demand ? " (autoclean)" : "");
}

static int print_modules(struct umod_namespace *space, enum umod_text which, FILE *out)
{
	struct life_snapshot snapshot;
	int result = life_look(space, &snapshot);
	if (result)
		return result;
	if (which == UMOD_TEXT_LSMOD)
		fputs("Module                  Size  Used by\n", out);
	for (unsigned i = 0; i < snapshot.count; i++)
		(which == UMOD_TEXT_LSMOD ? print_lsmod : print_module)(
			out, &snapshot.items[i]);
	life_look_away(&snapshot);
	return 0;
}

static int print(struct umod_namespace *space, enum umod_text which, FILE *out)
{
	switch (which) {
	case UMOD_TEXT_KALLSYMS:
	case UMOD_TEXT_KSYMS:
		return life_print_symbols(space, out, which == UMOD_TEXT_KALLSYMS);
	case UMOD_TEXT_STATS:
		life_print_statistics(space, out);
		return 0;
	case UMOD_TEXT_UNLOADED_TAINTED:
		life_print_tainted(space, out);
		return 0;
	case UMOD_TEXT_JSON:
		return life_print_json(space, out);
	default:
		return print_modules(space, which, out);
	}
}

int life_text(struct umod_namespace *space, enum umod_text which, char **out,
	struct umod_error *error)
{
	size_t bytes;
	*out = NULL;
	FILE *stream = open_memstream(out, &bytes);
	int result = stream ? print(space, which, stream) : -ENOMEM;
	if (stream && fclose(stream))
		result = -ENOMEM;
	if (!result)
		return 0;
	free(*out);
	*out = NULL;
	return base_error(error, UMOD_STAGE_NONE, result, space->name,
		"no memory to tell what there is");
}
