// SPDX-License-Identifier: GPL-2.0-only
/*
 * life_harness log RECORD     how klog.c judges a record of /dev/kmsg
 * life_harness probe          what fault_probe.c finds, in two threads
 * life_harness tags BAR       three words of a BAR before, with and after its
 *                             tags; BAR is ram, none (keeps nothing), one (its
 *                             second page keeps nothing), alias (its third page
 *                             is its first), fails (its third cannot be read)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_stub.h"

static const char *bar = "ram";

static bool is_bar(const char *name)
{
	return !strcmp(bar, name);
}

static off_t bar_place(off_t where)
{
	return is_bar("alias") && where >= 2 * 4096 ? where - 2 * 4096 : where;
}

static ssize_t bar_pread(int fd, void *data, size_t size, off_t where)
{
	if (is_bar("fails") && where >= 2 * 4096) {
		errno = EIO;
		return -1;
	}
	return pread(fd, data, size, bar_place(where));
}

static ssize_t bar_pwrite(int fd, const void *data, size_t size, off_t where)
{
	bool second = where >= 4096 && where < 2 * 4096;

	if (is_bar("none") || (is_bar("one") && second))
		return size;
	return pwrite(fd, data, size, bar_place(where));
}

#define pread	bar_pread
#define pwrite	bar_pwrite
#include "lib/access.c"
#undef pread
#undef pwrite
#include "lib/klog.c"
#include "lib/fault_probe.c"
#include "lib/page_tags.c"

static int show_log(char *record)
{
	static const char * const names[] = { "fine", "error: ", "bad: " };
	const char *text = "";
	enum line line = read_record(record, &text);

	printf("%s%s\n", names[line], line == LINE_FINE ? "" : text);
	return 0;
}

static void *probe_all(void *name)
{
	int fd = memfd_create("page", 0);
	char *p = mmap(NULL, 3 * PTE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	__u64 at = (__u64)p, bad = 0;
	__u32 word;

	if (ftruncate(fd, PTE_SIZE))
		return NULL;
	munmap(p + 2 * PTE_SIZE, PTE_SIZE);
	printf("%s: %s", (char *)name, signal_name(try_read(at, &word)));
	printf(" %s", signal_name(try_read(at + PTE_SIZE, &word)));
	printf(" %s", signal_name(try_read(at + 2 * PTE_SIZE, &word)));
	printf(" %s", signal_name(try_write(at, 1)));
	printf(" %s", signal_name(try_pages(at, 2 * PTE_SIZE, &bad)));
	printf(" %llu\n", bad - at);
	return NULL;
}

static int show_probe(void)
{
	pthread_t other;

	if (__fault_probe_prepare())
		return 2;
	probe_all("here");
	if (pthread_create(&other, NULL, probe_all, "there"))
		return 2;
	return pthread_join(other, NULL);
}

/* The words in the file itself, without the BAR's properties. */
static void show_words(int fd)
{
	__u32 words[3] = { 0 };
	int i;

	for (i = 0; i < 3; i++)
		if (pread(fd, &words[i], 4, i * PTE_SIZE) != 4)
			exit(2);
	printf("%08x %08x %08x\n", words[0], words[1], words[2]);
}

static int show_tags(void)
{
	struct page_tags tags = { .range = {
		.prot = PROT_READ | PROT_WRITE,
		.length = 3 * PTE_SIZE,
	} };
	int fd = memfd_create("ram", 0);
	__u32 word;
	int i, ret;

	for (i = 0, word = 1; i < 3; i++, word++)
		if (pwrite(fd, &word, 4, i * PTE_SIZE) != 4)
			return 2;
	tags.range.fd = fd;
	page_tags_add(&tags, 0);
	page_tags_add(&tags, PTE_SIZE);
	page_tags_add(&tags, PTE_SIZE);
	page_tags_add(&tags, 2 * PTE_SIZE);
	page_tags_add(&tags, 3 * PTE_SIZE);
	show_words(fd);
	ret = __page_tags_write(&tags);
	printf("%d tags, %s\n", tags.count,
	       ret ? "failed" : tags.kept ? "kept" : "not kept");
	show_words(fd);
	if (__page_tags_restore(&tags))
		return 2;
	show_words(fd);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "log"))
		return show_log(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "probe"))
		return show_probe();
	if (argc == 3 && !strcmp(argv[1], "tags"))
		return bar = argv[2], show_tags();
	(void)klog_check;
	return 2;
}
