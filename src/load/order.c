/* SPDX-License-Identifier: MIT */
/*
 * The order in which the new modules of a load are bound and initialised: what one needs
 * comes before it; else, and in a circle, what was reached last comes first, as in ld.so.
 */
#include "load/load.h"

/* A walk by hand rather than by recursion: chains of needs can be long. */
struct step {
	struct umod_module *module;
	unsigned next; /* edge to look at */
};

/* Also where a circle leads back to it. */
static void root_last(struct load *load, unsigned count)
{
	struct umod_module *root = load->items[0]->module;
	for (unsigned i = 0; i + 1 < count; i++)
		if (load->order[i] == root) {
			load->order[i] = load->order[i + 1];
			load->order[i + 1] = root;
		}
}

int load_order(struct load *load)
{
	uint32_t visit = registry_next_visit();
	unsigned done = 0, depth = 0;
	struct step *stack = base_array(load->count + 1, sizeof(*stack));
	load->order = base_array(load->count + 1, sizeof(*load->order));
	if (!stack || !load->order) {
		base_free(stack);
		return base_error(load->error, UMOD_STAGE_ADMIT, -ENOMEM,
			load->items[0]->wanted, "no memory to order its needs");
	}
	for (unsigned i = load->count; i--;) {
		if (load->items[i]->module->visit == visit)
			continue;
		load->items[i]->module->visit = visit;
		stack[depth++] = (struct step){ load->items[i]->module, 0 };
		while (depth) {
			struct step *top = &stack[depth - 1];
			if (top->next == top->module->need_count) {
				load->order[done++] = top->module;
				depth--;
				continue;
			}
			struct umod_module *on = top->module->edges[top->next++];
			if (on->visit == visit || on->state != UMOD_STATE_UNFORMED)
				continue;
			on->visit = visit;
			stack[depth++] = (struct step){ on, 0 };
		}
	}
	root_last(load, done);
	base_free(stack);
	return 0;
}
