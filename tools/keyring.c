/* SPDX-License-Identifier: MIT */
/*
 * umod keyring: the certificates of a kernel's image, and those of a keyring. It trusts
 * nothing and verifies nothing: it shows and copies.
 */
#include "kmod.h"

#include "feature/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct option long_options[] = {
	{ "der", no_argument, NULL, 'D' },
	{ "json", no_argument, NULL, 'j' },
	{ "output", required_argument, NULL, 'o' },
	TOOL_COMMON_OPTIONS,
};

static void put_hex(FILE *out, struct feature_span bytes)
{
	for (size_t i = 0; i < bytes.count; i++)
		fprintf(out, "%s%02X", i ? ":" : "", bytes.bytes[i]);
}

static char *text_of(struct feature_span bytes)
{
	char *text = tool_realloc(NULL, bytes.count + 1, 1);

	if (bytes.count)
		memcpy(text, bytes.bytes, bytes.count);
	text[bytes.count] = '\0';
	return text;
}

static char *hex_of(struct feature_span bytes)
{
	char *text = NULL;
	size_t count;
	FILE *out = open_memstream(&text, &count);

	if (!out)
		return tool_strdup("");
	put_hex(out, bytes);
	fclose(out);
	return text;
}

static void print_certificate(const struct feature_certificate *c, bool json)
{
	char *subject = text_of(c->subject_name), *issuer = text_of(c->issuer_name);
	char *serial = hex_of(c->serial), *key_id = hex_of(c->key_id);
	char from[32] = "", to[32] = "";
	time_t times[2] = { c->not_before, c->not_after };
	struct tm tm;

	if (gmtime_r(&times[0], &tm))
		strftime(from, sizeof(from), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (gmtime_r(&times[1], &tm))
		strftime(to, sizeof(to), "%Y-%m-%dT%H:%M:%SZ", &tm);
	const struct {
		const char *key, *value;
	} rows[] = { { "file", c->file }, { "subject", subject }, { "issuer", issuer },
		{ "serial", serial }, { "key_id", key_id }, { "key", c->key_kind },
		{ "not_before", from }, { "not_after", to } };
	if (json)
		json_open(NULL, '{');
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (json) {
			json_string(rows[i].key, rows[i].value);
			continue;
		}
		printf("%-12s", rows[i].key);
		tool_print(stdout, rows[i].value);
		putchar('\n');
	}
	if (json)
		json_close('}');
	free(subject);
	free(issuer);
	free(serial);
	free(key_id);
}

static int list(const struct feature_keyring *keyring, bool json)
{
	const struct feature_certificate *c;

	if (json)
		json_open(NULL, '[');
	for (size_t i = 0; (c = feature_keyring_at(keyring, i)) != NULL; i++) {
		if (i && !json)
			putchar('\n');
		print_certificate(c, json);
	}
	if (json)
		json_close(']');
	return TOOL_OK;
}

/* All in PEM, or the only one in DER. */
static int copy(const struct feature_keyring *keyring, const char *path, bool der)
{
	const struct feature_certificate *c;
	bool good = true;
	FILE *out = stdout;

	if (der && feature_keyring_count(keyring) != 1) {
		tool_error("there are %zu certificates; --der takes one",
			feature_keyring_count(keyring));
		return TOOL_FAILED;
	}
	if (path && !(out = fopen(path, "we"))) {
		tool_error("%s: %s", path, strerror(errno));
		return TOOL_FAILED;
	}
	for (size_t i = 0; (c = feature_keyring_at(keyring, i)) != NULL; i++) {
		char *pem = der ? NULL : feature_certificate_pem(c);
		if (der)
			good &= fwrite(c->der.bytes, 1, c->der.count, out) ==
				c->der.count;
		else
			good &= pem && fputs(pem, out) >= 0;
		free(pem);
	}
	if (path)
		good &= fclose(out) == 0;
	if (!good)
		tool_error("%s: %s", path ? path : "standard output", strerror(errno));
	return good ? TOOL_OK : TOOL_FAILED;
}

static int from_kernel(
	struct feature_keyring *keyring, const char *path, struct umod_error *error)
{
	struct feature_buffer buffer = { 0 };
	int result = feature_read_path(
		AT_FDCWD, path, FEATURE_LIMIT_BYTES, &buffer, NULL, error);

	if (result == 0)
		result = feature_keyring_add_kernel(
			keyring, buffer.bytes, buffer.count, path, error);
	feature_buffer_free(&buffer);
	return result;
}

static int run_words(int count, char **words, const char *output, bool json, bool der)
{
	struct feature_keyring *keyring = NULL;
	struct umod_error error = { 0 };
	bool is_list = count == 2 && strcmp(words[0], "list") == 0;
	int result, status = TOOL_FAILED;

	if (!is_list && (count != 2 || strcmp(words[0], "from-kernel") != 0))
		return tool_usage("it takes 'list DIRECTORY' or 'from-kernel IMAGE'");
	if ((is_list && (output || der)) || (!is_list && json))
		return tool_usage("this option does not go with '%s'", words[0]);
	result = feature_keyring_new(&keyring);
	if (result == 0)
		result = is_list ? feature_keyring_read(
					   keyring, words[1], geteuid() == 0, &error)
				 : from_kernel(keyring, words[1], &error);
	if (result)
		tool_error("%s: %s", error.subject[0] ? error.subject : words[1],
			error.message);
	/* One damaged file does not hide the others. */
	if (is_list && keyring)
		status = list(keyring, json);
	else if (result == 0)
		status = copy(keyring, output, der);
	feature_keyring_free(keyring);
	return result ? TOOL_FAILED : status;
}

static int run(int argc, char **argv)
{
	const char *output = NULL;
	bool json = false, der = false;
	int option;

	while ((option = getopt_long(argc, argv, "ho:", long_options, NULL)) != -1) {
		switch (option) {
		case 'h':
			return tool_help(tool_current);
		case 'j':
			json = true;
			break;
		case 'D':
			der = true;
			break;
		case 'o':
			output = optarg;
			break;
		default:
			return tool_usage(NULL);
		}
	}
	return run_words(argc - optind, argv + optind, output, json, der);
}

const struct tool_command tool_keyring = {
	.name = "keyring",
	.summary = "Find and list the certificates that modules are signed with",
	.usage = "[OPTION]... from-kernel IMAGE | list DIRECTORY",
	.help = "  from-kernel IMAGE  Print the certificates in a kernel's image, as "
		"PEM\n"
		"  list DIRECTORY     List those of a keyring: a directory, or a file\n"
		"  -o, --output=FILE  Write to FILE\n"
		"  --der              Write the only certificate in DER\n"
		"  --json             Print JSON\n"
		"  --help             This text\n",
	.run = run,
};
