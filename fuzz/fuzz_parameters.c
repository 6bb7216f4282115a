/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: parses the input as a module's parameters, of which there is one of each
 * type, and reads all of them back; what was told must fit what was returned, and what is
 * shown must be taken again.
 */
#include "fuzz.h"
#include "module/module.h"

static unsigned char p_byte;
static short p_short;
static unsigned short p_ushort;
static int p_int, p_bint, p_array[3];
static unsigned p_uint, p_hexint, p_count;
static long p_long;
static unsigned long p_ulong;
static unsigned long long p_ullong;
static char *p_charp, p_string[8], *p_texts[2];
static bool p_bool, p_invbool, p_once;
static const struct umod_parameter_string string = { sizeof(p_string), p_string };
static const struct umod_parameter_array array = { 3, sizeof(int), UMOD_TYPE_INT, 0,
	&p_count, p_array };
static const struct umod_parameter_array texts = { 2, sizeof(char *), UMOD_TYPE_CHARP, 0,
	NULL, p_texts };
static const struct umod_parameter items[] = {
	{ "a", UMOD_TYPE_BYTE, 0644, -1, 0, NULL, &p_byte },
	{ "b", UMOD_TYPE_SHORT, 0644, -1, 0, NULL, &p_short },
	{ "c", UMOD_TYPE_USHORT, 0644, -1, 0, NULL, &p_ushort },
	{ "d", UMOD_TYPE_INT, 0644, -1, 0, NULL, &p_int },
	{ "e", UMOD_TYPE_UINT, 0644, -1, 0, NULL, &p_uint },
	{ "f", UMOD_TYPE_LONG, 0644, -1, 0, NULL, &p_long },
	{ "g", UMOD_TYPE_ULONG, 0644, -1, 0, NULL, &p_ulong },
	{ "h", UMOD_TYPE_ULLONG, 0644, -1, 0, NULL, &p_ullong },
	{ "i", UMOD_TYPE_HEXINT, 0644, -1, 0, NULL, &p_hexint },
	{ "j", UMOD_TYPE_CHARP, 0644, -1, 0, NULL, &p_charp },
	{ "k", UMOD_TYPE_BOOL, 0644, -1, 0, NULL, &p_bool },
	{ "l", UMOD_TYPE_INVBOOL, 0644, -1, 0, NULL, &p_invbool },
	{ "m", UMOD_TYPE_BINT, 0644, -1, 0, NULL, &p_bint },
	{ "n", UMOD_TYPE_BOOL_ENABLE_ONLY, 0644, -1, 0, NULL, &p_once },
	{ "o", UMOD_TYPE_STRING, 0644, -1, 0, NULL, (void *)&string },
	{ "p-q", UMOD_TYPE_ARRAY, 0644, -1, 0, NULL, (void *)&array },
	{ "r_s", UMOD_TYPE_ARRAY, 0644, -1, 0, NULL, (void *)&texts },
};

static size_t told;

static void tell(enum module_parameter_event event, const char *name, const char *value,
	void *data)
{
	told += (name ? strlen(name) : 0) + (value ? strlen(value) : 0);
	if (event == MODULE_PARAMETER_UNKNOWN && !name)
		abort();
}

static void read_back(struct module_parameters *parameters)
{
	static char first[UMOD_PARAMETER_TEXT_BYTES], second[UMOD_PARAMETER_TEXT_BYTES];

	for (unsigned i = 0; i < base_array_count(items); i++) {
		const char *name = items[i].name;
		/* "(null)" and commas within a text come back as something else. */
		if (items[i].type == UMOD_TYPE_ARRAY && items[i].arg == &texts)
			continue;
		int length = module_parameter_get(
			parameters, name, first, sizeof(first), NULL);
		if (length < 0 || (size_t)length != strlen(first))
			abort();
		/* An array of which nothing was given is shown empty. */
		if (!first[0] && items[i].type == UMOD_TYPE_ARRAY)
			continue;
		if (module_parameter_set(parameters, name, first, NULL, NULL) ||
			module_parameter_get(parameters, name, second, sizeof(second),
				NULL) != length ||
			strcmp(first, second) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct module_parameter_listener listener = { tell, NULL };
	struct module_parameters *parameters;
	struct umod_error error = { 0 };
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	p_charp = p_texts[0] = p_texts[1] = NULL;
	p_once = false;
	if (module_parameters_new(
		    "fuzz", items, base_array_count(items), &parameters, NULL))
		abort();
	int result = module_parameters_parse(parameters, text, &listener, &error);
	if (error.code != result || !error.message[0] != !result)
		abort();
	read_back(parameters);
	module_parameters_free(parameters);
	free(text);
	return 0;
}
