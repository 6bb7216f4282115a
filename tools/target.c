/* SPDX-License-Identifier: MIT */
/*
 * Where modules are loaded, removed and listed: in the running kernel, by its system
 * calls, or with --host in a program that umod runs in, through its control socket
 * (umod_control_new). The commands ask what kmod_target says and do not care.
 */
#include "kmod.h"

#include "base/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static const struct kmod_target in_kernel = { umod_kernel_insert, umod_kernel_remove,
	umod_kernel_module_state, umod_kernel_module_references,
	umod_kernel_module_holders, umod_kernel_modules_visit, false };
const struct kmod_target *kmod_target = &in_kernel;

static int host_socket = -1;

/* ---- packets ---- */

static int fail(struct umod_error *error, enum umod_stage stage, int code,
	const char *subject, const char *message)
{
	if (error) {
		error->stage = stage;
		error->code = code;
		snprintf(error->subject, sizeof(error->subject), "%s", subject);
		snprintf(error->message, sizeof(error->message), "%s", message);
	}
	return code;
}

/* "WORD\0WORD\0": with @descriptor unless that is -1. */
static int ask(const char *const *words, unsigned count, int descriptor)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	for (unsigned i = 0; out && i < count; i++)
		fwrite(words[i], 1, strlen(words[i]) + 1, out);
	int err = out && fclose(out) == 0 ? 0 : -ENOMEM;
	if (!err && bytes > CONTROL_PACKET_BYTES)
		err = -E2BIG;
	if (!err && control_send(host_socket, text, bytes, descriptor) < 0)
		err = -errno;
	free(text);
	return err;
}

/* "=CODE", stage, subject, sentence. */
static int take_answer(const struct control_request *reply, struct umod_error *error)
{
	if (reply->count != 4)
		return fail(error, UMOD_STAGE_NONE, -EPROTO, "host",
			"its answer is not to be understood");
	int code = atoi(reply->words[0] + 1);
	if (!code)
		return 0;
	fail(error, (enum umod_stage)atoi(reply->words[1]), code, reply->words[2],
		reply->words[3]);
	return code;
}

static int receive(struct control_request *reply, struct umod_error *error)
{
	return control_receive(host_socket, reply) > 0
		       ? 0
		       : fail(error, UMOD_STAGE_NONE, -EPIPE, "host", "does not answer");
}

static int talk(const char *const *words, unsigned count, int descriptor,
	struct umod_error *error)
{
	struct control_request reply;
	int err = ask(words, count, descriptor);
	if (err)
		return fail(error, UMOD_STAGE_NONE, err, "host", strerror(-err));
	err = receive(&reply, error);
	return err ? err : take_answer(&reply, error);
}

/* ---- the functions ---- */

static int host_insert(
	const char *path, const char *options, unsigned flags, struct umod_error *error)
{
	char real[PATH_MAX], text[16];
	const char *words[] = { "insert", realpath(path, real) ? real : path,
		options ? options : "", text };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(error, UMOD_STAGE_OPEN, -errno, path, strerror(errno));
	snprintf(text, sizeof(text), "%u", flags);
	int err = talk(words, 4, fd, error);
	close(fd);
	return err;
}

static int host_remove(const char *name, unsigned flags, struct umod_error *error)
{
	char text[16];
	const char *words[] = { "remove", name, text };
	/* UMOD_REMOVE_FORCE has another number. */
	snprintf(text, sizeof(text), "%u", flags & UMOD_KERNEL_FORCE ? 2u : 0u);
	return talk(words, 3, -1, error);
}

/* name size references users state address: as /proc/modules has it. */
static bool read_line(char *line, struct umod_kernel_module *out)
{
	char *save, *name = strtok_r(line, " ", &save),
		    *size = strtok_r(NULL, " ", &save);
	char *references = strtok_r(NULL, " ", &save),
	     *users = strtok_r(NULL, " ", &save);
	char *state = strtok_r(NULL, " ", &save);
	if (!state)
		return false;
	size_t length = strlen(users);
	if (length && users[length - 1] == ',')
		users[length - 1] = 0;
	*out = (struct umod_kernel_module){ .name = name,
		.users = strcmp(users, "-") == 0 ? "" : users,
		.size_bytes = strtoull(size, NULL, 10),
		.references = strtoll(references, NULL, 10),
		.state = strcmp(state, "Live") == 0      ? UMOD_KERNEL_LIVE
			 : strcmp(state, "Loading") == 0 ? UMOD_KERNEL_COMING
							 : UMOD_KERNEL_GOING };
	return true;
}

