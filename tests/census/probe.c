/* SPDX-License-Identifier: MIT */
/*
 * The census's child: loads one file, so that its init functions run, unloads it, so that
 * its fini functions run, and says on a descriptor how far it came. Built twice: with
 * dlopen (CENSUS_DLOPEN), and with umod.
 *
 * Usage: probe process|new FILE DESCRIPTOR. It writes "start", then "loaded MICROSECONDS"
 * or "refused MESSAGE", then "gone" or "stays MESSAGE", and at last "end"; what is
 * missing tells where it died. The library owns stdout and stderr.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int report_fd;

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...)
{
	char line[2048];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(line, sizeof(line) - 1, format, list);
	va_end(list);
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	for (int i = 0; i < length; i++) {
		if (line[i] == '\n' || line[i] == '\t')
			line[i] = ' ';
	}
	line[length] = '\n';
	if (write(report_fd, line, (size_t)length + 1) < 0)
		_exit(125);
}

static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

#ifdef CENSUS_DLOPEN
#include <dlfcn.h>

static void probe(const char *mode, const char *path)
{
	long start = now_us();
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!handle) {
		report("refused %s", dlerror());
		return;
	}
	report("loaded %ld", now_us() - start);
	if (dlclose(handle) != 0) {
		report("stays %s", dlerror());
		return;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	report(handle ? "stays (dlopen does not say why)" : "gone");
}
#else
#include <umod/umod.h>

static void probe(const char *mode, const char *path)
{
	struct umod_error error = { 0 };
	struct umod_context *context;
	struct umod_namespace *space;
	struct umod_module *module;
	long start = now_us();
	int result;

	if (umod_context_new(NULL, &context, &error) < 0) {
		report("refused %s: %s", umod_stage_name(error.stage), error.message);
		return;
	}
	space = umod_namespace_ref(umod_context_process_namespace(context));
	if (strcmp(mode, "new") == 0) {
		umod_namespace_unref(space);
		if (umod_namespace_new(context, NULL, &space, &error) < 0) {
			report("refused %s: %s", umod_stage_name(error.stage),
				error.message);
			return;
		}
	}
	if (umod_load(space, path, NULL, &module, &error) < 0) {
		report("refused %s: %s: %s", umod_stage_name(error.stage), error.subject,
			error.message);
	} else {
		report("loaded %ld", now_us() - start);
		result = umod_module_unref(module, &error);
		if (result == 0)
			report("gone");
		else
			report("stays %d %s", result, error.message);
	}
	umod_namespace_unref(space);
	umod_context_unref(context);
}
#endif

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	report_fd = atoi(argv[3]);
	report("start");
	probe(argv[1], argv[2]);
	report("end");
	return 0;
}
