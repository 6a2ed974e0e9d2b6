/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel logs while a test runs.  It often corrects a mapping that it
 * handled wrongly, and a line such as "bad pud" is the only evidence.
 */
#ifndef ALIGNMENT_KLOG_H
#define ALIGNMENT_KLOG_H

#include "test.h"

/* Open the log at its present end.  Returns a file or -errno. */
int __klog_open(void);

/*
 * Report not ok if the kernel has logged since __klog_open() that something in
 * its own code is wrong, or an error of VFIO.  Other errors may have nothing to
 * do with the test: they are printed.  Closes the file.
 */
void klog_check(struct test *test, int klog);

#endif /* ALIGNMENT_KLOG_H */
