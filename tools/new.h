/* SPDX-License-Identifier: MIT */
/* The templates of `umod new`: share/new, made a C source by scripts/embed. */
#ifndef UMOD_TOOLS_NEW_H
#define UMOD_TOOLS_NEW_H

struct new_template {
	const char *name; /* of the file in share/new */
	const char *text; /* with @WORDS@ to be replaced */
};
extern const struct new_template new_templates[]; /* ended by a NULL name */

#endif
