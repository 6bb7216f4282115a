/* SPDX-License-Identifier: MIT */
/*
 * The order of dependencies: every module before what it needs; cycles, which have no
 * order, are told. Needs can be nested deeper than a stack would bear: nothing here calls
 * itself.
 */
#include "index/depmod_internal.h"

#include <stdlib.h>

/* Steps that the search for cycles may take: a tree made to be slow gets fewer told. */
#define CYCLE_STEPS ((uint64_t)200 << 20)

/* ---- cycles ---- */

struct cycles {
	struct depmod *depmod;
	const uint32_t *users; /* not 0: in a cycle, or needed by one */
	uint32_t *before, *queue;
	uint32_t *met; /* root + 1 of the last search that met it */
	bool *told;
	uint64_t steps;
	unsigned count;
};

/* The shortest way from @root back to it, breadth first; DEPMOD_NONE: there is none. */
static uint32_t search(struct cycles *c, uint32_t root)
{
	unsigned head = 0, tail = 0;

	c->queue[tail++] = root;
	while (head < tail && c->steps < CYCLE_STEPS) {
		uint32_t at = c->queue[head++];
		const struct depmod_module *module = &c->depmod->modules[at];
		for (unsigned i = 0; i < module->need_count; i++) {
			uint32_t next = module->needs[i];
			c->steps++;
			if (next == root)
				return at;
			if (c->users[next] == 0 || c->met[next] == root + 1)
				continue;
			c->met[next] = root + 1;
			c->before[next] = at;
			c->queue[tail++] = next;
		}
	}
	return DEPMOD_NONE;
}

static int tell(struct cycles *c, uint32_t root, uint32_t last)
{
	struct depmod_module *modules = c->depmod->modules;
	struct index_text text = { 0 };
	unsigned count = 0;

	/* The way is found backwards. */
	for (uint32_t at = last; at != root; at = c->before[at])
		c->queue[count++] = at;
	index_text_string(&text, modules[root].name);
	for (unsigned i = count; i-- > 0;) {
		index_text_string(&text, " -> ");
		index_text_string(&text, modules[c->queue[i]].name);
		c->told[c->queue[i]] = true;
	}
	index_text_string(&text, " -> ");
	index_text_add(&text, modules[root].name, strlen(modules[root].name) + 1);
	c->told[root] = true;
	c->count += count + 1;
	if (!text.failed)
		depmod_say(c->depmod, INDEX_ERROR, "Cycle detected: %s", text.bytes);
	int result = text.failed ? -ENOMEM : 0;
	index_text_free(&text);
	return result;
}

static int report_cycles(struct depmod *depmod, const uint32_t *users)
{
	unsigned count = depmod->module_count;
	struct cycles c = { .depmod = depmod,
		.users = users,
		.before = base_array(count, sizeof(*c.before)),
		.queue = base_array((size_t)count + 1, sizeof(*c.queue)),
		.met = base_array(count, sizeof(*c.met)),
		.told = base_array(count, sizeof(*c.told)) };
	int result = c.before && c.queue && c.met && c.told ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < count && result == 0; i++) {
		if (users[i] == 0 || c.told[i])
			continue;
		uint32_t last = search(&c, i);
		if (last != DEPMOD_NONE)
			result = tell(&c, i, last);
	}
	if (result == 0)
		depmod_say(depmod, INDEX_ERROR, "Found %u modules in dependency cycles!",
			c.count);
	depmod->result->cyclic = c.count;
	base_free(c.before);
	base_free(c.queue);
	base_free(c.met);
	base_free(c.told);
	return result;
}

/* ---- order ---- */

static void sort_ranks(struct depmod *depmod, uint32_t *items, unsigned count);

/*
 * Modules that nobody needs first, then those that only they need, ...: of several that
 * are ready the last that became so, which is what kmod's order comes from.
 */
int depmod_sort(struct depmod *depmod)
{
	unsigned count = depmod->module_count, ready = 0, sorted = 0;
	BASE_AUTO_FREE uint32_t *users = base_array((size_t)count + 1, sizeof(*users));
	BASE_AUTO_FREE uint32_t *stack = base_array((size_t)count + 1, sizeof(*stack));

	depmod->sorted = base_array((size_t)count + 1, sizeof(*depmod->sorted));
	if (!users || !stack || !depmod->sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		users[i] = depmod->modules[i].users;
		if (users[i] == 0)
			stack[ready++] = i;
	}
	while (ready) {
		uint32_t at = stack[--ready];
		struct depmod_module *module = &depmod->modules[at];
		module->rank = sorted;
		depmod->sorted[sorted++] = at;
		for (unsigned i = 0; i < module->need_count; i++) {
			if (--users[module->needs[i]] == 0)
				stack[ready++] = module->needs[i];
		}
	}
	if (sorted < count) {
		int result = report_cycles(depmod, users);
		return result ? result
			      : depmod_fail(depmod, -ELOOP, depmod->options->directory,
					"modules depend on one another in cycles");
	}
	for (uint32_t i = 0; i < count; i++)
		sort_ranks(
			depmod, depmod->modules[i].needs, depmod->modules[i].need_count);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Sorts modules by rank: as ranks, which need no look at the modules. */
static void sort_ranks(struct depmod *depmod, uint32_t *items, unsigned count)
{
	if (count < 2)
		return;
	for (unsigned i = 0; i < count; i++)
		items[i] = depmod->modules[items[i]].rank;
	qsort(items, count, sizeof(*items), by_number);
	for (unsigned i = 0; i < count; i++)
		items[i] = depmod->sorted[items[i]];
}

/* ---- everything that a module needs ---- */

int depmod_closure_setup(struct depmod *depmod, struct depmod_closure *closure)
{
	size_t count = (size_t)depmod->module_count + 1;

	*closure = (struct depmod_closure){
		.items = base_array(count, sizeof(*closure->items)),
		.stack = base_array(count, sizeof(*closure->stack)),
		.seen = base_array(count, sizeof(*closure->seen)),
	};
	return closure->items && closure->stack && closure->seen ? 0 : -ENOMEM;
}

void depmod_closure_fill(
	struct depmod *depmod, uint32_t module, struct depmod_closure *closure)
{
	unsigned waiting = 0;

	closure->count = 0;
	closure->stack[waiting++] = module;
	while (waiting) {
		const struct depmod_module *at =
			&depmod->modules[closure->stack[--waiting]];
		for (unsigned i = 0; i < at->need_count; i++) {
			uint32_t next = at->needs[i];
			if (closure->seen[next] == module + 1)
				continue;
			closure->seen[next] = module + 1;
			closure->items[closure->count++] = next;
			closure->stack[waiting++] = next;
		}
	}
	sort_ranks(depmod, closure->items, closure->count);
}

void depmod_closure_free(struct depmod_closure *closure)
{
	base_free(closure->items);
	base_free(closure->stack);
	base_free(closure->seen);
}
