// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "klog.h"

#define LOG_ERR		3
#define RECORD_SIZE	8192	/* include/linux/printk.h: PRINTK_MESSAGE_MAX */

int __klog_open(void)
{
	int klog = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (klog < 0)
		return -errno;
	lseek(klog, 0, SEEK_END);
	return klog;
}

/*
 * Errors, and what WARN() writes.  Not whatever has the level of a warning:
 * a slow machine makes the kernel complain about its clocks at that level.
 */
static bool is_bad(int level, const char *text)
{
	return level <= LOG_ERR || !strncmp(text, "WARNING: ", 9);
}

/*
 * A record is "priority,sequence,time,flags;text" (Documentation/ABI/testing/
 * dev-kmsg); the facility, above the level, is 0 for the kernel.
 */
static const char *bad_text(char *record)
{
	unsigned long priority = strtoul(record, NULL, 10);
	char *text = strchr(record, ';');

	if (!text || priority >> 3)
		return NULL;
	text++;
	text[strcspn(text, "\n")] = '\0';
	return is_bad(priority & 7, text) ? text : NULL;
}

void klog_check(struct test *test, int klog)
{
	static char record[RECORD_SIZE];
	const char *text;
	ssize_t size;
	int count = 0;

	for (;;) {
		size = read(klog, record, sizeof(record) - 1);
		if (size < 0 && errno == EPIPE)
			continue;	/* some were lost: go on */
		if (size <= 0)
			break;
		record[size] = '\0';
		text = bad_text(record);
		if (text && !count++)
			test_not_ok(test, "the kernel logged: %s", text);
	}
	close(klog);
	if (count > 1)
		test_say(test, "%d such lines in all", count);
	test_exact(test, "log_lines", count, "lines");
}
