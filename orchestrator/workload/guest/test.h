/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests are made of.  A test is about one BAR.  It runs in a process of
 * its own, with a device that was opened only for it.  So all its effects on
 * the device, on its mappings and on the process end with the test.
 */
#ifndef ALIGNMENT_TEST_H
#define ALIGNMENT_TEST_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/bar.h"
#include "lib/compiler.h"
#include "lib/placement.h"
#include "lib/vfio_device.h"
#include "options.h"

/* The nesting of the lines of a test. */
#define TEST_DEPTH	2

#define WHY_LENGTH	256

#define NO_PLACEMENT	-1

/* Why nothing is mapped for DMA. */
#define NO_IOMMU	"no IOMMU in the guest (no-IOMMU mode)"

struct test;

struct test_kind {
	const char *name;	/* in the results, unique */
	int placement;		/* NO_PLACEMENT if it does not test one */
	enum iommu_mode mode;	/* how the device is opened */
	bool any_bar;		/* run even if the BAR cannot be mapped */
	bool needs_iommu;	/* it only tests mapping for DMA */
	/* Another program opens the device: nothing it does is exact. */
	bool by_others;
	/* Reports with the functions below; ok if it reports nothing. */
	void (*run)(struct test *test);
	int variant;		/* for kinds that share a function */
};

struct test {
	const struct options *options;
	const struct test_kind *kind;
	const struct vfio *vfio;
	const struct bar *bar;	/* the file of its range is vfio's device */
	struct outcome *outcome;
};

/* The result of a test that has ended. */
struct outcome {
	bool skipped;
	char why[WHY_LENGTH];	/* the first problem; empty for none */
};

/* Print a diagnostic line. */
__printf(2, 3)
void test_say(const struct test *test, const char *format, ...);

/*
 * Report not ok for this reason.  The first reason is the test's result, the
 * others are printed.
 */
__printf(2, 3)
void test_not_ok(struct test *test, const char *format, ...);

/* The same for a step that returned -errno. */
void test_failed(struct test *test, const char *step, int error);

/* Report that there is nothing to test; a test that is not ok stays so. */
__printf(2, 3)
void test_skip(struct test *test, const char *format, ...);

/* Write a measurement: the same in every run with every accelerator, or not. */
void test_exact(const struct test *test, const char *name, __u64 value,
		const char *unit);
void test_varies(const struct test *test, const char *name, __u64 value,
		 const char *unit);

/* A size in the largest unit in which it is a whole number. */
const char *human(__u64 bytes, char text[32]);

/*
 * Run one test in a child process until that ends.  `group` is the number of
 * the device's IOMMU group; `bar` was found by another process.  0, or -errno
 * if the process could not be started.
 */
int __test_run(const struct options *options, int group,
	       const struct bar *bar, const struct test_kind *kind,
	       struct outcome *outcome);

#endif /* ALIGNMENT_TEST_H */
