/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel logs while a test runs: a mapping that is handled wrongly
 * is often mended in silence, but for a line such as "bad pud".
 */
#ifndef ALIGNMENT_KLOG_H
#define ALIGNMENT_KLOG_H

#include "test.h"

/* From here on.  A file, or -errno. */
int __klog_open(void);

/*
 * Not ok where the kernel has logged since then that something is wrong in its
 * own code, or an error of VFIO's.  Other errors may be anybody's: they are
 * said.  Closes the file.
 */
void klog_check(struct test *test, int klog);

#endif /* ALIGNMENT_KLOG_H */
