// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dump has one line for each run of equal entries, for example
 *
 *   0x00007f5700000000-0x00007f5780000000   2G USR RW PCD PSE NX pud
 *   0x00007f5780000000-0x00007f5780400000   4M                   pmd
 *
 * on x86 and, with F for an invalid entry and CON for the contiguous bit,
 *
 *   0x0000ffff40000000-0x0000ffff80000000   1G PMD   USR RW NX AF BLK UXN
 *   0x0000ffff80000000-0x0000ffff80200000   2M PMD
 *
 * on arm64.  Only entries have flags.  A line without flags is a run of empty
 * entries, or a hole; its level is the level at which the walk ended.  The dump
 * of stage 2 on arm64 has the numbers of the levels instead of names.  Columns
 * differ between kernels, so only the words are used.
 *
 * The expected memory type is that of pgprot_noncached().  On x86 that is slot
 * 2 of the PAT, UC-, with only PCD set (arch/x86/include/asm/pgtable.h).  The
 * PAT bit is bit 7 of a PTE and bit 12 of a larger entry; the dump reads it
 * from the right place at each level, and prints both as PAT.  On arm64 the
 * type is DEVICE/nGnRnE.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/compiler.h"
#include "lib/levels.h"
#include "lib/pagetable.h"

struct run {
	__u64 start, end;
	bool present;
	bool contiguous;
	bool arm64;			/* the names of levels are upper case */
	bool user, writable, no_exec, no_user_exec, global, not_global;
	int pat;			/* slot of x86's PAT, from the bits */
	char arm64_type[20];		/* empty on x86 */
	const struct level *level;	/* NULL: a level that maps nothing */
};

/* The counter for the entries of a level, and the bytes that an entry maps. */
static const struct level {
	const char *name;
	const char *stage2;	/* in arm64's dump of stage 2 */
	__u64 size;
	size_t counter;
	enum entry_level level;
} levels[] = {
	{ "pte", "3", PTE_SIZE, offsetof(struct entries, pte), ENTRY_PTE },
	{ "pmd", "2", PMD_SIZE, offsetof(struct entries, pmd), ENTRY_PMD },
	{ "pud", "1", PUD_SIZE, offsetof(struct entries, pud), ENTRY_PUD },
};

/* As arch/x86/mm/pat/memtype.c: pat_bp_init() fills the table. */
static const char * const pat_types[] = {
	"WB", "WC", "UC-", "UC", "WB (PAT)", "WP", "UC- (PAT)", "WT",
};

#define PAT_UNCACHED	2
#define ARM64_UNCACHED	"DEVICE/nGnRnE"

static const struct level *find_level(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(levels); i++)
		if (!strcasecmp(word, levels[i].name) ||
		    !strcmp(word, levels[i].stage2))
			return &levels[i];
	return NULL;
}

static void parse_word(const char *word, struct run *run)
{
	static const struct {
		const char *word;
		size_t flag;
	} flags[] = {
		{ "CON", offsetof(struct run, contiguous) },
		{ "USR", offsetof(struct run, user) },
		{ "RW", offsetof(struct run, writable) },
		{ "NX", offsetof(struct run, no_exec) },
		{ "UXN", offsetof(struct run, no_user_exec) },
		{ "GLB", offsetof(struct run, global) },
		{ "NG", offsetof(struct run, not_global) },
	};
	static const char * const pat_bits[] = { "PWT", "PCD", "PAT" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(word, flags[i].word))
			*(bool *)((char *)run + flags[i].flag) = true;
	for (i = 0; i < ARRAY_SIZE(pat_bits); i++)
		if (!strcmp(word, pat_bits[i]))
			run->pat |= 1 << i;
	if (!strncmp(word, "DEVICE/", 7) || !strncmp(word, "MEM/", 4))
		snprintf(run->arm64_type, sizeof(run->arm64_type), "%.19s",
			 word);
}

/* Parse one line; false for lines that are not a run, such as headers. */
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
		run->arm64 |= isupper(*word) && find_level(word);
		parse_word(word, run);
		invalid |= !strcmp(word, "F");
	}
	run->present = words > 1 && !invalid;
	return words;
}

static bool is_uncached(const struct run *run)
{
	if (run->arm64)
		return !strcmp(run->arm64_type, ARM64_UNCACHED);
	return run->pat == PAT_UNCACHED;
}

static const char *memory_type(const struct run *run)
{
	if (!run->arm64)
		return pat_types[run->pat];
	return *run->arm64_type ? run->arm64_type : "unknown";
}

/* arm64 has one bit that forbids the kernel to execute, one for user space. */
static void count_attributes(struct entries *entries, const struct run *run,
			     __u64 count)
{
	struct attributes *attributes =
		&entries->attributes[run->level->level];

	if (!is_uncached(run)) {
		attributes->cached += count;
		if (!*entries->memory_type)
			snprintf(entries->memory_type,
				 sizeof(entries->memory_type), "%.19s",
				 memory_type(run));
	}
	if (run->writable)
		attributes->writable += count;
	if (!run->no_exec || (run->arm64 && !run->no_user_exec))
		attributes->executable += count;
	if (run->arm64 ? !run->not_global : run->global)
		attributes->global += count;
	if (!run->user)
		attributes->kernel += count;
	entries->written_only |= run->arm64;
}

/* An entry counts as a whole, even if only a part of it is in the range. */
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
	count_attributes(entries, run, count);
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
 * x86's current_kernel also shows the user half, even with page-table
 * isolation: the kernel's top level then has the same tables below it as the
 * user's.  So current_user, if it exists, is only the second choice.  On arm64
 * the file exists only with this project's patch arm64-ptdump.
 */
const char * const entries_dumps[NR_ENTRIES_DUMPS] = {
	"/sys/kernel/debug/page_tables/current_kernel",
	"/sys/kernel/debug/page_tables/current_user",
	"/sys/kernel/debug/current_user_page_tables",
};

static FILE *open_dump(void)
{
	FILE *dump = NULL;
	size_t i;

	for (i = 0; !dump && i < NR_ENTRIES_DUMPS; i++) {
		dump = fopen(entries_dumps[i], "re");
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
