// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/ktap.h"

/* Static buffers: malloc'ed ones would cause faults during a measurement. */
static char stdout_buffer[BUFSIZ];
static char file_buffer[BUFSIZ];
static FILE *file;

int __ktap_open(const char *path)
{
	setvbuf(stdout, stdout_buffer, _IOLBF, sizeof(stdout_buffer));
	if (!path)
		return 0;
	file = fopen(path, "we");
	if (!file)
		return -errno;
	setvbuf(file, file_buffer, _IOLBF, sizeof(file_buffer));
	return 0;
}

__printf(1, 0)
static void vsay(const char *format, va_list args)
{
	va_list copy;

	va_copy(copy, args);
	vprintf(format, copy);
	va_end(copy);
	if (file)
		vfprintf(file, format, args);
}

__printf(1, 2)
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

static void indent(int depth)
{
	say("%*s", 2 * depth, "");
}

static void say_version(int depth)
{
	indent(depth);
	say("KTAP version 1\n");
}

static void say_plan(int depth, int nr_tests)
{
	indent(depth);
	say("1..%d\n", nr_tests);
}

void ktap_plan(int depth, int nr_tests)
{
	say_version(depth);
	say_plan(depth, nr_tests);
}

void ktap_subtests(int depth, const char *name, int nr_tests)
{
	say_version(depth);
	ktap_diag(depth, "Subtest: %s", name);
	say_plan(depth, nr_tests);
}

void ktap_diag(int depth, const char *format, ...)
{
	va_list args;

	indent(depth);
	say("# ");
	va_start(args, format);
	vsay(format, args);
	va_end(args);
	say("\n");
}

static void say_result(int depth, bool ok, int number, const char *name)
{
	indent(depth);
	say("%s %d %s", ok ? "ok" : "not ok", number, name);
}

void ktap_result(int depth, bool ok, int number, const char *name)
{
	say_result(depth, ok, number, name);
	say("\n");
}

void ktap_result_why(int depth, bool ok, int number, const char *name,
		     const char *directive, const char *format, ...)
{
	va_list args;

	say_result(depth, ok, number, name);
	say(" # ");
	if (directive)
		say("%s ", directive);
	va_start(args, format);
	vsay(format, args);
	va_end(args);
	say("\n");
}

void ktap_setup_failed(const char *device, const char *format, ...)
{
	va_list args;
	char why[256];

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	ktap_result_why(0, false, 1, device, "ERROR", "%s", why);
	fprintf(stderr, "alignment: %s: %s\n", device, why);
	exit(SETUP_FAILED);
}
