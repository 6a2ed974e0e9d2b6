/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is a BAR backed by memory?  Only then may a test write to it.
 *
 * No property of a BAR shows this: many devices have their doorbells in a
 * prefetchable BAR, and registers may keep what is written to them.  So tests
 * write only to devices that are known to have memory there, by vendor, device
 * and BAR.  Two more conditions: the BAR is prefetchable, as memory is, and the
 * first word of the range keeps two words that are written to it by the file.
 * Its original content is restored.
 */
#ifndef ALIGNMENT_RAM_H
#define ALIGNMENT_RAM_H

#include <stdbool.h>

#include "test.h"

/*
 * Whether a test, of any group, may write to the BAR.  *why is NULL if so, else
 * the reason, and then nothing must be written.  0 or -errno.
 */
int __ram_check(const struct test *test, const char **why);

/* The same for a test that needs it: skips the test with the reason. */
bool is_ram(struct test *test);

#endif /* ALIGNMENT_RAM_H */
