/* SPDX-License-Identifier: MIT */
/*
 * From where a file says that a module's parts lie to where they do. A shared object's
 * section headers are believed no further than its segments go.
 */
#include "link/object/object.h"
#include "module/module.h"

#define fail(...) base_error(error, UMOD_STAGE_DESCRIBE, __VA_ARGS__)

static void *find(
	const struct link_image *image, const struct module_place *place, uint32_t flags)
{
	uint64_t bytes = 0;

	if (!place->bytes)
		return NULL;
	if (image->object) {
		void *address = link_object_address(image, place->section, &bytes);
		return bytes == place->bytes ? address : NULL;
	}
	for (unsigned i = 0; i < image->view.segment_count; i++) {
		const struct elf_segment *segment = &image->view.segments[i];
		if ((segment->flags & flags) == flags &&
			place->address >= segment->vaddr &&
			base_range_fits(place->address - segment->vaddr, place->bytes,
				segment->memory_bytes))
			return (void *)(image->bias + place->address);
	}
	return NULL;
}

void *module_place_find(const struct link_image *image, const struct module_place *place)
{
	return find(image, place, PF_R);
}

int module_this_find(const struct link_image *image,
	const struct module_description *description, struct umod_this_module **out,
	struct umod_error *error)
{
	struct umod_this_module *this =
		find(image, &description->this_module, PF_R | PF_W);

	*out = NULL;
	if (!description->this_module.bytes)
		return 0;
	if (!this || this->size_bytes != sizeof(*this) || this->abi != UMOD_AUTHOR_ABI)
		return fail(-ELIBBAD, image->path,
			"its sections and segments disagree about where the module's "
			"struct "
			"is");
	*out = this;
	return 0;
}

int module_parameters_find(const struct link_image *image,
	const struct module_description *description, const struct umod_parameter **out,
	struct umod_error *error)
{
	*out = module_place_find(image, &description->parameters);
	if (*out || !description->parameters.bytes)
		return 0;
	return fail(-ELIBBAD, image->path,
		"its sections and segments disagree about where its parameters are");
}
