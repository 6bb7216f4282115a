/* SPDX-License-Identifier: MIT */
/*
 * The stage "publish": an image becomes visible to lookups by address, to unwinders and
 * to debuggers, and goes in the same order. Host objects are only
 * looked up: ld.so shows them to the others.
 */
#include "link/publish.h"

int link_publish(struct link_image *image, struct umod_error *error)
{
	bool host = image->home == LINK_HOME_HOST;
	if (image->published || image->start >= image->end)
		return 0;
	int result = link_address_insert(image);
	if (result == -EEXIST && host)
		return 0;
	if (result == -EEXIST)
		return base_error(error, UMOD_STAGE_PUBLISH, result, image->path,
			"another image is known at %#lx", image->start);
	if (result)
		return base_error(error, UMOD_STAGE_PUBLISH, result, image->path,
			"no memory for the address index");
	image->published = true;
	if (host)
		return 0;
	link_unwind_add(image);
	link_debugger_add(image);
	return 0;
}

void link_unpublish(struct link_image *image)
{
	if (image->published) {
		link_address_remove(image);
		if (image->home != LINK_HOME_HOST) {
			link_unwind_remove(image);
			link_debugger_remove(image);
		}
		image->published = false;
	}
	/* Also for one that was never published: other searches may have found it. */
	base_reader_wait();
	link_address_reclaim();
	link_address_index_free(image);
}

void link_publish_done(void)
{
	link_debugger_done();
	if (!link_address_wants_reclaim())
		return;
	base_reader_wait();
	link_address_reclaim();
}