static int host_visit(int (*visit)(const struct umod_kernel_module *module, void *data),
	void *data, struct umod_error *error)
{
	static const char *const words[] = { "list" };
	struct umod_kernel_module module;
	struct control_request reply;
	int result = 0, err = ask(words, 1, -1);
	while (!err && !(err = receive(&reply, error)) && reply.text[0] != '=')
		if (!result && read_line(reply.text, &module))
			result = visit(&module, data);
	if (!err)
		err = take_answer(&reply, error);
	return err ? err : result;
}

struct wanted {
	const char *name;
	enum umod_kernel_state state;
	int references;
	int (*visit)(const char *holder, void *data);
	void *data;
	int result;
};

static bool is_called(const char *name, const char *wanted)
{
	for (; *name && *wanted; name++, wanted++)
		if ((*name == '-' ? '_' : *name) != (*wanted == '-' ? '_' : *wanted))
			return false;
	return *name == *wanted;
}

static int look(const struct umod_kernel_module *module, void *data)
{
	struct wanted *wanted = data;
	if (!is_called(module->name, wanted->name))
		return 0;
	wanted->state = module->state;
	wanted->references = (int)module->references;
	char *users = tool_strdup(module->users), *save;
	for (char *user = strtok_r(users, ",", &save);
		user && wanted->visit && !wanted->result;
		user = strtok_r(NULL, ",", &save))
		if (user[0] != '[') /* [permanent] */
			wanted->result = wanted->visit(user, wanted->data);
	free(users);
	return 1;
}

static int find(struct wanted *wanted)
{
	int err = host_visit(look, wanted, NULL);
	return err < 0 ? err : 0;
}

static int host_state(const char *name)
{
	struct wanted wanted = { .name = name };
	int err = find(&wanted);
	return err ? err : (int)wanted.state;
}

static int host_references(const char *name)
{
	struct wanted wanted = { .name = name, .references = -ENOENT };
	int err = find(&wanted);
	return err ? err : wanted.references;
}

static int host_holders(
	const char *name, int (*visit)(const char *holder, void *data), void *data)
{
	struct wanted wanted = { .name = name, .visit = visit, .data = data };
	int err = find(&wanted);
	return err ? err : wanted.result;
}

int kmod_host_read(const char *what, const char *name, char **out, size_t *bytes,
	struct umod_error *error)
{
	const char *const words[] = { what, name };
	struct control_request reply;
	ssize_t got = 0;
	FILE *stream = open_memstream(out, bytes);
	int err = stream ? ask(words, 2, -1) : -ENOMEM;
	if (err)
		fail(error, UMOD_STAGE_NONE, err, "host", strerror(-err));
	while (!err) {
		got = control_receive(host_socket, &reply);
		if (got < 2 || reply.text[0] != '+')
			break;
		fwrite(reply.text + 1, 1, (size_t)got - 2, stream);
	}
	if (!err)
		err = got > 0 ? take_answer(&reply, error)
			      : fail(error, UMOD_STAGE_NONE, -EPIPE, "host",
					"does not answer");
	if (stream && fclose(stream) && !err)
		err = fail(error, UMOD_STAGE_NONE, -ENOMEM, "host", strerror(ENOMEM));
	if (err) {
		free(*out);
		*out = NULL;
	}
	return err;
}

bool kmod_use_host(const char *path)
{
	static const struct kmod_target host = { host_insert, host_remove, host_state,
		host_references, host_holders, host_visit, true };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path)) {
		kmod_error("--host %s: %s", path, strerror(ENAMETOOLONG));
		return false;
	}
	strcpy(address.sun_path, path);
	host_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (host_socket < 0 || connect(host_socket, (const struct sockaddr *)&address,
				       sizeof(address))) {
		kmod_error("--host %s: no umod host answers there: %s", path,
			strerror(errno));
		return false;
	}
	kmod_target = &host;
	return true;
}
