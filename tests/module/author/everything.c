/* SPDX-License-Identifier: MIT */
/* A module that uses all that <umod/author.h> has; compiled as C and as C++. */
#include <umod/author.h>

#ifndef __cplusplus
#include <stdbool.h>
#endif

UMOD_LICENSE("Dual MIT/GPL");
UMOD_AUTHOR("A \"quoted\" one");
UMOD_AUTHOR("Another = one");
UMOD_DESCRIPTION("It has all, umlauts too: \xc3\xa4");
UMOD_VERSION("1.2-rc3");
UMOD_ALIAS("fmt-*");
UMOD_ALIAS("char-major-10-[0-9]?");
UMOD_DEPENDS("one,two-more");
UMOD_SOFTDEP("pre: before post: after later");
UMOD_WEAKDEP("perhaps");
UMOD_NEEDED("libz.so.1");
UMOD_IMPORT_NS("SPACE_A");
UMOD_IMPORT_NS("SPACE_B");
UMOD_INFO("own", "key");

static unsigned char p_byte = 1;
static short p_short = -2;
static unsigned short p_ushort = 3;
static volatile int p_int = -4;
static unsigned int p_uint = 5;
static long p_long = -6;
static unsigned long p_ulong = 7;
static unsigned long long p_ullong = 8;
static unsigned int p_hexint = 0x9;
static const char *p_charp = "ten";
static char *p_charp_own;
static char p_string[12] = "eleven";
static bool p_bool = true;
static bool p_invbool;
static int p_bint = 1;
static bool p_bool_enable_only;
static int p_array[4] = { 1, 2 };
static unsigned int p_array_count = 2;
static char *p_texts[3];
static bool p_flags[2];

UMOD_PARAM(p_byte, byte, 0644);
UMOD_PARAM(p_short, short, 0644);
UMOD_PARAM(p_ushort, ushort, 0644);
UMOD_PARAM(p_int, int, 0444);
UMOD_PARAM_DESC(p_int, "a number: whole");
UMOD_PARAM(p_uint, uint, 0644);
UMOD_PARAM(p_long, long, 0644);
UMOD_PARAM(p_ulong, ulong, 0644);
UMOD_PARAM(p_ullong, ullong, 0644);
UMOD_PARAM(p_hexint, hexint, 0644);
UMOD_PARAM(p_charp, charp, 0644);
UMOD_PARAM_NAMED(own_text, p_charp_own, charp, 0);
UMOD_PARAM_STRING(p_string, p_string, 0644);
UMOD_PARAM(p_bool, bool, 0644);
UMOD_PARAM(p_invbool, invbool, 0644);
UMOD_PARAM(p_bint, bint, 0644);
UMOD_PARAM_UNSAFE(p_bool_enable_only, bool_enable_only, 0644);
UMOD_PARAM_ARRAY(p_array, int, &p_array_count, 0644);
UMOD_PARAM_ARRAY_NAMED(texts, p_texts, charp, NULL, 0600);
UMOD_PARAM_ARRAY(p_flags, bool, NULL, 0644);

static int twice;

static int set_twice(const char *value, const struct umod_parameter *parameter)
{
	*(int *)parameter->arg = value ? 2 * (value[0] - '0') : -1;
	return 0;
}

static int get_twice(char *buffer, const struct umod_parameter *parameter)
{
	buffer[0] = (char)('0' + *(int *)parameter->arg / 2);
	buffer[1] = '\0';
	return 1;
}

static const struct umod_parameter_ops twice_ops = { UMOD_PARAMETER_NOARG, set_twice,
	get_twice, NULL };
UMOD_PARAM_CALLBACK(twice, &twice_ops, &twice, 0644);
UMOD_PARAM_DESC(twice, "half of it");

#ifdef __cplusplus
extern "C" {
#endif
int author_plain(void);
int author_gpl(void);
int author_spaced(void);
int author_friends(void);
extern int author_variable;
#ifdef __cplusplus
}
#endif

int author_plain(void)
{
	return p_int + p_short + p_ushort + p_byte + p_bint + (p_bool ? 1 : 0);
}
UMOD_EXPORT_SYMBOL(author_plain);

int author_gpl(void)
{
	return (int)(p_long + (long)p_ulong + (long)p_ullong + (long)p_uint) +
	       (int)p_hexint + p_array[0];
}
UMOD_EXPORT_SYMBOL_GPL(author_gpl);

int author_spaced(void)
{
	return p_string[0] + (p_charp ? p_charp[0] : 0) + (p_charp_own ? 1 : 0) +
	       (p_texts[0] ? 1 : 0) + p_flags[1];
}
UMOD_EXPORT_SYMBOL_NS(author_spaced, "SPACE");
UMOD_EXPORT_SYMBOL_NS_GPL(author_variable, "SPACE");
int author_variable = 5;

int author_friends(void)
{
	return p_invbool || p_bool_enable_only;
}
UMOD_EXPORT_SYMBOL_FOR(author_friends, "friend,pal_*");

static int UMOD_INIT_DATA start_value = 3;
static int started UMOD_RO_AFTER_INIT;

static int UMOD_INIT everything_init(void)
{
	started = start_value;
	return UMOD_THIS_MODULE ? 0 : started - 3;
}

static void UMOD_EXIT everything_exit(void)
{
}

UMOD_MODULE(everything, everything_init, everything_exit);
