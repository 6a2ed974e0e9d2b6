// SPDX-License-Identifier: GPL-2.0-only
/*
 * renew_harness ADDRESS LENGTH DIRECTION [BAD]: the pages that are read, in
 * their order, up or down; a read of the page BAD raises a signal.  Prints the
 * result, and the address of the wrong page, at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static __u64 bad_page;

static int imagined_read64(__u64 address, __u64 *word)
{
	*word = 0;
	if (address == bad_page)
		return -EFAULT;
	printf("%llx\n", address);
	return 0;
}

static int imagined_set_memory(const struct vfio *vfio, bool on)
{
	(void)vfio;
	(void)on;
	return 0;
}

#define __mapped_read64		imagined_read64
#define __vfio_set_memory	imagined_set_memory
#define is_virtual_function(x)	(!(x))
#define range_unmap(range, at)	((void)(range), (void)(at))
#define __range_map(range, at)	((void)(range), (int)(at))
#include "lib/renew.c"

int main(int argc, char **argv)
{
	struct range range = { 0 };
	__u64 bad = 0;
	int ret;

	if (argc < 4)
		return 2;
	range.length = strtoull(argv[2], NULL, 16);
	if (argc > 4)
		bad_page = strtoull(argv[4], NULL, 16);
	ret = __touch_blocks(&range, strtoull(argv[1], NULL, 16),
			     !strcmp(argv[3], "down"), &bad);
	printf("%d %llx\n", ret, bad);
	return 0;
}
