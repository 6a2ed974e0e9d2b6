/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions that a test calls, for harnesses that include its source: they
 * print the results.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "test.h"

static void stub_say(const char *prefix, struct test *test,
		     const char *format, va_list args)
{
	vsnprintf(test->outcome->why, WHY_LENGTH, format, args);
	printf("%s %s\n", prefix, test->outcome->why);
}

void test_say(const struct test *test, const char *format, ...)
{
	(void)test;
	(void)format;
}

void test_not_ok(struct test *test, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	stub_say("NOT OK", test, format, args);
	va_end(args);
}

void test_failed(struct test *test, const char *step, int error)
{
	test_not_ok(test, "cannot %s: %d", step, error);
}

void test_skip(struct test *test, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	stub_say("SKIP", test, format, args);
	va_end(args);
}

void test_exact(const struct test *test, const char *name, __u64 value,
		const char *unit)
{
	(void)test;
	printf("%s %llu %s exact\n", name, value, unit);
}

void test_varies(const struct test *test, const char *name, __u64 value,
		 const char *unit)
{
	(void)test;
	printf("%s %llu %s varies\n", name, value, unit);
}

const char *human(__u64 bytes, char text[32])
{
	snprintf(text, 32, "%llu", bytes);
	return text;
}
