// SPDX-License-Identifier: GPL-2.0-only
/*
 * life_harness log RECORD     what klog.c says of a record of /dev/kmsg
 * life_harness probe          what probe.c finds, in this thread and another
 * life_harness tags ram|none  two words of a file before, with and after its
 *                             tags; none keeps nothing
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_stub.h"
#include "access.c"
#include "klog.c"
#include "probe.c"
#include "tags.c"

static int show_log(char *record)
{
	const char *text = bad_text(record);

	printf("%s\n", text ? text : "nothing");
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

	if (__probe_prepare())
		return 2;
	probe_all("here");
	if (pthread_create(&other, NULL, probe_all, "there"))
		return 2;
	return pthread_join(other, NULL);
}

static void show_words(int fd)
{
	__u32 words[2] = { 0 };
	int i;

	for (i = 0; i < 2; i++)
		if (pread(fd, &words[i], 4, i * PTE_SIZE) != 4)
			exit(2);
	printf("%08x %08x\n", words[0], words[1]);
}

/* What is not kept is /dev/zero, which swallows what is written. */
static int show_tags(bool keeps)
{
	struct tags tags = { .range = {
		.prot = PROT_READ | PROT_WRITE,
		.length = 2 * PTE_SIZE,
	} };
	int fd;

	fd = keeps ? memfd_create("ram", 0) : open("/dev/zero", O_RDWR);
	if (keeps && (ftruncate(fd, 2 * PTE_SIZE) ||
		      pwrite(fd, "\1\0\0\0", 4, PTE_SIZE) != 4))
		return 2;
	tags.range.fd = fd;
	tags_add(&tags, 0);
	tags_add(&tags, PTE_SIZE);
	tags_add(&tags, PTE_SIZE);
	tags_add(&tags, 2 * PTE_SIZE);
	show_words(fd);
	if (__tags_write(&tags))
		return 2;
	printf("%d tags, %s\n", tags.count, tags.kept ? "kept" : "not kept");
	show_words(fd);
	if (__tags_restore(&tags))
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
		return show_tags(!strcmp(argv[2], "ram"));
	(void)klog_check;
	return 2;
}
