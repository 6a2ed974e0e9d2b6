// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/klog.h"

#define LOG_ERR		3
#define LOG_INFO	6
#define MOST_PRINTED	5
#define RECORD_SIZE	8192	/* include/linux/printk.h: PRINTK_MESSAGE_MAX */

int __klog_open(void)
{
	int klog = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (klog < 0)
		return -errno;
	lseek(klog, 0, SEEK_END);
	return klog;
}

enum line { LINE_FINE, LINE_ERROR, LINE_BAD };

/*
 * Whether the text contains any of these words.  They are the words of
 * orchestrator/machine/splat_kinds.py, which names the files that print them.
 */
static bool is_bad(const char *text)
{
	static const char * const words[] = {
		"WARNING: ", "BUG: ", "BUG at ", "BUG #", "(Not tainted): ",
		"(Tainted: ", "Badness at ", "Oops",
		"general protection fault, ", "divide error: ",
		"PANIC: ", "Kernel panic", "Internal error: ",
		"SError Interrupt", "Unable to handle kernel",
		"kernel tried to ", "Corrupted page table",
		"Fixing recursive fault", "KASAN: ", "UBSAN: ",
		"unreferenced object", "new suspected memory leaks",
		"INFO: trying to register", "[ INFO: ", "detected stall",
		"detected expedited stall", "kthread starved for",
		"Stall ended before", "for more than ", "hard LOCKUP",
		"CSD lock", "bad: scheduling", "huh, entered ", "bad pgd",
		"bad p4d", "bad pud", "bad pmd", "bad pte", "Bad page map",
		"Bad rss", "Bad swap", "page dumped because", "pagealloc: ",
		"slab error", "refcount_t: ", " corruption", "usercopy: ",
		"CFI failure", "stack is corrupted", "Trying to vfree()",
		"page allocation failure", "Out of memory: ",
		"Checked W+X mappings: FAILED", "nobody cared",
		"NMI received for unknown", "[Hardware Error]: ",
		"DRHD: handling fault", "DMAR: [", "Event logged [", "event 0x",
		"unregister_netdevice: waiting", "Busy inodes", "!!!",
		"printk messages dropped",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}

/*
 * The level of a warning alone is not bad: on a slow machine the kernel
 * complains about its clocks at that level.  And an error may have nothing to
 * do with the test: another device may have caused it.
 */
static enum line judge_line(int level, const char *text)
{
	if (level <= LOG_INFO && is_bad(text))
		return LINE_BAD;
	if (level > LOG_ERR)
		return LINE_FINE;
	return strstr(text, "vfio") ? LINE_BAD : LINE_ERROR;
}

/*
 * A record is "priority,sequence,time,flags;text" (Documentation/ABI/testing/
 * dev-kmsg); the facility, above the level, is 0 for the kernel.
 */
static enum line read_record(char *record, const char **text)
{
	unsigned long priority = strtoul(record, NULL, 10);
	char *begin = strchr(record, ';');

	if (!begin || priority >> 3)
		return LINE_FINE;
	*text = ++begin;
	begin[strcspn(begin, "\n")] = '\0';
	return judge_line(priority & 7, begin);
}

/* The numbers of earlier lines decide whether this one is printed. */
static void report_line(struct test *test, enum line line, const char *text,
			const int *counts)
{
	if (line == LINE_BAD && !counts[LINE_BAD])
		test_not_ok(test, "the kernel logged: %s", text);
	else if (line == LINE_ERROR && counts[LINE_ERROR] < MOST_PRINTED)
		test_say(test, "the kernel logged: %s", text);
}

void klog_check(struct test *test, int klog)
{
	static char record[RECORD_SIZE];
	int counts[LINE_BAD + 1] = { 0 };
	const char *text = "";
	enum line line;
	ssize_t size;

	for (;;) {
		size = read(klog, record, sizeof(record) - 1);
		if (size < 0 && errno == EPIPE)
			continue;	/* some records were overwritten */
		if (size <= 0)
			break;
		record[size] = '\0';
		line = read_record(record, &text);
		report_line(test, line, text, counts);
		counts[line]++;
	}
	close(klog);
	if (counts[LINE_BAD] > 1)
		test_say(test, "%d such lines in all", counts[LINE_BAD]);
	test_varies(test, "log_lines", counts[LINE_BAD] + counts[LINE_ERROR],
		    "lines");
}
