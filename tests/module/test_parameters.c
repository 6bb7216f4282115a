/* SPDX-License-Identifier: MIT */
/*
 * Parameters: what each type takes and shows, its limits and its messages; arrays, texts,
 * callbacks; and how a line of them is cut up, as the kernel's parse_args does it.
 */
#include "module/module.h"
#include "test.h"

#include <limits.h>

static unsigned char p_byte;
static short p_short;
static unsigned short p_ushort;
static int p_int, p_bint;
static unsigned p_uint, p_hexint, p_count;
static long p_long;
static unsigned long p_ulong;
static unsigned long long p_ullong;
static const char *p_charp;
static char p_string[8];
static bool p_bool, p_invbool, p_bool_enable_only;
static int p_array[3];
static char *p_texts[2];
static bool p_flags[2];
static int custom_value, custom_frees;

static int custom_set(const char *value, const struct umod_parameter *parameter)
{
	if (value && value[0] == '!')
		return -EDOM;
	if (value && value[0] == '+')
		return 5;
	*(int *)parameter->arg = value ? (int)strlen(value) : -1;
	return 0;
}

static int custom_get(char *buffer, const struct umod_parameter *parameter)
{
	if (*(int *)parameter->arg == 7)
		return -EIO;
	if (*(int *)parameter->arg == 8)
		return UMOD_PARAMETER_TEXT_BYTES;
	return sprintf(buffer, "%d long\n", *(int *)parameter->arg);
}

static void custom_free(void *arg)
{
	custom_frees += arg == &custom_value;
}

static const struct umod_parameter_ops custom_ops = { UMOD_PARAMETER_NOARG, custom_set,
	custom_get, custom_free };
static const struct umod_parameter_ops closed_ops = { 0, NULL, NULL, NULL };
static const struct umod_parameter_string string = { sizeof(p_string), p_string };
static const struct umod_parameter_array array = { 3, sizeof(int), UMOD_TYPE_INT, 0,
	&p_count, p_array };
static const struct umod_parameter_array texts = { 2, sizeof(char *), UMOD_TYPE_CHARP, 0,
	NULL, p_texts };
static const struct umod_parameter_array flags = { 2, sizeof(bool), UMOD_TYPE_BOOL, 0,
	NULL, p_flags };

#define ITEM(word, type)                                              \
	{                                                             \
#word, UMOD_TYPE_##type, 0644, -1, 0, NULL, &p_##word \
	}
static const struct umod_parameter items[] = {
	ITEM(byte, BYTE),
	ITEM(short, SHORT),
	ITEM(ushort, USHORT),
	ITEM(int, INT),
	ITEM(uint, UINT),
	ITEM(long, LONG),
	ITEM(ulong, ULONG),
	ITEM(ullong, ULLONG),
	ITEM(hexint, HEXINT),
	ITEM(charp, CHARP),
	ITEM(bool, BOOL),
	ITEM(invbool, INVBOOL),
	ITEM(bint, BINT),
	ITEM(bool_enable_only, BOOL_ENABLE_ONLY),
	{ "string", UMOD_TYPE_STRING, 0644, -1, 0, NULL, (void *)&string },
	{ "array", UMOD_TYPE_ARRAY, 0644, -1, 0, NULL, (void *)&array },
	{ "texts", UMOD_TYPE_ARRAY, 0644, -1, 0, NULL, (void *)&texts },
	{ "flags", UMOD_TYPE_ARRAY, 0644, -1, 0, NULL, (void *)&flags },
	{ "custom", UMOD_TYPE_CUSTOM, 0644, -1, 0, &custom_ops, &custom_value },
	{ "closed", UMOD_TYPE_CUSTOM, 0644, -1, 0, &closed_ops, NULL },
	{ "read_only", UMOD_TYPE_INT, 0444, -1, 0, NULL, &p_int },
	{ "write-only", UMOD_TYPE_INT, 0200, -1, 0, NULL, &p_int },
	{ "unseen", UMOD_TYPE_INT, 0, -1, 0, NULL, &p_int },
	{ "unsafe", UMOD_TYPE_INT, 0644, -1, UMOD_PARAMETER_UNSAFE, NULL, &p_int },
};

