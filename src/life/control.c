/* SPDX-License-Identifier: MIT */
/*
 * A socket by which the tools reach the modules of a process. Packets of SOCK_SEQPACKET;
 * a request is strings that end with NUL:
 *
 *   "insert" PATH OPTIONS FLAGS    with a descriptor of the file
 *   "remove" NAME FLAGS
 *   "list"                         a packet for each line of /proc/modules, then the end
 *   "text" NAME                    as umod_text; packets "+" and a part of it, then the
 *                                  end
 *   "file" PATH                    as umod_module_file; the same
 *
 * The answer, or the end of a list: "=" and the code in decimal, the stage in decimal,
 * the subject, the sentence; each ended by NUL. One request at a time, one client after
 * the other.
 */
#include "base/control.h"

#include "life/life.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENT_WAIT_S 5 /* for a request, once connected */

struct umod_control {
	struct umod_namespace *space; /* a reference */
	int listener, wake;           /* wake: an eventfd that ends the thread */
	pthread_t thread;
	char *path;
};

/* ---- requests ---- */

static void answer(int client, int code, const struct umod_error *error)
{
	char text[CONTROL_PACKET_BYTES];
	int bytes = snprintf(text, sizeof(text), "=%d%c%d%c%s%c%s", code, 0,
		code ? (int)error->stage : 0, 0, code ? error->subject : "", 0,
		code ? error->message : "");
	if (bytes > 0 && (size_t)bytes < sizeof(text))
		send(client, text, (size_t)bytes + 1, MSG_NOSIGNAL);
}

static void insert(const struct umod_control *control, int client,
	const struct control_request *request)
{
	struct umod_error error = { 0 };
	struct umod_source source = { .size_bytes = sizeof(source),
		.path = request->words[1],
		.has_descriptor = true,
		.descriptor = request->descriptor };
	struct umod_insert_options options = { .size_bytes = sizeof(options) };
	int result = -EINVAL;
	if (request->count != 4 || request->descriptor < 0) {
		base_error(&error, UMOD_STAGE_NONE, result, "insert",
			"a file, its options and flags are wanted");
	} else {
		options.parameters = request->words[2];
		options.flags = (unsigned)strtoul(request->words[3], NULL, 10);
		result = life_insert(control->space, &source, &options, NULL, &error);
	}
	answer(client, result, &error);
}

static void remove_one(const struct umod_control *control, int client,
	const struct control_request *request)
{
	struct umod_error error = { 0 };
	int result = -EINVAL;
	if (request->count != 3)
		base_error(&error, UMOD_STAGE_NONE, result, "remove",
			"a name and flags are wanted");
	else
		result = life_remove(control->space, request->words[1],
			(unsigned)strtoul(request->words[2], NULL, 10), 0, &error);
	answer(client, result, &error);
}

static void list(const struct umod_control *control, int client)
{
	struct umod_error error = { 0 };
	char *text, *end;
	int result = life_text(control->space, UMOD_TEXT_MODULES, &text, &error);
	for (char *line = text; !result && *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = 0;
		/* A line is longer than a packet only with very many users: cut. */
		size_t bytes = (size_t)(end - line) + 1;
		if (bytes > CONTROL_PACKET_BYTES)
			bytes = CONTROL_PACKET_BYTES;
		if (send(client, line, bytes, MSG_NOSIGNAL) < 0)
			break;
	}
	free(text);
	answer(client, result, &error);
}

/* In packets that end with a NUL, as all do. */
static void send_parts(int client, const char *text, size_t bytes)
{
	char packet[CONTROL_PACKET_BYTES] = "+";
	while (bytes) {
		size_t part = bytes < sizeof(packet) - 2 ? bytes : sizeof(packet) - 2;
		memcpy(packet + 1, text, part);
		packet[part + 1] = 0;
		if (send(client, packet, part + 2, MSG_NOSIGNAL) < 0)
			return;
		text += part;
		bytes -= part;
	}
}

static void tell(const struct umod_control *control, int client,
	const struct control_request *request)
{
	static const char *const names[] = { [UMOD_TEXT_MODULES] = "modules",
		[UMOD_TEXT_LSMOD] = "lsmod",
		[UMOD_TEXT_KALLSYMS] = "kallsyms",
		[UMOD_TEXT_KSYMS] = "ksyms",
		[UMOD_TEXT_STATS] = "stats",
		[UMOD_TEXT_UNLOADED_TAINTED] = "unloaded-tainted",
		[UMOD_TEXT_JSON] = "json" };
	struct umod_error error = { 0 };
	const char *name = request->count == 2 ? request->words[1] : "";
	char *text = NULL;
	unsigned which = 0;
	while (which < base_array_count(names) && strcmp(names[which], name) != 0)
		which++;
	int result =
		which < base_array_count(names)
			? life_text(control->space, (enum umod_text)which, &text, &error)
			: base_error(&error, UMOD_STAGE_NONE, -EINVAL, name,
				  "is nothing that this version can show");
	if (!result)
		send_parts(client, text, strlen(text));
	free(text);
	answer(client, result, &error);
}

