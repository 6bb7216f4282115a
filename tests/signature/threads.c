/* SPDX-License-Identifier: MIT */
/*
 * Back ends that several threads need for the first time at once, some of them with the
 * load lock and others without it: in children, so that each time is the first.
 */
#include "feature/feature.h"
#include "test.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <umod/umod.h>
#include <unistd.h>

#define THREADS  6
#define CHILDREN 20

static char path[4096], ring[4096];
static struct umod_context *context;
static pthread_barrier_t barrier;

static void *load(void *data)
{
	struct umod_module_info info = { .size_bytes = sizeof(info) };
	struct umod_namespace *space = NULL;
	struct umod_module *module = NULL;
	struct umod_error error;
	pthread_barrier_wait(&barrier);
	if (umod_namespace_new(context, NULL, &space, &error) ||
		umod_load(space, path, NULL, &module, &error)) {
		FAIL("%s", error.message);
		return data;
	}
	umod_module_info_get(module, &info);
	CHECK_INT(info.signature, UMOD_SIGNATURE_VERIFIED);
	CHECK_STR(info.signer, "umod test fault");
	CHECK_INT(umod_module_unref(module, &error), 0);
	umod_namespace_unref(space);
	return NULL;
}

static void *unpack(void *data)
{
	struct feature_buffer out = { 0 };
	struct umod_error error = { 0 };
	pthread_barrier_wait(&barrier);
	if (feature_read_path(AT_FDCWD, path, FEATURE_LIMIT_BYTES, &out, NULL, &error))
		FAIL("%s", error.message);
	feature_buffer_free(&out);
	return data;
}

static int child(void)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	const char *keyrings[] = { ring, NULL };
	pthread_t threads[THREADS];
	struct umod_error error;
	options.signatures = UMOD_SIGNATURES_WARN; /* what it needs is not signed */
	options.keyrings = keyrings;
	alarm(60);
	if (umod_context_new(&options, &context, &error))
		FAIL("%s", error.message);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, i % 2 ? load : unpack, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	umod_context_unref(context);
	return atomic_load(&test_failures) ? 1 : 0;
}

TEST(first_use_at_once)
{
	const char *fixtures = getenv("UMOD_TEST_FIXTURES");
	snprintf(path, sizeof(path), "%s/fault-signed.so.xz", fixtures ? fixtures : ".");
	snprintf(ring, sizeof(ring), "%s/fault-key.crt", fixtures ? fixtures : ".");
	if (access(path, R_OK))
		SKIP("built without umod sign");
	for (unsigned i = 0; i < CHILDREN; i++) {
		int status = 0;
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0)
			_exit(child());
		REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
		if (!CHECK_INT(status, 0))
			return;
	}
}