static struct module_parameters *begin(void)
{
	struct module_parameters *p = NULL;
	CHECK_INT(module_parameters_new("mod", items, base_array_count(items), &p, NULL),
		0);
	p_charp = NULL;
	p_bool_enable_only = false;
	memset(p_texts, 0, sizeof(p_texts));
	return p;
}

#define WHOLE(word, range)                                  \
	"' is not " word ", which is a whole number " range \
	": decimal, 0x..., or octal after a 0"
#define TRUTH                                                                           \
	"' is no truth: it may be y, yes, true, on, 1 or enable; n, no, false, off, 0 " \
	"or disable"

static const struct {
	const char *name, *value, *shown; /* NULL: refused */
	int result;
	const char *message; /* behind "parameter NAME: " */
} cases[] = {
	{ "byte", "0", "0" },
	{ "byte", "255", "255" },
	{ "byte", "0xff", "255" },
	{ "byte", "+7", "7" },
	{ "byte", "256", NULL, -ERANGE,
		"'256' is out of range: a byte is from 0 to 255" },
	{ "byte", "-1", NULL, -EINVAL, "'-1" WHOLE("a byte", "from 0 to 255") },
	{ "short", "32767", "32767" },
	{ "short", "-32768", "-32768" },
	{ "short", "32768", NULL, -ERANGE,
		"'32768' is out of range: a short is from -32768 to 32767" },
	{ "short", "-32769", NULL, -ERANGE,
		"'-32769' is out of range: a short is from -32768 to 32767" },
	{ "ushort", "65535", "65535" },
	{ "ushort", "65536", NULL, -ERANGE,
		"'65536' is out of range: a ushort is from 0 to 65535" },
	{ "int", "2147483647", "2147483647" },
	{ "int", "-2147483648", "-2147483648" },
	{ "int", "-0", "0" },
	{ "int", "017", "15" },
	{ "int", "0X1f\n", "31" },
	{ "int", "-0x10", "-16" },
	{ "int", "2147483648", NULL, -ERANGE,
		"'2147483648' is out of range: an int is from -2147483648 to "
		"2147483647" },
	{ "int", "-2147483649", NULL, -ERANGE,
		"'-2147483649' is out of range: an int is from -2147483648 to "
		"2147483647" },
	{ "int", "", NULL, -EINVAL,
		"'" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "int", "1k", NULL, -EINVAL,
		"'1k" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "int", "08", NULL, -EINVAL,
		"'08" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "int", "0x", NULL, -EINVAL,
		"'0x" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "int", "--1", NULL, -EINVAL,
		"'--1" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "int", "-+1", NULL, -EINVAL,
		"'-+1" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "int", " 1", NULL, -EINVAL,
		"' 1" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "int", "1\n\n", NULL, -EINVAL,
		"'1\n\n" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "uint", "4294967295", "4294967295" },
	{ "uint", "4294967296", NULL, -ERANGE,
		"'4294967296' is out of range: a uint is from 0 to 4294967295" },
	{ "long", "9223372036854775807", "9223372036854775807" },
	{ "long", "-9223372036854775808", "-9223372036854775808" },
	{ "long", "9223372036854775808", NULL, -ERANGE,
		"'9223372036854775808' is out of range: a long is from "
		"-9223372036854775808 to 9223372036854775807" },
	{ "ulong", "18446744073709551615", "18446744073709551615" },
	{ "ulong", "18446744073709551616", NULL, -ERANGE,
		"'18446744073709551616' is out of range: a ulong is from 0 to "
		"18446744073709551615" },
	/* Overflow is told before what follows is looked at. */
	{ "ullong", "99999999999999999999x", NULL, -ERANGE,
		"'99999999999999999999x' is out of range: a ullong is from 0 to "
		"18446744073709551615" },
	{ "ullong", "01777777777777777777777", "18446744073709551615" },
	{ "hexint", "0", "0x000000" },
	{ "hexint", "255", "0x0000ff" },
	{ "hexint", "0xffffffff", "0xffffffff" },
	{ "bool", "y", "Y" },
	{ "bool", "no", "N" },
	{ "bool", "1", "Y" },
	{ "bool", "0", "N" },
	{ "bool", "True", "Y" },
	{ "bool", "false", "N" },
	{ "bool", "on", "Y" },
	{ "bool", "OFF", "N" },
	{ "bool", "enable", "Y" },
	{ "bool", "disable", "N" },
	{ "bool", "o", NULL, -EINVAL, "'o" TRUTH },
	{ "bool", "2", NULL, -EINVAL, "'2" TRUTH },
	{ "bool", "", NULL, -EINVAL, "'" TRUTH },
	{ "invbool", "y", "Y" },
	{ "invbool", "0", "N" },
	{ "invbool", "?", NULL, -EINVAL, "'?" TRUTH },
	{ "bint", "on", "1" },
	{ "bint", "n", "0" },
	{ "bint", "5", NULL, -EINVAL, "'5" TRUTH },
	{ "bool_enable_only", "0", "N" },
	{ "bool_enable_only", "1", "Y" },
	{ "bool_enable_only", "1", "Y" },
	{ "bool_enable_only", "0", NULL, -EROFS, "it is set, and can be unset no more" },
	{ "string", "1234567", "1234567" },
	{ "string", "", "" },
	{ "string", "12345678", NULL, -ENOSPC, "its text has 8 bytes, and may have 7" },
	{ "charp", "", "" },
	{ "charp", "some text", "some text" },
	{ "array", "1", "1" },
	{ "array", "1,-2,0x3", "1,-2,3" },
	{ "array", "1,2,3,4", NULL, -EINVAL, "it takes 3 values, and no more" },
	{ "array", "1,,3", NULL, -EINVAL,
		"value 2: '" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "array", "5,6,x", NULL, -EINVAL,
		"value 3: 'x" WHOLE("an int", "from -2147483648 to 2147483647") },
	{ "texts", "a,b", "a,b" },
	{ "texts", "c", "c,b" },
	{ "texts", ",", "," },
	{ "flags", "y,0", "Y,N" },
	{ "custom", "12345", "5 long" },
	{ "custom", "!", NULL, -EDOM,
		"the module refuses '!': Numerical argument out of domain" },
	{ "custom", "+", NULL, -EINVAL, "the module refuses '+': Invalid argument" },
	{ "closed", "1", NULL, -EPERM, "it cannot be set" },
	{ "write_only", "5" },
};

