/* SPDX-License-Identifier: MIT */
/*
 * The types of parameters: text to variable, by the kernel's rules (kstrtox.c, params.c),
 * and back, as its sysfs shows it. Knows neither arrays nor callbacks.
 */
#include "module/internal.h"

#include <limits.h>
#include <stdio.h>

/* The most that a charp takes. */
#define CHARP_BYTES 1024

struct whole {
	const char *word; /* with its article, for messages */
	uint8_t bytes;
	bool is_signed;
};
static const struct whole wholes[] = {
	[UMOD_TYPE_BYTE] = { "a byte", 1, false },
	[UMOD_TYPE_SHORT] = { "a short", 2, true },
	[UMOD_TYPE_USHORT] = { "a ushort", 2, false },
	[UMOD_TYPE_INT] = { "an int", 4, true },
	[UMOD_TYPE_UINT] = { "a uint", 4, false },
	[UMOD_TYPE_LONG] = { "a long", sizeof(long), true },
	[UMOD_TYPE_ULONG] = { "a ulong", sizeof(long), false },
	[UMOD_TYPE_ULLONG] = { "a ullong", 8, false },
	[UMOD_TYPE_HEXINT] = { "a hexint", 4, false },
};

static const struct whole *whole_of(uint32_t type)
{
	return type < base_array_count(wholes) && wholes[type].word ? &wholes[type]
								    : NULL;
}

void module_text_put(struct module_text *text, const char *string, size_t bytes)
{
	size_t room = text->length < text->bytes ? text->bytes - text->length : 0;

	if (room > 1)
		memcpy(text->to + text->length, string,
			bytes < room - 1 ? bytes : room - 1);
	text->length += bytes;
	if (text->bytes)
		text->to[text->length < text->bytes ? text->length : text->bytes - 1] =
			'\0';
}

/* ---- whole numbers ---- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* As kstrtoull() with base 0: one newline may follow, and nothing else. */
static int parse_digits(const char *s, uint64_t *out)
{
	unsigned base = 10, digits = 0;
	bool overflow = false;

	*out = 0;
	if (s[0] == '0') {
		base = 8;
		if ((s[1] | 0x20) == 'x' && digit_of(s[2]) < 16) {
			base = 16;
			s += 2;
		}
	}
	for (unsigned digit; (digit = (unsigned)digit_of(*s)) < base; s++, digits++) {
		overflow |= __builtin_mul_overflow(*out, (uint64_t)base, out);
		overflow |= __builtin_add_overflow(*out, (uint64_t)digit, out);
	}
	if (overflow)
		return -ERANGE;
	if (digits == 0)
		return -EINVAL;
	s += *s == '\n';
	return *s ? -EINVAL : 0;
}

/* The value as two's complement, if @whole holds it. */
static int parse_whole(const struct whole *whole, const char *s, uint64_t *out)
{
	unsigned bits = whole->bytes * 8u;
	uint64_t most = UINT64_MAX >> (64 - bits + whole->is_signed);
	bool negative = whole->is_signed && s[0] == '-';
	int result = parse_digits(s + (negative || s[0] == '+'), out);

	if (result)
		return result;
	if (*out > most + negative)
		return -ERANGE;
	if (negative)
		*out = 0 - *out;
	return 0;
}

static void tell_range(const struct whole *whole, int code, const char *value, char *what,
	size_t what_bytes)
{
	unsigned bits = whole->bytes * 8u;
	uint64_t most = UINT64_MAX >> (64 - bits + whole->is_signed);
	char range[64];

	if (whole->is_signed)
		snprintf(range, sizeof(range), "from -%llu to %llu",
			(unsigned long long)most + 1, (unsigned long long)most);
	else
		snprintf(
			range, sizeof(range), "from 0 to %llu", (unsigned long long)most);
	if (code == -ERANGE)
		snprintf(what, what_bytes, "'%.100s' is out of range: %s is %s", value,
			whole->word, range);
	else
		snprintf(what, what_bytes,
			"'%.100s' is not %s, which is a whole number %s: decimal, 0x..., "
			"or octal after a 0",
			value, whole->word, range);
}

static void get_whole(uint32_t type, const struct whole *whole, const void *arg,
	struct module_text *out)
{
	char text[32];
	uint64_t value = 0;

	memcpy(&value, arg, whole->bytes); /* little-endian */
	unsigned shift = 64 - whole->bytes * 8u;
	int length;
	if (type == UMOD_TYPE_HEXINT)
		length = snprintf(text, sizeof(text), "0x%06x", (unsigned)value);
	else if (whole->is_signed)
		length = snprintf(text, sizeof(text), "%lld",
			(long long)((int64_t)(value << shift) >> shift));
	else
		length = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	module_text_put(out, text, (size_t)length);
}

/* ---- truth ---- */

