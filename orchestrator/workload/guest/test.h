/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests are made of.  A test is about one BAR.  It runs in a process of
 * its own, with a device that was opened for it alone, so that whatever it
 * does to the device, to its mappings or to itself is over when it ends.
 */
#ifndef ALIGNMENT_TEST_H
#define ALIGNMENT_TEST_H

#include <stdbool.h>
#include <linux/types.h>

#include "bar.h"
#include "compiler.h"
#include "options.h"
#include "placement.h"
#include "vfio.h"

/* How deep the lines of a test are nested. */
#define TEST_DEPTH	2

#define WHY_LENGTH	256

#define NO_PLACEMENT	-1

/* Why nothing is mapped for DMA. */
#define NO_IOMMU	"no IOMMU in the guest (no-IOMMU mode)"

struct test;

struct test_kind {
	const char *name;	/* in the results, unique */
	int placement;		/* NO_PLACEMENT where none is at stake */
	enum iommu_mode mode;	/* how the device is opened */
	bool any_bar;		/* also where the BAR cannot be mapped */
	bool needs_iommu;	/* it is all about mapping for DMA */
	/* Calls what is below; to return without having done so is ok, too. */
	void (*run)(struct test *test);
	int variant;		/* for kinds that share a function */
};

struct test {
	const struct options *options;
	const struct test_kind *kind;
	const struct vfio *vfio;
	const struct bar *bar;	/* its range has vfio's device as file */
	struct outcome *outcome;
};

/* What is known of a test that is over. */
struct outcome {
	bool skipped;
	char why[WHY_LENGTH];	/* what went wrong first; empty for nothing */
};

/* A diagnostic line. */
__printf(2, 3)
void test_say(const struct test *test, const char *format, ...);

/* Not ok, for this reason; the first one counts, the others are shown. */
__printf(2, 3)
void test_not_ok(struct test *test, const char *format, ...);

/* The same for a step that returned -errno. */
void test_failed(struct test *test, const char *step, int error);

/* Nothing to test here; a test that is not ok already stays so. */
__printf(2, 3)
void test_skip(struct test *test, const char *format, ...);

/* A measurement: equal on every run and every accelerator, or not. */
void test_exact(const struct test *test, const char *name, __u64 value,
		const char *unit);
void test_varies(const struct test *test, const char *name, __u64 value,
		 const char *unit);

/* A size in the largest unit that leaves it whole. */
const char *human(__u64 bytes, char text[32]);

/*
 * Run one test in a child process to its end, however it ends.  `group` is
 * the number of the device's IOMMU group; `bar` is as it was found by another
 * process.  0 or -errno where it could not even be started.
 */
int __test_run(const struct options *options, int group,
	       const struct bar *bar, const struct test_kind *kind,
	       struct outcome *outcome);

#endif /* ALIGNMENT_TEST_H */