TEST(types)
{
	struct module_parameters *p = begin();
	char text[UMOD_PARAMETER_TEXT_BYTES], expected[512];

	for (unsigned i = 0; i < base_array_count(cases); i++) {
		struct umod_error error = { 0 };
		CHECK_INT(module_parameter_set(
				  p, cases[i].name, cases[i].value, NULL, &error),
			cases[i].result);
		CHECK_INT(error.code, cases[i].result);
		if (cases[i].message) {
			snprintf(expected, sizeof(expected), "parameter %s: %s",
				cases[i].name, cases[i].message);
			CHECK_STR(error.message, expected);
			CHECK_STR(error.subject, "mod");
			CHECK_INT(error.stage, UMOD_STAGE_PARAMETERS);
		}
		if (cases[i].shown) {
			CHECK_INT(module_parameter_get(
					  p, cases[i].name, text, sizeof(text), &error),
				strlen(cases[i].shown));
			CHECK_STR(text, cases[i].shown);
		}
	}
	CHECK_INT(p_count, 2); /* two of 5,6,x were values */
	module_parameters_free(p);
	CHECK_INT(custom_frees, 1);
}

TEST(invbool_is_turned_round)
{
	struct module_parameters *p = begin();

	CHECK_INT(module_parameter_set(p, "invbool", "y", NULL, NULL), 0);
	CHECK(!p_invbool);
	CHECK_INT(module_parameter_set(p, "invbool", "n", NULL, NULL), 0);
	CHECK(p_invbool);
	module_parameters_free(p);
}