/* As kstrtobool(): the first letter tells, of "o..." the second. */
static int parse_bool(const char *s, bool *out)
{
	char second = s[0] ? s[1] : '\0';

	if (s[0] && strchr("eEyYtT1", s[0]))
		*out = true;
	else if (s[0] && strchr("dDnNfF0", s[0]))
		*out = false;
	else if ((s[0] | 0x20) == 'o' && (second | 0x20) == 'n')
		*out = true;
	else if ((s[0] | 0x20) == 'o' && (second | 0x20) == 'f')
		*out = false;
	else
		return -EINVAL;
	return 0;
}

static int set_bool(
	uint32_t type, void *arg, const char *value, char *what, size_t what_bytes)
{
	bool truth, old;

	if (parse_bool(value ? value : "1", &truth)) {
		snprintf(what, what_bytes,
			"'%.100s' is no truth: it may be y, yes, true, on, 1 or enable; "
			"n, no, "
			"false, off, 0 or disable",
			value);
		return -EINVAL;
	}
	if (type == UMOD_TYPE_BINT) {
		int number = truth;
		memcpy(arg, &number, sizeof(number));
		return 0;
	}
	old = *(const unsigned char *)arg != 0;
	if (type == UMOD_TYPE_BOOL_ENABLE_ONLY && old && !truth) {
		snprintf(what, what_bytes, "it is set, and can be unset no more");
		return -EROFS;
	}
	truth ^= type == UMOD_TYPE_INVBOOL;
	memcpy(arg, &truth, sizeof(truth));
	return 0;
}

/* ---- text ---- */

static int set_charp(void *arg, const char *value, module_keep *keep, void *owner,
	char *what, size_t what_bytes)
{
	size_t length = strlen(value);

	if (length > CHARP_BYTES) {
		snprintf(what, what_bytes, "its text has %zu bytes, and may have %d",
			length, CHARP_BYTES);
		return -ENOSPC;
	}
	const char *copy = keep(owner, arg, value);
	if (!copy) {
		snprintf(what, what_bytes, "out of memory");
		return -ENOMEM;
	}
	/* At once: the module's threads may be reading it. */
	__atomic_store_n((const char **)arg, copy, __ATOMIC_RELEASE);
	return 0;
}

static int set_string(const struct umod_parameter_string *string, const char *value,
	char *what, size_t what_bytes)
{
	size_t length = strlen(value);

	if (length >= string->bytes) {
		snprintf(what, what_bytes, "its text has %zu bytes, and may have %u",
			length, string->bytes - 1);
		return -ENOSPC;
	}
	memcpy(string->text, value, length + 1);
	return 0;
}

/* ---- all of them ---- */

int module_type_set(uint32_t type, void *arg, const char *value, module_keep *keep,
	void *owner, char *what, size_t what_bytes)
{
	const struct whole *whole = whole_of(type);
	uint64_t number;

	if (whole) {
		int result = parse_whole(whole, value, &number);
		if (result == 0)
			memcpy(arg, &number, whole->bytes); /* little-endian */
		else
			tell_range(whole, result, value, what, what_bytes);
		return result;
	}
	if (type == UMOD_TYPE_CHARP)
		return set_charp(arg, value, keep, owner, what, what_bytes);
	if (type == UMOD_TYPE_STRING)
		return set_string(arg, value, what, what_bytes);
	return set_bool(type, arg, value, what, what_bytes);
}

void module_type_get(uint32_t type, const void *arg, struct module_text *out)
{
	const struct whole *whole = whole_of(type);
	const struct umod_parameter_string *string = arg;
	const char *text;
	int number;

	switch (type) {
	case UMOD_TYPE_CHARP:
		text = __atomic_load_n((const char *const *)arg, __ATOMIC_ACQUIRE);
		text = text ? text : "(null)";
		module_text_put(out, text, strlen(text));
		break;
	case UMOD_TYPE_STRING:
		module_text_put(out, string->text, strnlen(string->text, string->bytes));
		break;
	case UMOD_TYPE_BINT:
		memcpy(&number, arg, sizeof(number));
		get_whole(UMOD_TYPE_INT, &wholes[UMOD_TYPE_INT], &number, out);
		break;
	case UMOD_TYPE_BOOL:
	case UMOD_TYPE_BOOL_ENABLE_ONLY:
		module_text_put(out, *(const unsigned char *)arg ? "Y" : "N", 1);
		break;
	case UMOD_TYPE_INVBOOL:
		module_text_put(out, *(const unsigned char *)arg ? "N" : "Y", 1);
		break;
	default:
		if (whole)
			get_whole(type, whole, arg, out);
	}
}

size_t module_type_bytes(uint32_t type)
{
	const struct whole *whole = whole_of(type);

	switch (type) {
	case UMOD_TYPE_CHARP:
		return sizeof(char *);
	case UMOD_TYPE_BINT:
		return sizeof(int);
	case UMOD_TYPE_BOOL:
	case UMOD_TYPE_INVBOOL:
	case UMOD_TYPE_BOOL_ENABLE_ONLY:
		return sizeof(bool);
	default:
		return whole ? whole->bytes : 0;
	}
}

bool module_type_is_bare(uint32_t type)
{
	return type == UMOD_TYPE_BOOL || type == UMOD_TYPE_BINT ||
	       type == UMOD_TYPE_BOOL_ENABLE_ONLY;
}
