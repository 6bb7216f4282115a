/* SPDX-License-Identifier: MIT */
/* What the example's host and its modules agree on. */
#ifndef EXAMPLE_HOST_H
#define EXAMPLE_HOST_H

#ifdef __cplusplus
extern "C" {
#endif

/* A kind of filesystem. Functions return a count of bytes, 0, or a negative errno. */
struct filesystem {
	const char *name;
	int (*write)(const char *file, const void *data, unsigned bytes);
	int (*read)(const char *file, void *data, unsigned bytes);
	/* The names of all files, each with a newline. */
	int (*list)(char *text, unsigned bytes);
};

/* The host's, lent to modules. It keeps the pointer until it is given back. */
int host_register_filesystem(const struct filesystem *filesystem);
void host_unregister_filesystem(const struct filesystem *filesystem);
/* Prints a line, as printk does. */
void host_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#ifdef __cplusplus
}
#endif
#endif
