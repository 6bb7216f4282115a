/* SPDX-License-Identifier: MIT */
/* A parameter of each type there is, an array and a callback; and a function that tells.
 */
#include "host.h"

#include <umod/author.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KNOB(type, ctype, start)          \
	static ctype k_##type = start;    \
	UMOD_PARAM(k_##type, type, 0644); \
	UMOD_PARAM_DESC(k_##type, "a " #type)

KNOB(byte, unsigned char, 1);
KNOB(short, short, -2);
KNOB(ushort, unsigned short, 3);
KNOB(int, int, -4);
KNOB(uint, unsigned, 5);
KNOB(long, long, -6);
KNOB(ulong, unsigned long, 7);
KNOB(ullong, unsigned long long, 8);
KNOB(hexint, unsigned, 0x9);
KNOB(charp, char *, NULL);
KNOB(invbool, bool, false);
KNOB(bint, int, 0);
KNOB(bool_enable_only, bool, false);

static bool k_truth; /* <stdbool.h> may make bool a macro: KNOB(bool ...) would not do */
UMOD_PARAM(k_truth, bool, 0644);
UMOD_PARAM_DESC(k_truth, "a bool");

static char k_string[16] = "text";
UMOD_PARAM_STRING(k_string, k_string, 0644);
UMOD_PARAM_DESC(k_string, "at most 15 characters");

static int k_list[4];
static unsigned k_list_count;
UMOD_PARAM_ARRAY(k_list, int, &k_list_count, 0644);
UMOD_PARAM_DESC(k_list, "at most four numbers");

/* A percentage, which no type of umod's knows. */
static int percent = 50;

static int set_percent(const char *value, const struct umod_parameter *parameter)
{
	unsigned number;
	char rest;

	if (sscanf(value, "%3u%%%c", &number, &rest) != 1 || number > 100)
		return -EINVAL;
	*(int *)parameter->arg = (int)number;
	return 0;
}

static int get_percent(char *buffer, const struct umod_parameter *parameter)
{
	return snprintf(
		buffer, UMOD_PARAMETER_TEXT_BYTES, "%d%%", *(const int *)parameter->arg);
}

static const struct umod_parameter_ops percent_ops = { 0, set_percent, get_percent,
	NULL };
UMOD_PARAM_CALLBACK(k_percent, &percent_ops, &percent, 0644);
UMOD_PARAM_DESC(k_percent, "0% to 100%");

static int secret = 1;
UMOD_PARAM_NAMED_UNSAFE(k_secret, secret, int, 0);

int knobs_show(char *text, unsigned bytes);
int knobs_show(char *text, unsigned bytes)
{
	return snprintf(text, bytes,
		"%u %d %u %d %u %ld %lu %llu %#x %s %d %d %d %d '%s' %u:%d %d%% %d",
		k_byte, k_short, k_ushort, k_int, k_uint, k_long, k_ulong, k_ullong,
		k_hexint, k_charp ? k_charp : "-", k_truth, k_invbool, k_bint,
		k_bool_enable_only, k_string, k_list_count, k_list[0], percent, secret);
}
UMOD_EXPORT_SYMBOL(knobs_show);

static int UMOD_INIT knobs_init(void)
{
	host_say("knobs: turned");
	return 0;
}

static void UMOD_EXIT knobs_exit(void)
{
	host_say("knobs: gone");
}

UMOD_MODULE(knobs, knobs_init, knobs_exit);
UMOD_LICENSE("MIT");
UMOD_DESCRIPTION("A parameter of each type");
