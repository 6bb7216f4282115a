/* SPDX-License-Identifier: MIT */
/*
 * bench/object_jit.cpp: links one relocatable object by LLVM's linkers for code made at
 * run time: "object-jit runtimedyld|jitlink FILE FUNCTION" loads it, makes it executable,
 * registers its frames and looks one function up, and prints what that took. Reading the
 * file counts, making LLVM's own session does not.
 */
#include <llvm/ExecutionEngine/JITLink/EHFrameSupport.h>
#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/ExecutionEngine/Orc/ExecutionUtils.h>
#include <llvm/ExecutionEngine/Orc/ExecutorProcessControl.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/ExecutionEngine/RuntimeDyld.h>
#include <llvm/ExecutionEngine/SectionMemoryManager.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/MemoryBuffer.h>

#include <cstdio>
#include <cstring>
#include <ctime>

using namespace llvm;

static double clock_ns(clockid_t clock)
{
	timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static double wall, cpu;

static void start()
{
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int finish(uint64_t address)
{
	double cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	double wall_ns = clock_ns(CLOCK_MONOTONIC) - wall;
	if (!address)
		return 1;
	printf("cpu_ns %.6g\nwall_ns %.6g\n", cpu_ns, wall_ns);
	printf("result %d\n", ((int (*)(int))address)(1));
	return 0;
}

static std::unique_ptr<MemoryBuffer> read_file(const char *path)
{
	auto buffer = MemoryBuffer::getFile(path);
	if (!buffer) {
		fprintf(stderr, "%s: %s\n", path, buffer.getError().message().c_str());
		exit(2);
	}
	return std::move(*buffer);
}

static int runtime_dyld(const char *path, const char *function)
{
	SectionMemoryManager memory;
	RuntimeDyld dyld(memory, memory);
	start();
	auto buffer = read_file(path);
	auto object = cantFail(object::ObjectFile::createObjectFile(*buffer));
	auto loaded = dyld.loadObject(*object);
	dyld.resolveRelocations();
	if (dyld.hasError()) {
		fprintf(stderr, "%s\n", dyld.getErrorString().str().c_str());
		return 2;
	}
	dyld.registerEHFrames();
	memory.finalizeMemory();
	return finish(dyld.getSymbol(function).getAddress());
}

static int jit_link(const char *path, const char *function)
{
	orc::ExecutionSession session(cantFail(orc::SelfExecutorProcessControl::Create()));
	auto &library = cantFail(session.createJITDylib("main"));
	library.addGenerator(
		cantFail(orc::DynamicLibrarySearchGenerator::GetForCurrentProcess('\0')));
	orc::ObjectLinkingLayer layer(
		session, cantFail(jitlink::InProcessMemoryManager::Create()));
	layer.addPlugin(std::make_unique<orc::EHFrameRegistrationPlugin>(
		session, std::make_unique<jitlink::InProcessEHFrameRegistrar>()));
	start();
	cantFail(layer.add(library, read_file(path)));
	auto symbol = cantFail(session.lookup({ &library }, function));
	int result = finish(symbol.getAddress());
	cantFail(session.endSession());
	return result;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "runtimedyld") == 0)
		return runtime_dyld(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "jitlink") == 0)
		return jit_link(argv[2], argv[3]);
	fputs("usage: object-jit runtimedyld|jitlink FILE FUNCTION\n", stderr);
	return 2;
}