TEST(texts_are_kept)
{
	struct module_parameters *p = begin();
	struct umod_error error = { 0 };
	char text[1100], shown[10];

	CHECK_INT(module_parameter_get(p, "charp", shown, sizeof(shown), NULL), 6);
	CHECK_STR(shown, "(null)");
	CHECK_INT(module_parameter_set(p, "charp", "one", NULL, NULL), 0);
	const char *one = p_charp;
	CHECK_INT(module_parameter_set(p, "charp", "two", NULL, NULL), 0);
	CHECK_STR(one, "one");
	CHECK_INT(module_parameter_set(p, "charp", "one", NULL, NULL), 0);
	CHECK(p_charp == one);
	/* Two variables have a copy each. */
	CHECK_INT(module_parameter_set(p, "texts", "one,one", NULL, NULL), 0);
	CHECK(p_texts[0] != p_texts[1] && p_texts[0] != one);
	p_texts[0][0] = 'O';
	CHECK_INT(module_parameter_set(p, "texts", "one,one", NULL, NULL), 0);
	CHECK_STR(p_texts[0], "one");

	memset(text, 'x', sizeof(text));
	text[1024] = '\0';
	CHECK_INT(module_parameter_set(p, "charp", text, NULL, NULL), 0);
	CHECK_INT(module_parameter_get(p, "charp", shown, sizeof(shown), NULL), 1024);
	CHECK_STR(shown, "xxxxxxxxx");
	CHECK_INT(module_parameter_get(p, "charp", NULL, 0, NULL), 1024);
	text[1024] = 'x';
	text[1025] = '\0';
	CHECK_INT(module_parameter_set(p, "charp", text, NULL, &error), -ENOSPC);
	CHECK_STR(error.message,
		"parameter charp: its text has 1025 bytes, and may have 1024");
	module_parameters_free(p);
}

TEST(permissions)
{
	struct module_parameters *p = begin();
	static const struct {
		const char *name;
		int set, get;
		const char *message;
	} table[] = {
		{ "read-only", -EACCES, 1,
			"parameter read_only: it is not to be set while the module "
			"lives: its "
			"permissions are 0444" },
		{ "write_only", 0, -EACCES,
			"parameter write-only: it is not to be read: its permissions are "
			"0200" },
		{ "unseen", -EACCES, -EACCES,
			"parameter unseen: it is not to be set while the module lives: "
			"its "
			"permissions are 0000" },
		{ "nothing", -ENOENT, -ENOENT, "it has no parameter 'nothing'" },
		{ "closed", -EPERM, -EPERM, "parameter closed: it cannot be set" },
	};
	char text[64];

	for (unsigned i = 0; i < base_array_count(table); i++) {
		struct umod_error error = { 0 };
		CHECK_INT(module_parameter_set(p, table[i].name, "3", NULL, &error),
			table[i].set);
		CHECK_INT(module_parameter_get(
				  p, table[i].name, text, sizeof(text), &error),
			table[i].get);
		CHECK_STR(error.message, table[i].message);
		/* When it is loaded they do not count. */
		if (table[i].set == -EACCES) {
			snprintf(text, sizeof(text), "%s=4", table[i].name);
			CHECK_INT(module_parameters_parse(p, text, NULL, NULL), 0);
			CHECK_INT(p_int, 4);
			p_int = 0;
		}
	}
	custom_value = 7;
	CHECK_INT(module_parameter_get(p, "custom", text, sizeof(text), NULL), -EIO);
	custom_value = 8;
	CHECK_INT(module_parameter_get(p, "custom", text, sizeof(text), NULL), -E2BIG);
	module_parameters_free(p);
}