static void tell_file(const struct umod_control *control, int client,
	const struct control_request *request)
{
	struct umod_error error = { 0 };
	char *text = NULL;
	int result = request->count == 2
			     ? life_file(control->space, request->words[1], &text, &error)
			     : base_error(&error, UMOD_STAGE_NONE, -EINVAL, "file",
				       "a path is wanted");
	if (result > 0)
		send_parts(client, text, (size_t)result);
	free(text);
	answer(client, result < 0 ? result : 0, &error);
}

static void serve(const struct umod_control *control, int client)
{
	struct control_request request;
	struct timeval limit = { CLIENT_WAIT_S, 0 };
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) ||
		(peer.uid != geteuid() && peer.uid != 0))
		return;
	while (control_receive(client, &request) > 0) {
		const char *what = request.count ? request.words[0] : "";
		struct umod_error error = { 0 };
		if (strcmp(what, "insert") == 0)
			insert(control, client, &request);
		else if (strcmp(what, "remove") == 0)
			remove_one(control, client, &request);
		else if (strcmp(what, "list") == 0)
			list(control, client);
		else if (strcmp(what, "text") == 0)
			tell(control, client, &request);
		else if (strcmp(what, "file") == 0)
			tell_file(control, client, &request);
		else
			answer(client,
				base_error(&error, UMOD_STAGE_NONE, -ENOTSUP, what,
					"is no request that this version knows"),
				&error);
		if (request.descriptor >= 0)
			close(request.descriptor);
	}
}

static void *run(void *data)
{
	struct umod_control *control = data;
	struct pollfd polled[] = { { .fd = control->listener, .events = POLLIN },
		{ .fd = control->wake, .events = POLLIN } };
	while (true) {
		if (poll(polled, 2, -1) < 0)
			continue;
		if (polled[1].revents)
			return NULL;
		int client = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0)
			continue;
		serve(control, client);
		close(client);
	}
}

/* ---- beginning and end ---- */

static int listen_at(const char *path, int *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strcpy(address.sun_path, path);
	const struct sockaddr *at = (const struct sockaddr *)&address;
	/* A socket that nobody listens on any more is in the way. */
	if (connect(fd, at, sizeof(address)) == 0) {
		close(fd);
		return -EADDRINUSE;
	}
	if (errno == ECONNREFUSED)
		unlink(path);
	/* Nobody else may connect, not even between bind and chmod: the directory's mode
	 * and the umask aside, each peer is asked who it is. */
	int result = bind(fd, at, sizeof(address)) || chmod(path, 0600) || listen(fd, 16)
			     ? -errno
			     : 0;
	if (result)
		close(fd);
	else
		*out = fd;
	return result;
}

static int start(struct umod_control *control)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* they are the program's */
	int result = pthread_create(&control->thread, NULL, run, control);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -result;
}

static void release(struct umod_control *control)
{
	if (control->listener >= 0) {
		close(control->listener);
		unlink(control->path);
	}
	if (control->wake >= 0)
		close(control->wake);
	registry_namespace_unref(control->space);
	base_free(control->path);
	base_free(control);
}

int life_control_new(struct umod_namespace *space, const char *path,
	struct umod_control **out, struct umod_error *error)
{
	struct sockaddr_un address;
	*out = NULL;
	if (strlen(path) >= sizeof(address.sun_path))
		return base_error(error, UMOD_STAGE_NONE, -ENAMETOOLONG, path,
			"a socket's path has at most %zu bytes",
			sizeof(address.sun_path) - 1);
	struct umod_control *control = base_zalloc(sizeof(*control));
	if (!control)
		return base_error(error, UMOD_STAGE_NONE, -ENOMEM, path,
			"no memory for a control socket");
	registry_namespace_ref(space);
	*control = (struct umod_control){
		.space = space, .listener = -1, .path = base_strdup(path)
	};
	control->wake = eventfd(0, EFD_CLOEXEC);
	int result = !control->path ? -ENOMEM : control->wake < 0 ? -errno : 0;
	if (!result)
		result = listen_at(path, &control->listener);
	if (!result)
		result = start(control);
	if (result) {
		release(control);
		return base_error(error, UMOD_STAGE_NONE, result, path,
			"no control socket there: %s", strerror(-result));
	}
	*out = control;
	return 0;
}

void life_control_free(struct umod_control *control)
{
	uint64_t one = 1;
	if (write(control->wake, &one, sizeof(one)) == sizeof(one))
		pthread_join(control->thread, NULL);
	release(control);
}
