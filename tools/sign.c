/* SPDX-License-Identifier: MIT */
/*
 * umod sign: signs modules in the kernel's format. The new file is written beside the old
 * one and renamed, so that a module is there whole at any time.
 */
#include "kmod.h"

#include "feature/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option long_options[] = {
	{ "certificate", required_argument, NULL, 'c' },
	{ "hash", required_argument, NULL, 'H' },
	{ "key", required_argument, NULL, 'k' },
	{ "key-id", no_argument, NULL, 'i' },
	{ "output", required_argument, NULL, 'o' },
	{ "strip", no_argument, NULL, 's' },
	TOOL_COMMON_OPTIONS,
};

struct request {
	const char *key_path, *certificate_path, *output;
	bool strip;
	struct feature_sign_options options;
	struct feature_buffer key, module;
	struct feature_keyring *keyring;
};

static bool write_all(int fd, const uint8_t *bytes, size_t count)
{
	while (count) {
		ssize_t done = write(fd, bytes, count);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		bytes += done;
		count -= (size_t)done;
	}
	return true;
}

static bool replace(const char *path, mode_t mode, struct feature_span body,
	const uint8_t *signature, size_t count)
{
	char *temporary = NULL;
	bool good = false;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return false;
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd >= 0) {
		good = write_all(fd, body.bytes, body.count) &&
		       write_all(fd, signature, count) && fchmod(fd, mode & 07777) == 0;
		good = close(fd) == 0 && good && rename(temporary, path) == 0;
		int code = errno;
		if (!good)
			unlink(temporary);
		errno = code;
	}
	if (!good)
		tool_error("%s: %s", path, strerror(errno));
	free(temporary);
	return good;
}

static bool told(const char *path, const struct umod_error *error)
{
	tool_error("%s: %s", path, error->message);
	return false;
}

static bool sign(struct request *r, const char *path)
{
	enum feature_compression packing;
	struct feature_signature at;
	struct umod_error error = { 0 };
	struct stat st;
	uint8_t *signature = NULL;
	size_t count = 0;

	if (stat(path, &st) != 0) {
		tool_error("%s: %s", path, strerror(errno));
		return false;
	}
	if (feature_read_path(
		    AT_FDCWD, path, FEATURE_LIMIT_BYTES, &r->module, &packing, &error))
		return told(path, &error);
	if (packing != FEATURE_PLAIN) {
		tool_error("%s: is packed; sign it first, then pack it", path);
		return false;
	}
	/* A signature that is there is replaced. */
	struct elf_bytes file = { .bytes = r->module.bytes, .count = r->module.count };
	struct feature_span body = { r->module.bytes, r->module.count };
	int found = feature_signature_find(&file, path, &at, &error);
	if (found == 0)
		body.count = at.body_bytes;
	else if (found != -ENODATA)
		return told(path, &error);
	if (!r->strip && feature_sign(&r->options, body, &signature, &count, &error))
		return told(path, &error);
	bool good =
		replace(r->output ? r->output : path, st.st_mode, body, signature, count);
	free(signature);
	return good;
}

static bool read_keys(struct request *r)
{
	struct umod_error error = { 0 };

	if (feature_read_path(
		    AT_FDCWD, r->key_path, (uint64_t)1 << 20, &r->key, NULL, &error))
		return told(r->key_path, &error);
	if (feature_keyring_new(&r->keyring) ||
		feature_keyring_read(r->keyring, r->certificate_path, false, &error))
		return told(r->certificate_path, &error);
	r->options.key = r->key.bytes;
	r->options.key_bytes = r->key.count;
	r->options.certificate = feature_keyring_at(r->keyring, 0);
	/* As the kernel's own tool takes it. */
	r->options.password = getenv("KBUILD_SIGN_PIN");
	if (!r->options.certificate)
		tool_error("%s: has no certificate", r->certificate_path);
	return r->options.certificate != NULL;
}

static int run_request(struct request *r, char **names)
{
	int status = TOOL_OK;

	if (!*names)
		return tool_usage("a module is missing");
	if (!r->strip && (!r->key_path || !r->certificate_path))
		return tool_usage("--key and --certificate are needed");
	if (r->output && names[1])
		return tool_usage("--output goes with one module");
	if (!r->strip && !read_keys(r))
		return TOOL_FAILED;
	for (; *names; names++) {
		if (!sign(r, *names))
			status = TOOL_FAILED;
	}
	return status;
}

static int run(int argc, char **argv)
{
	struct request r = { .options.hash = "sha256" };
	int option, status = -1;

	while (status < 0 && (option = getopt_long(argc, argv, "hc:H:k:io:s",
				      long_options, NULL)) != -1) {
		switch (option) {
		case 'h':
			status = tool_help(tool_current);
			break;
		case 'c':
			r.certificate_path = optarg;
			break;
		case 'H':
			r.options.hash = optarg;
			break;
		case 'k':
			r.key_path = optarg;
			break;
		case 'i':
			r.options.by_key_id = true;
			break;
		case 'o':
			r.output = optarg;
			break;
		case 's':
			r.strip = true;
			break;
		default:
			status = tool_usage(NULL);
		}
	}
	if (status < 0)
		status = run_request(&r, argv + optind);
	feature_buffer_free(&r.key);
	feature_buffer_free(&r.module);
	feature_keyring_free(r.keyring);
	return status;
}

const struct tool_command tool_sign = {
	.name = "sign",
	.summary = "Sign modules in the kernel's format",
	.usage = "-k KEY -c CERTIFICATE [OPTION]... MODULE...",
	.help = "  -k, --key=FILE          The private key, in PEM\n"
		"  -c, --certificate=FILE  Its certificate, in PEM or DER\n"
		"  -H, --hash=NAME         sha256 (the default), sha384, sha512, ...\n"
		"  -i, --key-id            Name the key by its identifier\n"
		"  -o, --output=FILE       Write there; else the module is replaced\n"
		"  -s, --strip             Take the signature off; needs no key\n"
		"  --help                  This text\n",
	.run = run,
};
