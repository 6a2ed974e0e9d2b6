// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "lib/access.h"
#include "lib/levels.h"
#include "lib/renew.h"
#include "lib/sysfs.h"
#include "lib/vfio.h"

int __renew_by_memory(const struct test *test)
{
	int ret;

	if (is_virtual_function(test->options->device))
		return -EOPNOTSUPP;
	ret = __vfio_set_memory(test->vfio, false);
	return ret ? ret : __vfio_set_memory(test->vfio, true);
}

int __renew_by_mmap(const struct range *range, __u64 address)
{
	range_unmap(range, address);
	return __range_map(range, address);
}

static __u64 max(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

static int __touch(__u64 address, __u64 *bad)
{
	__u64 word;

	*bad = address;
	return __mapped_read64(address, &word);
}

/* Only a part of the first and of the last block may be in the range. */
static int __touch_up(__u64 start, __u64 end, __u64 *bad)
{
	__u64 block = start & ~(PMD_SIZE - 1);
	int ret = 0;

	for (; !ret && block < end; block += PMD_SIZE)
		ret = __touch(max(block, start), bad);
	return ret;
}

static int __touch_down(__u64 start, __u64 end, __u64 *bad)
{
	int ret = 0;

	while (!ret && end > start) {
		ret = __touch(end - PTE_SIZE, bad);
		end = (end - 1) & ~(PMD_SIZE - 1);
	}
	return ret;
}

int __touch_blocks(const struct range *range, __u64 address, bool down,
		   __u64 *bad)
{
	__u64 end = address + range->length;

	return down ? __touch_down(address, end, bad) :
		      __touch_up(address, end, bad);
}
