// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cost.h"
#include "levels.h"
#include "compiler.h"

#define STACK_ENOUGH	(128 << 10)
#define NSEC_PER_SEC	1000000000ULL

static sigjmp_buf bad_read;

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

static noinline void use_stack(void)
{
	char room[STACK_ENOUGH];

	memset(room, 1, sizeof(room));
	asm volatile("" : : "r"(room) : "memory");
}

static void on_bad_read(int signal)
{
	siglongjmp(bad_read, signal);
}

/*
 * Not MCL_FUTURE: it would populate the mapping that is to be measured.  The
 * vDSO's data are no ordinary memory and are not locked; using the clock once
 * brings them in.
 */
int __cost_prepare(void)
{
	struct sigaction action = { .sa_handler = on_bad_read };
	struct cost cost;

	if (sigaction(SIGBUS, &action, NULL) ||
	    sigaction(SIGSEGV, &action, NULL))
		return -errno;
	use_stack();
	if (mlockall(MCL_CURRENT))
		return -errno;
	cost_begin(&cost);
	cost_end(&cost);
	return 0;
}

/* Bytes of page tables of this process; 0 where the kernel does not say. */
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

/* Static, since a jump out of a signal handler leaves locals undefined. */
static size_t reading;

static void read_pages(const char *start, size_t length)
{
	size_t offset;

	for (offset = 0; offset < length; offset += PTE_SIZE) {
		WRITE_ONCE(reading, offset);
		READ_ONCE(*(const uint32_t *)(start + offset));
	}
}

int __touch(const void *start, size_t length, struct touch *touch,
	    size_t *bad)
{
	__u64 before = vmpte();

	if (sigsetjmp(bad_read, 1)) {
		*bad = reading;
		return -EFAULT;
	}
	cost_begin(&touch->first);
	read_pages(start, length);
	cost_end(&touch->first);
	touch->vmpte = vmpte() - before;
	cost_begin(&touch->again);
	read_pages(start, length);
	cost_end(&touch->again);
	return 0;
}
