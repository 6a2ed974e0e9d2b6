// SPDX-License-Identifier: GPL-2.0-only
/*
 * placement_harness PLACEMENT OFFSET LENGTH KERNEL DIRECTION [SIZE]
 *
 * Places a range of a sparse file.  SIZE is that of the BAR, by default as much
 * as the range needs.  KERNEL is 0 for the kernel that runs, or the size to
 * which an imagined one aligns every mmap of a file; DIRECTION is up for the
 * legacy layout, else down.  Prints alignment, offset in the address, and the
 * distance of the second probe from the first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

static unsigned long long kernel_align;
static int up;

/* Pad the search, then take the address in it that comes first on the way. */
static void *imagined_mmap(void *hint, size_t length, int prot, int flags,
			   int fd, off_t offset)
{
	unsigned long long base, address;

	if (hint || fd < 0 || !kernel_align)
		return mmap(hint, length, prot, flags, fd, offset);
	base = (unsigned long long)mmap(NULL, length + kernel_align, PROT_NONE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap((void *)base, length + kernel_align);
	address = base + ((offset - base) & (kernel_align - 1));
	if (!up && address == base)
		address += kernel_align;
	return mmap((void *)address, length, prot, flags | MAP_FIXED, fd,
		    offset);
}

#define mmap imagined_mmap
#include "lib/placement.c"
#undef mmap

static int run(char **argv)
{
	struct range range = { .prot = PROT_READ };
	struct placed placed;
	int i, ret;

	range.fd = memfd_create("range", 0);
	range.offset = strtoull(argv[2], NULL, 0);
	range.length = strtoull(argv[3], NULL, 0);
	range.bar_size = argv[6] ? strtoull(argv[6], NULL, 0) :
				   range.offset + range.length;
	if (ftruncate(range.fd, range.offset + range.length))
		return 2;
	kernel_align = strtoull(argv[4], NULL, 0);
	for (i = 0; i < NR_PLACEMENTS; i++)
		if (!strcmp(argv[1], placement_names[i]))
			break;
	ret = __place(i, &range, &placed);
	if (!ret)
		ret = __range_map(&range, placed.address);
	printf("%d %llu %lld\n", ret, placed.alignment,
	       (long long)(placed.probes[1] - placed.probes[0]));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 6 && argc != 7)
		return 2;
	up = !strcmp(argv[5], "up");
	if (up && !getenv("AGAIN")) {
		setenv("AGAIN", "1", 1);
		personality(ADDR_COMPAT_LAYOUT);
		execv("/proc/self/exe", argv);
	}
	return run(argv);
}
