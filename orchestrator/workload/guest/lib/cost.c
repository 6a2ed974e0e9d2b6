// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/compiler.h"
#include "lib/cost.h"
#include "lib/fault_probe.h"

#define STACK_ENOUGH	(128 << 10)
#define NSEC_PER_SEC	1000000000ULL

static __u64 minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

void cost_begin(struct cost *cost)
{
	cost->faults = minor_faults();
	cost->ns = now();
}

void cost_end(struct cost *cost)
{
	cost->ns = now() - cost->ns;
	cost->faults = minor_faults() - cost->faults;
}

__u64 locked_memory(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long long locked = 0;
	char line[128];

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmLck: %llu kB", &locked) == 1)
			break;
	if (status)
		fclose(status);
	return locked;
}

static noinline void use_stack(void)
{
	char room[STACK_ENOUGH];

	memset(room, 1, sizeof(room));
	asm volatile("" : : "r"(room) : "memory");
}

/*
 * Not MCL_FUTURE: it would populate the mapping that is to be measured.  The
 * vDSO's data are not ordinary memory and are not locked; using the clock once
 * faults them in.
 */
int __cost_prepare(void)
{
	struct cost cost;
	int ret = __fault_probe_prepare();

	if (ret)
		return ret;
	use_stack();
	if (mlockall(MCL_CURRENT))
		return -errno;
	cost_begin(&cost);
	cost_end(&cost);
	return 0;
}

/* Bytes of page tables of this process; 0 if the kernel does not report it. */
static __u64 vmpte(void)
{
	static char status[4096];
	const char *line;
	ssize_t size;
	int fd;

	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	size = read(fd, status, sizeof(status) - 1);
	close(fd);
	status[size > 0 ? size : 0] = '\0';
	line = strstr(status, "\nVmPTE:");
	return line ? strtoull(line + strlen("\nVmPTE:"), NULL, 10) << 10 : 0;
}

/* 0 or -EFAULT; *bad is then the offset of the page. */
static int __read_pages(const void *start, size_t length, struct cost *cost,
			size_t *bad)
{
	__u64 at = 0;
	int signal;

	cost_begin(cost);
	signal = try_pages((__u64)start, length, &at);
	cost_end(cost);
	if (!signal)
		return 0;
	*bad = at - (__u64)start;
	return -EFAULT;
}

int __touch(const void *start, size_t length, struct touch *touch,
	    size_t *bad)
{
	__u64 before = vmpte();
	int ret = __read_pages(start, length, &touch->first, bad);

	if (ret)
		return ret;
	touch->vmpte = vmpte() - before;
	return __read_pages(start, length, &touch->again, bad);
}
