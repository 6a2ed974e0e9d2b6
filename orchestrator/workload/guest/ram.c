// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <sys/mman.h>

#include "access.h"
#include "ram.h"
#include "sysfs.h"

/* Any word will do that is neither 0 nor all ones, nor likely to be there. */
#define PROBE_WORD	0x5aa5c33c0ff09669ULL

/* Whether the file alone keeps this word there. */
static int __keeps(const struct range *range, __u64 offset, __u64 word,
		   bool *keeps)
{
	__u64 found;
	int ret = __file_write(range, offset, &word, sizeof(word));

	if (!ret)
		ret = __file_read(range, offset, &found, sizeof(found));
	*keeps = !ret && found == word;
	return ret;
}

static int __probe_ram(const struct range *range, bool *ram)
{
	__u64 offset = range->offset;
	__u64 before;
	int ret, restored;

	ret = __file_read(range, offset, &before, sizeof(before));
	if (ret)
		return ret;
	ret = __keeps(range, offset, PROBE_WORD, ram);
	if (!ret && *ram)
		ret = __keeps(range, offset, ~PROBE_WORD, ram);
	restored = __file_write(range, offset, &before, sizeof(before));
	return ret ? ret : restored;
}

bool is_ram(struct test *test)
{
	const struct bar *bar = test->bar;
	struct resource resources[NR_BARS];
	bool ram = false;
	int ret;

	ret = __read_resources(test->options->device, resources);
	if (ret) {
		test_failed(test, "read the device's resources", ret);
		return false;
	}
	if (!resources[bar->index].prefetchable) {
		test_skip(test, "the BAR is not backed by RAM: it is not prefetchable, so that a write may do anything");
		return false;
	}
	if (!(bar->range.prot & PROT_WRITE)) {
		test_skip(test, "VFIO does not let the BAR be written");
		return false;
	}
	ret = __probe_ram(&bar->range, &ram);
	if (ret)
		test_failed(test, "probe the BAR with a word", ret);
	else if (!ram)
		test_skip(test, "the BAR is not backed by RAM: it does not keep what is written to BAR offset 0x%llx",
			  bar->range.offset);
	return !ret && ram;
}
