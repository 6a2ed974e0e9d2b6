// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dump has one line per run of equal entries, as in
 *
 *   0x00007f5700000000-0x00007f5780000000   2G USR RW PCD PSE NX pud
 *   0x00007f5780000000-0x00007f5780400000   4M                   pmd
 *
 * on x86 and, with F for an invalid entry and CON for the contiguous bit,
 *
 *   0x0000ffff40000000-0x0000ffff80000000   1G PMD   USR RW NX AF BLK UXN
 *   0x0000ffff80000000-0x0000ffff80200000   2M PMD
 *
 * on arm64.  Flags stand only where entries are.  A line without flags is a
 * run of empty entries, or a hole; its level says where the walk ended.
 * Columns may move between kernels, hence only the words count.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "compiler.h"
#include "levels.h"
#include "pagetable.h"

struct run {
	__u64 start, end;
	bool present;
	bool contiguous;
	const struct level *level;	/* NULL: a level that maps nothing */
};

/* Where the entries of a level are counted, and the bytes that one maps. */
static const struct level {
	const char *name;
	__u64 size;
	size_t counter;
} levels[] = {
	{ "pte", PTE_SIZE, offsetof(struct entries, pte) },
	{ "pmd", PMD_SIZE, offsetof(struct entries, pmd) },
	{ "pud", PUD_SIZE, offsetof(struct entries, pud) },
};

static const struct level *find_level(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(levels); i++)
		if (!strcasecmp(word, levels[i].name))
			return &levels[i];
	return NULL;
}

/* Parse one line; false for all that is no run, such as section headers. */
static bool parse_run(const char *line, struct run *run)
{
	int skip, size, words = 0;
	bool invalid = false;
	char word[32];

	memset(run, 0, sizeof(*run));
	if (sscanf(line, " 0x%llx-0x%llx %*s%n", &run->start, &run->end,
		   &skip) != 2)
		return false;
	for (; sscanf(line + skip, "%31s%n", word, &size) == 1; skip += size) {
		words++;
		if (find_level(word))
			run->level = find_level(word);
		run->contiguous |= !strcmp(word, "CON");
		invalid |= !strcmp(word, "F");
	}
	run->present = words > 1 && !invalid;
	return words;
}

/* An entry counts as a whole, even where the range holds a part of it. */
static void count_run(struct entries *entries, const struct run *run,
		      __u64 start, __u64 end)
{
	__u64 first = run->start > start ? run->start : start;
	__u64 last = run->end < end ? run->end : end;
	__u64 size, count;

	if (!run->present || !run->level || first >= last)
		return;
	size = run->level->size;
	count = (last - 1) / size - first / size + 1;
	*(__u64 *)((char *)entries + run->level->counter) += count;
	if (run->contiguous)
		entries->contiguous += count;
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
 * x86's current_kernel shows the user half as well, and so it does where
 * page-table isolation is on: there the kernel's top level has the same tables
 * below it as the user's.  current_user, where it exists, is only the second
 * choice.  On arm64, the file is there with our patch arm64-ptdump only.
 */
static const char * const dumps[] = {
	"/sys/kernel/debug/page_tables/current_kernel",
	"/sys/kernel/debug/page_tables/current_user",
	"/sys/kernel/debug/current_user_page_tables",
};

static FILE *open_dump(void)
{
	FILE *dump = NULL;
	size_t i;

	for (i = 0; !dump && i < ARRAY_SIZE(dumps); i++) {
		dump = fopen(dumps[i], "re");
		if (!dump && errno != ENOENT)
			return NULL;
	}
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
