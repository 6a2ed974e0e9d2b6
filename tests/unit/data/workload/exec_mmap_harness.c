// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec_mmap_harness LAYOUT OFFSET LENGTH COUNT
 *
 * Maps a range of a sparse file in fresh processes; LAYOUT is up for the
 * legacy layout, else down.  Prints the errors of both processes, the
 * direction of addresses (1 for down) and the address, on a line for each.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/placement.c"
#include "lib/exec_mmap.c"

int main(int argc, char **argv)
{
	struct range range = { .prot = PROT_READ };
	struct exec_mmap_result result;
	struct exec_mmap exec;
	int i, ret;

	if (argc > 1 && !strcmp(argv[1], EXEC_MMAP))
		return exec_mmap_main(argc, argv);
	if (argc != 5)
		return 2;
	range.fd = memfd_create("range", MFD_CLOEXEC);
	range.offset = strtoull(argv[2], NULL, 0);
	range.length = strtoull(argv[3], NULL, 0);
	if (ftruncate(range.fd, range.offset + range.length) ||
	    __exec_mmap_open(&exec, strcmp(argv[1], "up")))
		return 2;
	for (i = 0; i < atoi(argv[4]); i++) {
		memset(&result, 0, sizeof(result));
		ret = __exec_mmap(&exec, &range, &result);
		printf("%d %d %d %llu\n", ret, result.error, result.down,
		       result.address);
	}
	return 0;
}