/* ---- lines ---- */

static char told[400];

static void tell(enum module_parameter_event event, const char *name, const char *value,
	void *data)
{
	static const char *const words[] = { "unknown", "ignored", "unsafe" };
	size_t used = strlen(told);

	CHECK(data == told);
	snprintf(told + used, sizeof(told) - used, "%s%s[%s][%s]", used ? " " : "",
		words[event], name ? name : "", value ? value : "(none)");
}

static const struct module_parameter_listener listener = { tell, told };

TEST(lines)
{
	static const struct {
		const char *line;
		int result;
		const char *number, *text, *told, *message;
	} table[] = {
		{ "", 0, "0", "-", "" },
		{ "  \t\n ", 0, "0", "-", "" },
		{ "int=5 charp=a", 0, "5", "a", "" },
		{ "  int=5\tcharp=a  ", 0, "5", "a", "" },
		{ "charp=\"a b\" int=1", 0, "1", "a b", "" },
		{ "\"charp=a b\" int=1", 0, "1", "a b", "" },
		{ "charp=a\" \"b", 0, "0", "a\" \"b", "" },
		{ "charp=\"", 0, "0", "", "" },
		{ "charp=\"\" int=2", 0, "2", "", "" },
		{ "charp=\"a int=3", 0, "0", "a int=3", "" },
		{ "charp=a=b", 0, "0", "a=b", "" },
		{ "int=1 int=2", 0, "2", "-", "" },
		{ "in-t=1 bool-enable_only", 0, "0", "-", "unknown[in-t][1]" },
		{ "what ever=\"x y\"", 0, "0", "-",
			"unknown[what][(none)] unknown[ever][x y]" },
		{ "async_probe dyndbg=+p async-probe=0", 0, "0", "-", "" },
		{ "int=1 -- int=2 \"x", 0, "1", "-", "ignored[][int=2 \"x]" },
		{ "int=1 --", 0, "1", "-", "" },
		{ "--=5 int=1", 0, "1", "-", "unknown[--][5]" },
		{ "unsafe=9", 0, "9", "-", "unsafe[unsafe][9]" },
		{ "=5", 0, "0", "-", "unknown[=5][(none)]" },
		{ "int=x charp=b int=99999999999", -ERANGE, "0", "b", "",
			"parameter int: '99999999999' is out of range: an int is from "
			"-2147483648 to 2147483647" },
		{ "int=99999999999 invbool charp=c", -EINVAL, "0", "c", "",
			"parameter invbool: it needs a value, invbool=..." },
		{ "array int=4", -EINVAL, "4", "-", "",
			"parameter array: it needs a value, array=..." },
		{ "custom bool bint", 0, "0", "-", "" },
	};

	for (unsigned i = 0; i < base_array_count(table); i++) {
		struct module_parameters *p = begin();
		struct umod_error error = { 0 };
		char number[16];
		p_int = 0;
		told[0] = '\0';
		CHECK_INT(module_parameters_parse(p, table[i].line, &listener, &error),
			table[i].result);
		CHECK_INT(error.code, table[i].result);
		CHECK_STR(error.message, table[i].message ? table[i].message : "");
		module_parameter_get(p, "int", number, sizeof(number), NULL);
		CHECK_STR(number, table[i].number);
		CHECK_STR(p_charp ? p_charp : "-", table[i].text);
		CHECK_STR(told, table[i].told);
		module_parameters_free(p);
	}
	CHECK_INT(custom_value, -1);
	CHECK(p_bool && p_bint == 1);
}

/* ---- threads ---- */

