/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KTAP version 1, on stdout and, if a path is given, also in a file.
 *
 * depth is the nesting: 0 for the device, 1 for a BAR, 2 for a placement.
 */
#ifndef ALIGNMENT_KTAP_H
#define ALIGNMENT_KTAP_H

#include <stdbool.h>

#include "lib/compiler.h"

/* Every line is written when it ends.  path may be NULL.  0 or -errno. */
int __ktap_open(const char *path);

/* Print the version line, and the number of tests that follow at this depth. */
void ktap_plan(int depth, int nr_tests);

/* The same for the subtests of a test, with the name of that test. */
void ktap_subtests(int depth, const char *name, int nr_tests);

__printf(2, 3)
void ktap_diag(int depth, const char *format, ...);

void ktap_result(int depth, bool ok, int number, const char *name);

/* The same with a reason; directive is SKIP, ERROR or NULL. */
__printf(6, 7)
void ktap_result_why(int depth, bool ok, int number, const char *name,
		     const char *directive, const char *format, ...);

/*
 * End a program that cannot be set up: the only top-level test, the device, is
 * not ok with the directive ERROR.  Exits with SETUP_FAILED.
 */
__noreturn __printf(2, 3)
void ktap_setup_failed(const char *device, const char *format, ...);

/* Exit statuses of the program. */
enum {
	ALL_OK = 0,
	SOME_NOT_OK = 1,
	USAGE_ERROR = 2,
	SETUP_FAILED = 3,
};

#endif /* ALIGNMENT_KTAP_H */
