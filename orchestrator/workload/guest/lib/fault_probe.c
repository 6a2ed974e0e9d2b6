// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>

#include "lib/compiler.h"
#include "lib/fault_probe.h"
#include "lib/levels.h"

/* A fault is handled in the thread that caused it. */
static __thread sigjmp_buf bad_probe;

/* Whether there is a frame to jump to. */
static __thread volatile sig_atomic_t armed;

/* A fault of the program itself occurs again, and ends the program. */
static void on_bad_probe(int number)
{
	if (!armed) {
		signal(number, SIG_DFL);
		return;
	}
	armed = false;
	siglongjmp(bad_probe, number);
}

/*
 * The signal is not blocked in the handler.  So there is no signal mask to
 * save, which would take a system call for every word.
 */
int __fault_probe_prepare(void)
{
	struct sigaction action = {
		.sa_handler = on_bad_probe,
		.sa_flags = SA_NODEFER,
	};

	if (sigaction(SIGBUS, &action, NULL) ||
	    sigaction(SIGSEGV, &action, NULL))
		return -errno;
	return 0;
}

int try_read(__u64 address, __u32 *word)
{
	int signal = sigsetjmp(bad_probe, 0);

	if (!signal) {
		armed = true;
		*word = READ_ONCE(*(const __u32 *)address);
		armed = false;
	}
	return signal;
}

int try_write(__u64 address, __u32 word)
{
	int signal = sigsetjmp(bad_probe, 0);

	if (!signal) {
		armed = true;
		WRITE_ONCE(*(__u32 *)address, word);
		armed = false;
	}
	return signal;
}

int try_read64(__u64 address, __u64 *word)
{
	int signal = sigsetjmp(bad_probe, 0);

	if (!signal) {
		armed = true;
		*word = READ_ONCE(*(const __u64 *)address);
		armed = false;
	}
	return signal;
}

int try_write64(__u64 address, __u64 word)
{
	int signal = sigsetjmp(bad_probe, 0);

	if (!signal) {
		armed = true;
		WRITE_ONCE(*(__u64 *)address, word);
		armed = false;
	}
	return signal;
}

/* A separate function, since a jump out of it leaves its locals undefined. */
static noinline void read_pages(__u64 at, __u64 end, __u64 *reading)
{
	for (; at < end; at += PTE_SIZE) {
		WRITE_ONCE(*reading, at);
		READ_ONCE(*(const __u32 *)at);
	}
}

int try_pages(__u64 address, size_t length, __u64 *bad)
{
	int signal = sigsetjmp(bad_probe, 0);

	if (!signal) {
		armed = true;
		read_pages(address, address + length, bad);
		armed = false;
	}
	return signal;
}

const char *signal_name(int signal)
{
	switch (signal) {
	case 0:
		return "no signal";
	case SIGBUS:
		return "SIGBUS";
	case SIGSEGV:
		return "SIGSEGV";
	}
	return "another signal";
}
