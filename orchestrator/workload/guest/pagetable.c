// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dump has one line per run of equal entries, as in
 *
 *   0x00007f5700000000-0x00007f5780000000   2G USR RW PCD PSE NX pud
 *   0x00007f5780000000-0x00007f5780400000   4M                   pmd
 *
 * Flags stand only where entries are present.  A line without flags is a run
 * of empty entries, or a hole; its level says where the walk ended.  Columns
 * may move between kernels, hence only the order of the words counts.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "levels.h"
#include "pagetable.h"

struct run {
	__u64 start, end;
	bool present;
	char level[16];
};

/* Parse one line; false for all that is no run, such as section headers. */
static bool parse_run(const char *line, struct run *run)
{
	char word[16];
	int words = 0;
	int skip, size;

	if (sscanf(line, " 0x%llx-0x%llx %*s%n", &run->start, &run->end,
		   &skip) != 2)
		return false;
	for (; sscanf(line + skip, "%15s%n", word, &size) == 1; skip += size)
		words++;
	if (!words)
		return false;
	snprintf(run->level, sizeof(run->level), "%s", word);
	run->present = words > 1;
	return true;
}

/* Where entries of this level are counted, and the bytes that one maps. */
static __u64 *counter(struct entries *entries, const char *level, __u64 *size)
{
	if (!strcmp(level, "pte")) {
		*size = PTE_SIZE;
		return &entries->pte;
	}
	if (!strcmp(level, "pmd")) {
		*size = PMD_SIZE;
		return &entries->pmd;
	}
	if (!strcmp(level, "pud")) {
		*size = PUD_SIZE;
		return &entries->pud;
	}
	return NULL;
}

/* An entry counts as a whole, even where the range holds a part of it. */
static void count_run(struct entries *entries, const struct run *run,
		      __u64 start, __u64 end)
{
	__u64 first = run->start > start ? run->start : start;
	__u64 last = run->end < end ? run->end : end;
	__u64 size;
	__u64 *count = counter(entries, run->level, &size);

	if (!run->present || !count || first >= last)
		return;
	*count += (last - 1) / size - first / size + 1;
	entries->mapped += last - first;
}

int __entries_parse(FILE *dump, __u64 start, __u64 end,
		    struct entries *entries)
{
	static char line[256];
	struct run run;

	memset(entries, 0, sizeof(*entries));
	while (fgets(line, sizeof(line), dump))
		if (parse_run(line, &run))
			count_run(entries, &run, start, end);
	return ferror(dump) ? -EIO : 0;
}

/*
 * current_kernel shows the user half as well, and so it does where page-table
 * isolation is on: there the kernel's top level has the same tables below it
 * as the user's.  current_user, where it exists, is only the second choice.
 */
static FILE *open_dump(void)
{
	FILE *dump;

	dump = fopen("/sys/kernel/debug/page_tables/current_kernel", "re");
	if (!dump && errno == ENOENT)
		dump = fopen("/sys/kernel/debug/page_tables/current_user",
			     "re");
	return dump;
}

int __entries_read(__u64 start, __u64 end, struct entries *entries)
{
	FILE *dump = open_dump();
	int ret;

	if (!dump)
		return -errno;
	ret = __entries_parse(dump, start, end, entries);
	fclose(dump);
	return ret;
}
