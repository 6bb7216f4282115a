/* SPDX-License-Identifier: MIT */
/*
 * Counts of what came, failed and went in a namespace, always on, and their forms: those
 * of the files stats and unloaded_tainted that the kernel has in debugfs. All of it is
 * under the lock.
 */
#include "life/life.h"

#include <inttypes.h>

/* Names come from files: no more of them are kept, the counts go on. */
#define NAMES_AT_MOST 1000u

/* ---- counting ---- */

static void tally(struct life_tally *tally, const char *name, uint64_t taints)
{
	for (unsigned i = 0; i < tally->count; i++)
		if (tally->items[i].taints == taints &&
			strcmp(tally->items[i].name, name) == 0) {
			tally->items[i].times++;
			return;
		}
	/* For want of memory it is not told of. */
	if (tally->count == NAMES_AT_MOST ||
		base_grow(&tally->items, tally->count, &tally->capacity,
			sizeof(*tally->items)))
		return;
	struct life_tally_item *item = &tally->items[tally->count++];
	*item = (struct life_tally_item){ .taints = taints, .times = 1 };
	snprintf(item->name, sizeof(item->name), "%s", name);
}

void life_count_live(const struct umod_module *module)
{
	const struct link_image *image = &module->image;
	struct life_statistics *counts = &module->space->life->statistics;
	counts->loaded++;
	counts->total_bytes += image->end - image->start;
	for (unsigned i = 0; i < image->view.segment_count; i++)
		if (image->view.segments[i].flags & PF_X)
			counts->text_bytes += image->view.segments[i].memory_bytes;
}

void life_count_gone(const struct umod_module *module)
{
	if (module->life->taints)
		tally(&module->space->life->statistics.tainted, module->life->name,
			module->life->taints);
}

/* Of a file that was not read to its end: what there was to read. */
static uint64_t bytes_of(const struct umod_source *source)
{
	struct stat st = { 0 };
	if (source->buffer)
		return source->buffer_bytes;
	int result = source->has_descriptor && source->descriptor >= 0
			     ? base_sys_fstat(source->descriptor, &st)
		     : source->path && strchr(source->path, '/')
			     ? base_sys_stat(source->path, &st)
			     : -ENOENT;
	return result || st.st_size < 0 || !S_ISREG(st.st_mode) ? 0
								: (uint64_t)st.st_size;
}

void life_count_failure(struct umod_namespace *space, const struct life_try *try,
	const struct umod_source *source, enum umod_stage stage)
{
	struct life_space *life;
	registry_lock();
	if (life_space_get(space, &life, NULL) == 0) {
		struct life_statistics *counts = &life->statistics;
		enum life_failure kind = try->image_bytes ? LIFE_FAILED_LOAD
					 : try->file_bytes || stage >= UMOD_STAGE_VERIFY
						 ? LIFE_FAILED_BECOMING
					 : stage == UMOD_STAGE_DECOMPRESS
						 ? LIFE_FAILED_DECOMPRESS
						 : LIFE_FAILED_READ;
		uint64_t bytes = try->file_bytes ? try->file_bytes : bytes_of(source);
		counts->failed[kind]++;
		counts->failed_bytes[kind] += bytes + try->image_bytes;
		if (try->is_duplicate)
			tally(&counts->duplicates, try->in_the_way, 0);
	}
	registry_unlock();
}

void life_statistics_free(struct life_statistics *counts)
{
	base_free(counts->duplicates.items);
	base_free(counts->tainted.items);
}

/* ---- telling ---- */

uint64_t life_wasted_bytes(const struct life_statistics *counts)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < LIFE_FAILURES; i++)
		sum += counts->failed_bytes[i];
	return sum;
}

static void print(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "%25s\t%" PRIu64 "\n", name, value);
}

/* Rounded up, as there; nothing where there is nothing. */
static void print_average(FILE *out, const char *name, uint64_t sum, uint64_t count)
{
	if (count && sum)
		print(out, name, (sum + count - 1) / count);
}

static void print_counts(FILE *out, const struct life_statistics *counts)
{
	static const char *const failed[] = { "Mods failed on kread",
		"Mods failed on decompress", "Mods failed on becoming",
		"Mods failed on load" };
	static const char *const bytes[] = { "Failed kread bytes",
		"Failed decompress bytes", "Failed becoming bytes", "Failed kmod bytes" };
	static const struct {
		const char *name;
		enum life_failure kind;
	} averages[] = { { "Avg fail kread bytes", LIFE_FAILED_READ },
		{ "Avg fail becoming bytes", LIFE_FAILED_BECOMING },
		{ "Avg fail decomp bytes", LIFE_FAILED_DECOMPRESS },
		{ "Average fail load bytes", LIFE_FAILED_LOAD } };
	print(out, "Mods ever loaded", counts->loaded);
	for (unsigned i = 0; i < LIFE_FAILURES; i++)
		print(out, failed[i], counts->failed[i]);
	print(out, "Total module size", counts->total_bytes);
	print(out, "Total mod text size", counts->text_bytes);
	for (unsigned i = 0; i < LIFE_FAILURES; i++)
		print(out, bytes[i], counts->failed_bytes[i]);
	print(out, "Virtual mem wasted bytes", life_wasted_bytes(counts));
	print_average(out, "Average mod size", counts->total_bytes, counts->loaded);
	print_average(out, "Average mod text size", counts->text_bytes, counts->loaded);
	for (unsigned i = 0; i < LIFE_FAILURES; i++)
		print_average(out, averages[i].name,
			counts->failed_bytes[averages[i].kind],
			counts->failed[averages[i].kind]);
}

void life_print_statistics(struct umod_namespace *space, FILE *out)
{
	static const struct life_statistics none;
	registry_lock();
	const struct life_statistics *counts =
		space->life ? &space->life->statistics : &none;
	print_counts(out, counts);
	if (counts->duplicates.count)
		fprintf(out, "Duplicate failed modules:\n%25s\t%15s\t%25s\n",
			"Module-name", "How-many-times", "Reason");
	for (unsigned i = counts->duplicates.count; i-- > 0;) {
		const struct life_tally_item *item = &counts->duplicates.items[i];
		/* They are known before memory is laid out: never "Load". */
		fprintf(out, "%25s\t%15" PRIu64 "\t%25s\n", item->name, item->times,
			"Becoming");
	}
	registry_unlock();
}

void life_print_tainted(struct umod_namespace *space, FILE *out)
{
	char letters[LIFE_TAINT_BYTES];
	registry_lock();
	const struct life_tally *tainted =
		space->life ? &space->life->statistics.tainted : NULL;
	for (unsigned i = tainted ? tainted->count : 0; i-- > 0;) {
		life_taint_letters(tainted->items[i].taints, letters);
		fprintf(out, "%s (%s) %" PRIu64 "\n", tainted->items[i].name, letters,
			tainted->items[i].times);
	}
	registry_unlock();
}
