/* SPDX-License-Identifier: MIT */
/*
 * A program that embeds umod: it loads the distribution's libz into two namespaces and
 * has each copy compress the same text. Built outside umod's tree, with pkg-config.
 */
#include <umod/umod.h>

#include <stdio.h>
#include <string.h>

/* What is needed of zlib's interface. */
typedef int compress_function(unsigned char *to, unsigned long *to_bytes,
	const unsigned char *from, unsigned long);
typedef const char *version_function(void);

struct copy {
	struct umod_namespace *space;
	struct umod_module *module;
	compress_function *compress;
	version_function *version;
};

static int tell(const struct umod_error *error)
{
	char text[1400];

	umod_error_format(error, text, sizeof(text));
	fprintf(stderr, "embed: %s\n", text);
	return error->code;
}

/* Loads one copy. What it got before a failure is given back by close_copy. */
static int open_copy(struct umod_context *context, const char *name, struct copy *copy,
	struct umod_error *error)
{
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	void *address;

	options.name = name;
	int err = umod_namespace_new(context, &options, &copy->space, error);
	if (!err)
		err = umod_load(copy->space, "libz.so.1", NULL, &copy->module, error);
	if (!err)
		err = umod_module_symbol(copy->module, "compress", NULL, &address, error);
	if (!err) {
		memcpy(&copy->compress, &address, sizeof(address));
		err = umod_module_symbol(
			copy->module, "zlibVersion", NULL, &address, error);
	}
	if (!err)
		memcpy(&copy->version, &address, sizeof(address));
	return err;
}

static void close_copy(struct copy *copy)
{
	umod_module_unref(copy->module, NULL);
	umod_namespace_unref(copy->space);
}

static int use_copy(const struct copy *copy, const char *text)
{
	unsigned char packed[256];
	unsigned long bytes = sizeof(packed);
	struct umod_module_info info = { .size_bytes = sizeof(info) };

	if (copy->compress(packed, &bytes, (const unsigned char *)text, strlen(text)))
		return -1;
	umod_module_info_get(copy->module, &info);
	printf("%s: zlib %s of %s made %zu bytes into %lu\n",
		umod_namespace_name(copy->space), copy->version(), info.path,
		strlen(text), bytes);
	return 0;
}

int main(void)
{
	static const char text[] =
		"one one one one one one one one one one one one one one";
	struct umod_error error = { .code = 0 };
	struct umod_context *context = NULL;
	struct copy first = { .space = NULL }, second = { .space = NULL };

	int err = umod_context_new(NULL, &context, &error);
	if (!err)
		err = open_copy(context, "first", &first, &error);
	if (!err)
		err = open_copy(context, "second", &second, &error);
	if (!err) {
		err = use_copy(&first, text) || use_copy(&second, text);
		printf("two copies of libz, each with its own code: %s\n",
			first.compress != second.compress ? "yes" : "no");
	} else {
		tell(&error);
	}
	close_copy(&second);
	close_copy(&first);
	umod_context_unref(context);
	return err ? 1 : 0;
}
