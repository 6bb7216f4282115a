/* SPDX-License-Identifier: MIT */
/*
 * LLVM's C interface in two copies of libLLVM-14: builds a module, verifies it, prints
 * it, then compiles it in memory and runs what came out.
 */
#include "use.h"

/* int add_twice(int a, int b) { return (a + b) + b; } */
static void *build(struct use_copy *copy, void *context, const char *name)
{
	void *(*module_new)(const char *, void *), *(*int32)(void *);
	void *(*function_type)(void *, void **, unsigned, int);
	void *(*function_add)(void *, const char *, void *);
	void *(*block_append)(void *, void *, const char *), *(*builder_new)(void *);
	void (*position)(void *, void *), (*builder_free)(void *);
	void *(*param)(void *, unsigned), *(*add)(void *, void *, void *, const char *);
	void *(*ret)(void *, void *), *module, *types[2], *function, *builder, *sum;

	USE_GET(copy, module_new, "LLVMModuleCreateWithNameInContext");
	USE_GET(copy, int32, "LLVMInt32TypeInContext");
	USE_GET(copy, function_type, "LLVMFunctionType");
	USE_GET(copy, function_add, "LLVMAddFunction");
	USE_GET(copy, block_append, "LLVMAppendBasicBlockInContext");
	USE_GET(copy, builder_new, "LLVMCreateBuilderInContext");
	USE_GET(copy, builder_free, "LLVMDisposeBuilder");
	USE_GET(copy, position, "LLVMPositionBuilderAtEnd");
	USE_GET(copy, param, "LLVMGetParam");
	USE_GET(copy, add, "LLVMBuildAdd");
	USE_GET(copy, ret, "LLVMBuildRet");
	module = module_new(name, context);
	types[0] = types[1] = int32(context);
	function =
		function_add(module, "add_twice", function_type(types[0], types, 2, 0));
	builder = builder_new(context);
	position(builder, block_append(context, function, "entry"));
	sum = add(builder, param(function, 0), param(function, 1), "once");
	ret(builder, add(builder, sum, param(function, 1), "twice"));
	builder_free(builder);
	return module;
}

/* Takes @module: the engine frees it. */
static void compile_and_run(struct use_copy *copy, void *module)
{
	int (*create)(void **, void *, void *, size_t, char **), (*add_twice)(int, int);
	uint64_t (*address)(void *, const char *);
	void (*engine_free)(void *);
	void *engine = NULL;
	char *message = NULL;
	uint64_t where;

	USE_GET(copy, create, "LLVMCreateMCJITCompilerForModule");
	USE_GET(copy, address, "LLVMGetFunctionAddress");
	USE_GET(copy, engine_free, "LLVMDisposeExecutionEngine");
	if (create(&engine, module, NULL, 0, &message) != 0) {
		FAIL("no engine: %s", message ? message : "");
		return;
	}
	where = address(engine, "add_twice");
	CHECK(where != 0);
	if (where) {
		memcpy(&add_twice, &where, sizeof(where));
		CHECK_INT(add_twice(30, 6), 42);
		CHECK_INT(add_twice(-1, -1), -3);
	}
	engine_free(engine);
}

static void begin(struct use_copy *copy)
{
	static const char *const names[] = { "LLVMInitializeX86TargetInfo",
		"LLVMInitializeX86Target", "LLVMInitializeX86TargetMC",
		"LLVMInitializeX86AsmPrinter", "LLVMLinkInMCJIT" };
	void (*initialize)(void);

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		USE_GET(copy, initialize, names[i]);
		initialize();
	}
}

static void work(struct use_copy *copy, unsigned thread)
{
	void *(*context_new)(void), *context, *module;
	void (*context_free)(void *), (*message_free)(char *);
	int (*verify)(void *, int, char **);
	char *(*print)(void *), *text, *message = NULL;
	char name[32], should[64];

	USE_GET(copy, context_new, "LLVMContextCreate");
	USE_GET(copy, context_free, "LLVMContextDispose");
	USE_GET(copy, message_free, "LLVMDisposeMessage");
	USE_GET(copy, verify, "LLVMVerifyModule");
	USE_GET(copy, print, "LLVMPrintModuleToString");
	snprintf(name, sizeof(name), "copy%u-thread%u", copy->index, thread);
	context = context_new();
	module = build(copy, context, name);
	CHECK_INT(verify(module, 2, &message), 0); /* 2: return the status */
	message_free(message);
	text = print(module);
	snprintf(should, sizeof(should), "; ModuleID = '%s'", name);
	CHECK_HAS(text, should);
	CHECK_HAS(text, "define i32 @add_twice(i32 %0, i32 %1) {\nentry:\n"
			"  %once = add i32 %0, %1\n  %twice = add i32 %once, %1\n"
			"  ret i32 %twice\n}\n");
	message_free(text);
	compile_and_run(copy, module);
	context_free(context);
}

TEST(a_module_in_libLLVM)
{
	use_side_by_side(&(struct use_work){ .library = "libLLVM-14.so.1",
		.begin = begin,
		.work = work,
		.may_stay = true });
}
