/* SPDX-License-Identifier: MIT */
/*
 * Whether what an image needs defines the versions that it asks for, before any symbol is
 * looked up: one clear error in place of the first symbol that is missing.
 */
#include "link/link.h"

static bool defines(const struct elf_view *view, const struct elf_version *wanted)
{
	for (unsigned i = 0; i < view->version_count; i++) {
		const struct elf_version *v = &view->versions[i];
		if (v->id == wanted->id && !v->file)
			return true;
	}
	return false;
}

int link_check_versions(struct link_image *image,
	struct link_image *(*find_needed)(const char *name, void *data), void *data,
	struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	const char *file = NULL;
	struct link_image *on = NULL;
	for (unsigned i = 0; i < view->version_count; i++) {
		const struct elf_version *wanted = &view->versions[i];
		if (!wanted->id || !wanted->file)
			continue;
		if (wanted->file != file) {
			file = wanted->file;
			on = find_needed(file, data);
		}
		base_trace(BASE_TRACE_VERSIONS, "%s: needs %s of %s", image->path,
			wanted->name, file);
		/* Not among its needs, or one without versions: symbols decide. */
		if (!on || !on->view.defines_versions || wanted->weak ||
			defines(&on->view, wanted))
			continue;
		return base_error(error, UMOD_STAGE_BIND, -ENOSYS, image->path,
			"version `%s' not found: %s (%s) does not define it",
			wanted->name, file, on->path);
	}
	return 0;
}