static void *set_and_get(void *data)
{
	struct module_parameters *p = data;
	char text[64];

	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "int=%u charp=t%u custom=%u array=1,2,3", i,
			i % 7, i);
		CHECK_INT(module_parameters_parse(p, text, NULL, NULL), 0);
		CHECK(module_parameter_get(p, "charp", text, sizeof(text), NULL) == 2);
		CHECK(text[0] == 't');
		CHECK(module_parameter_get(p, "int", text, sizeof(text), NULL) > 0);
		CHECK_INT(module_parameter_get(p, "array", text, sizeof(text), NULL), 5);
		CHECK_STR(text, "1,2,3");
	}
	return NULL;
}

TEST(threads)
{
	struct module_parameters *p = begin();
	pthread_t threads[4];

	CHECK_INT(module_parameter_set(p, "charp", "t0", NULL, NULL), 0);
	for (unsigned i = 0; i < base_array_count(threads); i++)
		REQUIRE_INT(pthread_create(&threads[i], NULL, set_and_get, p), 0);
	for (unsigned i = 0; i < base_array_count(threads); i++)
		pthread_join(threads[i], NULL);
	module_parameters_free(p);
}

/* ---- the array itself ---- */

TEST(unsound)
{
	const struct umod_parameter_array odd = { 2, 2, UMOD_TYPE_INT, 0, NULL, p_array };
	const struct umod_parameter_array nested = { 2, 24, UMOD_TYPE_ARRAY, 0, NULL,
		p_array };
	const struct umod_parameter_array empty = { 0, 4, UMOD_TYPE_INT, 0, NULL,
		p_array };
	const struct umod_parameter_string none = { 0, p_string };
	const struct umod_parameter bad[] = {
		{ NULL, UMOD_TYPE_INT, 0, -1, 0, NULL, &p_int },
		{ "", UMOD_TYPE_INT, 0, -1, 0, NULL, &p_int },
		{ "x", UMOD_TYPE_INT, 0, -1, 0, NULL, NULL },
		{ "x", UMOD_TYPE_ARRAY + 1, 0, -1, 0, NULL, &p_int },
		{ "x", UINT32_MAX, 0, -1, 0, NULL, &p_int },
		{ "x", UMOD_TYPE_CUSTOM, 0, -1, 0, NULL, &p_int },
		{ "x", UMOD_TYPE_ARRAY, 0, -1, 0, NULL, NULL },
		{ "x", UMOD_TYPE_ARRAY, 0, -1, 0, NULL, (void *)&odd },
		{ "x", UMOD_TYPE_ARRAY, 0, -1, 0, NULL, (void *)&nested },
		{ "x", UMOD_TYPE_ARRAY, 0, -1, 0, NULL, (void *)&empty },
		{ "x", UMOD_TYPE_STRING, 0, -1, 0, NULL, (void *)&none },
		{ "x", UMOD_TYPE_STRING, 0, -1, 0, NULL, NULL },
	};

	for (unsigned i = 0; i < base_array_count(bad); i++) {
		struct umod_error error = { 0 };
		struct module_parameters *p;
		CHECK_INT(module_parameters_new("mod", &bad[i], 1, &p, &error), -ENOEXEC);
		CHECK_INT(error.code, -ENOEXEC);
		CHECK(!p);
	}
	module_parameters_free(NULL);
}

TEST(no_memory)
{
	for (uint64_t n = 1;; n++) {
		struct umod_error error = { 0 };
		struct module_parameters *p = NULL;
		base_fault_arm(n, ENOMEM);
		int result = module_parameters_new(
			"mod", items, base_array_count(items), &p, &error);
		if (result == 0)
			result = module_parameters_parse(
				p, "charp=a texts=b,c int=3", NULL, &error);
		base_fault_arm(0, 0);
		module_parameters_free(p);
		if (result == 0)
			break;
		CHECK_INT(result, -ENOMEM);
		CHECK_INT(error.code, -ENOMEM);
		REQUIRE(n < 100);
	}
}
