/* SPDX-License-Identifier: MIT */
/* Runs one scenario of the dlfcn semantics: semantics FOLDER SCENARIO, or a list. */
#include "semantics.h"

static const char *folder;

__attribute__((visibility("default"))) const char *common(void);

const char *common(void)
{
	return "program";
}

const char *plugin(const char *name)
{
	static char path[8][4096];
	static unsigned turn;
	char *out = path[turn++ % 8];
	snprintf(out, sizeof(path[0]), "%s/lib%s.so", folder, name);
	return out;
}

const char *last_part(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return !path ? "none" : slash ? slash + 1 : path;
}

/* Of a message, what programs and people look for. */
const char *reason(void)
{
	static const char *const known[] = { "undefined symbol: ",
		"cannot open shared object file: No such file or directory",
		"invalid ELF header", "file too short", "invalid mode for dlopen()",
		"invalid mode parameter", "invalid target namespace",
		"shared object not open", "version " };
	static char text[256];
	const char *message = dlerror();
	if (!message)
		return "no message";
	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const char *at = strstr(message, known[i]);
		if (!at)
			continue;
		size_t length = strlen(known[i]);
		/* And the name behind it. */
		if (known[i][length - 1] == ' ')
			length += strcspn(at + length, " ,:;(\n");
		snprintf(text, sizeof(text), "%.*s", (int)length, at);
		return text;
	}
	snprintf(text, sizeof(text), "a message");
	return text;
}

void *open_told(const char *name, int mode)
{
	void *handle = dlopen(plugin(name), mode);
	printf("open %s: %s\n", name, handle ? "yes" : reason());
	return handle;
}

void close_told(void *handle)
{
	printf("close: %d\n", dlclose(handle));
}

void there(const char *name)
{
	void *handle = dlopen(plugin(name), RTLD_LAZY | RTLD_NOLOAD);
	printf("%s is %s\n", name, handle ? "there" : "not there");
	if (handle)
		dlclose(handle);
}

const char *say(void *handle, const char *name)
{
	const char *(*function)(void);
	*(void **)&function = dlsym(handle, name);
	return function ? function() : "none";
}

int call(void *handle, const char *name)
{
	int (*function)(void);
	*(void **)&function = dlsym(handle, name);
	return function ? function() : -1;
}

static int run(const struct scenario *list, const char *name)
{
	for (; list->name; list++)
		if (!name) {
			puts(list->name);
		} else if (strcmp(list->name, name) == 0) {
			list->run();
			printf("end of main\n");
			return 1;
		}
	return 0;
}

int main(int argc, char **argv)
{
	const struct scenario *const all[] = { order_scenarios, symbol_scenarios,
		info_scenarios, thread_scenarios };
	const char *name = argc > 2 ? argv[2] : NULL;
	int found = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	folder = argc > 1 ? argv[1] : ".";
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all) && !found; i++)
		found = run(all[i], name);
	return name && !found;
}
