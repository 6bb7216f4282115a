/* SPDX-License-Identifier: MIT */
/*
 * The packets of the control socket, for who serves it and for the tools that ask; see
 * life/control.c. Needs nothing of umod's.
 */
#ifndef UMOD_BASE_CONTROL_H
#define UMOD_BASE_CONTROL_H

#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define CONTROL_PACKET_BYTES 65536
#define CONTROL_WORDS        4

struct control_request {
	char text[CONTROL_PACKET_BYTES];
	const char *words[CONTROL_WORDS]; /* in text; each ended */
	unsigned count;
	int descriptor; /* that came along, or -1 */
};

/* Divides the @bytes of text, whose last is made a NUL, into words. */
static inline void control_split(struct control_request *request, size_t bytes)
{
	char *at = request->text, *end = request->text + bytes;
	request->text[bytes ? bytes - 1 : 0] = 0;
	for (request->count = 0; at < end && request->count < CONTROL_WORDS;
		at += strlen(at) + 1)
		request->words[request->count++] = at;
}

/* One packet. Its bytes; 0 or less: the other side is gone, or there was an error. */
static inline ssize_t control_receive(int socket, struct control_request *out)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { out->text, sizeof(out->text) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	out->descriptor = -1;
	out->count = 0;
	ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *extra = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (extra && extra->cmsg_level == SOL_SOCKET && extra->cmsg_type == SCM_RIGHTS &&
		extra->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&out->descriptor, CMSG_DATA(extra), sizeof(int));
	if (got > 0)
		control_split(out, (size_t)got);
	return got;
}

/* One packet of @bytes, with @descriptor unless that is -1. */
static inline ssize_t control_send(
	int socket, const char *text, size_t bytes, int descriptor)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { (char *)text, bytes };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	if (descriptor >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}

#endif
