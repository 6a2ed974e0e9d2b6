// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "lib/remote.h"

#ifdef __x86_64__
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE	65536

/* The instruction `syscall`, as the lower bytes of a word. */
#define SYSCALL		0x050f
#define SYSCALL_SIZE	2

#define ATTEMPTS	100
#define PAUSE_NS	10000000

struct remote {
	pid_t pid;
	struct user_regs_struct registers;	/* when it was stopped */
	int signal;		/* that came meanwhile; 0 for none */
	__u64 buffer;		/* in the child */
};

/* Wait for the next stop.  *signal is what stopped it. */
static int __wait_stop(const struct remote *remote, int *signal)
{
	int status;

	while (waitpid(remote->pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFSTOPPED(status))
		return -ESRCH;
	*signal = WSTOPSIG(status);
	return 0;
}

/* Only a thread that waits in a system call has such an instruction at hand. */
static bool in_system_call(struct remote *remote)
{
	const struct user_regs_struct *registers = &remote->registers;
	long code;

	if (ptrace(PTRACE_GETREGS, remote->pid, NULL, &remote->registers) ||
	    (long)registers->orig_rax < 0)
		return false;
	errno = 0;
	code = ptrace(PTRACE_PEEKTEXT, remote->pid,
		      registers->rip - SYSCALL_SIZE, NULL);
	return !errno && (code & 0xffff) == SYSCALL;
}

static int __stop(struct remote *remote)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	int i, ret, signal;

	if (ptrace(PTRACE_SEIZE, remote->pid, NULL, NULL))
		return -errno;
	for (i = 0; i < ATTEMPTS; i++) {
		if (ptrace(PTRACE_INTERRUPT, remote->pid, NULL, NULL))
			return -errno;
		ret = __wait_stop(remote, &signal);
		if (ret)
			return ret;
		if (signal == SIGTRAP && in_system_call(remote))
			return 0;
		ptrace(PTRACE_CONT, remote->pid, NULL,
		       signal == SIGTRAP ? 0 : signal);
		nanosleep(&pause, NULL);
	}
	ptrace(PTRACE_INTERRUPT, remote->pid, NULL, NULL);
	__wait_stop(remote, &signal);
	ptrace(PTRACE_DETACH, remote->pid, NULL, NULL);
	return -EAGAIN;
}

/* The kernel restarts the call that was interrupted. */
static void resume(struct remote *remote)
{
	ptrace(PTRACE_SETREGS, remote->pid, NULL, &remote->registers);
	ptrace(PTRACE_DETACH, remote->pid, NULL, remote->signal);
}

static int __step(struct remote *remote)
{
	int ret, signal;

	do {
		if (ptrace(PTRACE_SINGLESTEP, remote->pid, NULL, NULL))
			return -errno;
		ret = __wait_stop(remote, &signal);
		if (!ret && signal != SIGTRAP)
			remote->signal = signal;
	} while (!ret && signal != SIGTRAP);
	return ret;
}

/* A system call in the child.  Its result, or -errno. */
static long remote_call(struct remote *remote, long number,
			const unsigned long arguments[6])
{
	struct user_regs_struct registers = remote->registers;
	int ret;

	registers.rip -= SYSCALL_SIZE;
	registers.orig_rax = -1;
	registers.rax = number;
	registers.rdi = arguments[0];
	registers.rsi = arguments[1];
	registers.rdx = arguments[2];
	registers.r10 = arguments[3];
	registers.r8 = arguments[4];
	registers.r9 = arguments[5];
	if (ptrace(PTRACE_SETREGS, remote->pid, NULL, &registers))
		return -errno;
	ret = __step(remote);
	if (ret)
		return ret;
	if (ptrace(PTRACE_GETREGS, remote->pid, NULL, &registers))
		return -errno;
	return registers.rax;
}

#define CALL(remote, number, ...)					\
	remote_call(remote, number, (const unsigned long[6]){ __VA_ARGS__ })

static int __transfer(const struct remote *remote, void *local, size_t size,
		      bool to_child)
{
	char path[32];
	ssize_t done;
	int fd, ret;

	/* process_vm_readv() is an option of the kernel. */
	snprintf(path, sizeof(path), "/proc/%d/mem", remote->pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	done = to_child ? pwrite(fd, local, size, remote->buffer) :
			  pread(fd, local, size, remote->buffer);
	ret = done < 0 ? -errno : 0;
	close(fd);
	return !ret && (size_t)done != size ? -EIO : ret;
}

static int __copy_file(struct remote *remote, long fd, FILE *copy)
{
	static char buffer[BUFFER_SIZE];
	long length;
	int ret = 0;

	while (!ret) {
		length = CALL(remote, SYS_read, fd, remote->buffer,
			      BUFFER_SIZE);
		if (length <= 0)
			return length;
		ret = __transfer(remote, buffer, length, false);
		if (!ret && fwrite(buffer, 1, length, copy) != (size_t)length)
			ret = -ENOMEM;
	}
	return ret;
}

/* The child's file of the dump, or -errno. */
static long __open_dump(struct remote *remote)
{
	long fd = -ENOENT;
	char path[64];
	int i, ret;

	for (i = 0; fd == -ENOENT && i < NR_ENTRIES_DUMPS; i++) {
		snprintf(path, sizeof(path), "%s", entries_dumps[i]);
		ret = __transfer(remote, path, sizeof(path), true);
		if (ret)
			return ret;
		fd = CALL(remote, SYS_open, remote->buffer,
			  O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

static int __copy_dump(struct remote *remote, FILE *copy)
{
	long fd = __open_dump(remote);
	int ret;

	if (fd < 0)
		return fd;
	ret = __copy_file(remote, fd, copy);
	CALL(remote, SYS_close, fd);
	return ret;
}

static int __read_dump(pid_t pid, FILE *copy)
{
	struct remote remote = { .pid = pid };
	long buffer;
	int ret;

	ret = __stop(&remote);
	if (ret)
		return ret;
	buffer = CALL(&remote, SYS_mmap, 0, BUFFER_SIZE,
		      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (buffer < 0 && buffer > -4096) {
		ret = buffer;
	} else {
		remote.buffer = buffer;
		ret = __copy_dump(&remote, copy);
		CALL(&remote, SYS_munmap, buffer, BUFFER_SIZE);
	}
	resume(&remote);
	return ret;
}

int __remote_entries(pid_t pid, __u64 start, __u64 end,
		     struct entries *entries)
{
	FILE *copy = tmpfile();
	int ret;

	if (!copy)
		return -errno;
	ret = __read_dump(pid, copy);
	rewind(copy);
	if (!ret)
		ret = __entries_parse(copy, start, end, entries);
	fclose(copy);
	return ret;
}
#else
int __remote_entries(pid_t pid, __u64 start, __u64 end,
		     struct entries *entries)
{
	(void)pid;
	(void)start;
	(void)end;
	(void)entries;
	return -ENOSYS;
}
#endif
