/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is it memory that is behind a BAR?  Only then may a test write to it.
 *
 * No property of a BAR says so: many a device has its doorbells in one that is
 * prefetchable, and registers may keep what is written to them.  So only
 * devices that are known to have memory there are written to, by vendor,
 * device and BAR.  Further conditions are that the BAR is prefetchable, as
 * memory is, and that the first word of the range keeps two words that are
 * written to it by the file; what was there before is put back.
 */
#ifndef ALIGNMENT_RAM_H
#define ALIGNMENT_RAM_H

#include <stdbool.h>

#include "test.h"

/*
 * Whether any test may write to the BAR, of whatever group.  *why is NULL if
 * so, else the reason, after which nothing must be written.  0 or -errno.
 */
int __ram_ask(const struct test *test, const char **why);

/* The same for a test that is nothing without: skips it, with the reason. */
bool is_ram(struct test *test);

#endif /* ALIGNMENT_RAM_H */
