// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the page-table dump show the contiguous bit where there is one?  The
 * kernel folds sixteen PTEs of one folio, so memory in folios of 64 KiB has
 * it on each of them.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define DUMP	"/sys/kernel/debug/current_user_page_tables"
#define MTHP	"/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled"
#define LENGTH	(1UL << 20)
#define ALIGN	(1UL << 21)

int main(void)
{
	unsigned long start, first, last, contiguous = 0;
	char line[256];
	char *area;
	FILE *file;

	file = fopen(MTHP, "w");
	if (!file || fputs("always", file) < 0 || fclose(file))
		return 2;
	area = mmap(NULL, LENGTH + ALIGN, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return 2;
	start = ((unsigned long)area + ALIGN - 1) & ~(ALIGN - 1);
	memset((void *)start, 1, LENGTH);
	file = fopen(DUMP, "r");
	if (!file)
		return 2;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "0x%lx-0x%lx", &first, &last) != 2)
			continue;
		if (first < start + LENGTH && last > start) {
			fputs(line, stdout);
			if (strstr(line, " CON "))
				contiguous += (last - first) >> 12;
		}
	}
	fclose(file);
	printf("contiguous PTEs: %lu of %lu\n", contiguous, LENGTH >> 12);
	return contiguous != LENGTH >> 12;
}
