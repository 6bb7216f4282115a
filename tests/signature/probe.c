/* SPDX-License-Identifier: MIT */
/*
 * probe [OPTION]... FILE...: loads each file into a namespace of its own, under a policy,
 * and prints a line for each: result, stage, signature, signer, message, parted by tabs.
 *
 *   --off --warn --enforce  the policy           --keyring PATH  one more
 *   --key FILE              added in the process --expired       refuse expired signers
 *   --by path|fd|buffer     how it is given      --limit BYTES   of unpacking
 *   --late [all]            umod_signature_enforce after the context is made
 *   --flip COUNT            changes bits of the one file in memory, COUNT of them spread
 *                           over the signed bytes, and all of the rest
 *   --symbol NAME           must be there
 */
#include "feature/signature.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <umod/umod.h>
#include <unistd.h>

static struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
static struct umod_context *context;
static const char *keyrings[8], *keys[8], *by = "path", *late, *wanted;
static unsigned keyring_count, key_count, flips;

struct content {
	uint8_t *bytes;
	size_t count;
};

static void fail(const char *what, const char *why)
{
	printf("probe: %s: %s\n", what, why);
	exit(2);
}

static struct content read_file(const char *path)
{
	struct content c = { 0 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail(path, "cannot be read");
	c.count = (size_t)st.st_size;
	c.bytes = malloc(c.count + 1);
	if (!c.bytes || read(fd, c.bytes, c.count) != (ssize_t)c.count)
		fail(path, "cannot be read");
	close(fd);
	return c;
}

struct outcome {
	int result;
	struct umod_error error;
	enum umod_signature signature;
	char signer[128];
	bool has_symbol;
};

static void load(const struct umod_source *source, struct outcome *out)
{
	struct umod_module_info info = { .size_bytes = sizeof(info) };
	struct umod_namespace *space = NULL;
	struct umod_module *module = NULL;
	void *address;
	memset(out, 0, sizeof(*out));
	out->result = umod_namespace_new(context, NULL, &space, &out->error);
	if (!out->result)
		out->result = umod_load_source(space, source, NULL, &module, &out->error);
	if (!out->result) {
		umod_module_info_get(module, &info);
		out->signature = info.signature;
		if (info.signer)
			snprintf(out->signer, sizeof(out->signer), "%s", info.signer);
		out->has_symbol = !wanted || umod_module_own_symbol(module, wanted, NULL,
						     &address, NULL) == 0;
		umod_module_unref(module, NULL);
	}
	umod_namespace_unref(space);
}

static void one(const char *path)
{
	static const char *const words[] = { [UMOD_SIGNATURE_NOT_CHECKED] = "not checked",
		[UMOD_SIGNATURE_VERIFIED] = "verified",
		[UMOD_SIGNATURE_UNSIGNED] = "unsigned" };
	struct umod_source source = { .size_bytes = sizeof(source), .path = path };
	struct content c = { 0 };
	struct outcome out;
	int fd = -1;
	if (strcmp(by, "fd") == 0) {
		source.descriptor = fd = open(path, O_RDONLY | O_CLOEXEC);
		source.has_descriptor = true;
		lseek(fd, 5, SEEK_SET); /* its position does not matter */
	} else if (strcmp(by, "buffer") == 0) {
		c = read_file(path);
		source.buffer = c.bytes;
		source.buffer_bytes = c.count;
	}
	load(&source, &out);
	if (fd >= 0 && lseek(fd, 0, SEEK_CUR) != 5)
		fail(path, "its descriptor was moved");
	if (fd >= 0)
		close(fd);
	free(c.bytes);
	if (!out.result && !out.has_symbol)
		fail(path, "has not the symbol");
	printf("%d\t%s\t%s\t%s\t%s\n", out.result, umod_stage_name(out.error.stage),
		out.result ? "" : words[out.signature], out.signer, out.error.message);
}

/* ---- bits ---- */

/* Who signed with which hash, as the file says. */
static void describe(const struct content *c, char *text, size_t bytes)
{
	const struct elf_bytes file = { .bytes = c->bytes, .count = c->count };
	struct feature_signature at;
	struct feature_signer signer;
	text[0] = 0;
	if (!feature_signature_find(&file, "", &at, NULL) &&
		!feature_signer_read(&file, "", &at, &signer, NULL))
		snprintf(text, bytes, "%.*s %s", (int)signer.signer.count,
			signer.signer.bytes ? (const char *)signer.signer.bytes : "",
			signer.hash ? signer.hash : "");
}

struct counts {
	unsigned tried, refused, same, wrong;
};

static void flip(struct content *c, uint64_t bit, bool is_body, const char *signer,
	struct counts *counts)
{
	const struct umod_source source = { .size_bytes = sizeof(source),
		.path = "/flipped.so",
		.buffer = c->bytes,
		.buffer_bytes = c->count };
	struct outcome out;
	char now[256];
	c->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	load(&source, &out);
	describe(c, now, sizeof(now));
	c->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	bool refused = out.result == -EKEYREJECTED || out.result == -EBADMSG;
	bool same = !out.result && out.signature == UMOD_SIGNATURE_VERIFIED && !is_body &&
		    strcmp(now, signer) == 0;
	refused = refused && out.error.stage == UMOD_STAGE_VERIFY && out.error.message[0];
	counts->tried++;
	counts->refused += refused;
	counts->same += same;
	counts->wrong += !refused && !same;
	if (!refused && !same)
		printf("# bit %lu of byte %lu: %d %s\n", bit % 8, bit / 8, out.result,
			out.error.message);
}

static void flip_all(const char *path)
{
	struct content c = read_file(path);
	const struct elf_bytes file = { .bytes = c.bytes, .count = c.count };
	struct feature_signature at;
	struct counts body = { 0 }, rest = { 0 };
	char signer[256];
	if (feature_signature_find(&file, path, &at, NULL))
		fail(path, "is not signed");
	describe(&c, signer, sizeof(signer));
	/* Every region of the body, at another place and bit in each. */
	for (uint64_t i = 0; i < flips; i++) {
		uint64_t region = at.body_bytes * 8 / flips;
		flip(&c, region * i + base_mix(i + 1) % region, true, signer, &body);
	}
	flip(&c, at.body_bytes * 8 - 1, true, signer, &body);
	for (uint64_t bit = at.body_bytes * 8; bit < c.count * 8; bit++)
		flip(&c, bit, false, signer, &rest);
	printf("body\t%u\t%u\t%u\t%u\n", body.tried, body.refused, body.same, body.wrong);
	printf("rest\t%u\t%u\t%u\t%u\n", rest.tried, rest.refused, rest.same, rest.wrong);
	free(c.bytes);
}

/* ---- */

static bool is(const char *argument, const char *name)
{
	return strcmp(argument, name) == 0;
}

/* How many arguments an option takes with it; -1: it is none. */
static int take_option(char **argument)
{
	static const char *const words[] = { "--off", "--warn", "--enforce" };
	for (unsigned i = 0; i < 3; i++)
		if (is(argument[0], words[i])) {
			options.signatures = i;
			return 0;
		}
	if (is(argument[0], "--expired"))
		options.refuse_expired_signer = true;
	else if (strncmp(argument[0], "--", 2) != 0)
		return -1;
	if (is(argument[0], "--expired"))
		return 0;
	if (is(argument[0], "--keyring"))
		keyrings[keyring_count++] = argument[1];
	else if (is(argument[0], "--key"))
		keys[key_count++] = argument[1];
	else if (is(argument[0], "--by"))
		by = argument[1];
	else if (is(argument[0], "--limit"))
		options.unpack_limit_bytes = strtoull(argument[1], NULL, 10);
	else if (is(argument[0], "--late"))
		late = argument[1];
	else if (is(argument[0], "--flip"))
		flips = (unsigned)atoi(argument[1]);
	else if (is(argument[0], "--symbol"))
		wanted = argument[1];
	else
		fail(argument[0], "no option");
	return 1;
}

int main(int argc, char **argv)
{
	struct umod_error error;
	int at = 1;
	for (int more; at < argc && (more = take_option(argv + at)) >= 0;)
		at += 1 + more;
	options.keyrings = keyrings;
	if (late && is(late, "before"))
		umod_signature_enforce(NULL);
	int result = umod_context_new(&options, &context, &error);
	if (result) {
		printf("%d\t%s\t\t\t%s\n", result, umod_stage_name(error.stage),
			error.message);
		return 1;
	}
	for (unsigned i = 0; i < key_count; i++) {
		struct content c = read_file(keys[i]);
		result = umod_key_add(context, c.bytes, c.count, keys[i], &error);
		if (result)
			printf("key\t%d\t%s\n", result, error.message);
		free(c.bytes);
	}
	if (late && !is(late, "before"))
		umod_signature_enforce(is(late, "all") ? NULL : context);
	for (; at < argc; at++) {
		if (flips)
			flip_all(argv[at]);
		else
			one(argv[at]);
	}
	umod_context_unref(context);
	return 0;
}
