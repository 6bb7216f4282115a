// SPDX-License-Identifier: MIT
// Plugins in C++: a unique object, a thread_local with a destructor, exceptions that one
// throws and another catches.
#include <cstdio>
#include <stdexcept>

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

struct Said {
	const char *name;
	explicit Said(const char *n) : name(n)
	{
		printf("+%s\n", name);
	}
	~Said()
	{
		printf("-%s\n", name);
	}
};
static Said said(TEXT(NAME));

struct One {
	static int &counter()
	{
		static int value; // unique in a process, whoever asks
		return value;
	}
};

struct Kept {
	~Kept()
	{
		printf("thread's end in %s\n", TEXT(NAME));
	}
	int value = 3;
};
static thread_local Kept kept;

extern "C" {
__attribute__((visibility("default"))) int count()
{
	return ++One::counter();
}
__attribute__((visibility("default"))) int keep()
{
	return kept.value++;
}
__attribute__((visibility("default"))) void throw_it()
{
	throw std::runtime_error("thrown by " TEXT(NAME));
}
__attribute__((visibility("default"))) int catch_it(void (*thrower)())
{
	try {
		thrower();
	} catch (const std::exception &error) {
		printf("%s caught: %s\n", TEXT(NAME), error.what());
		return 1;
	}
	return 0;
}
}
