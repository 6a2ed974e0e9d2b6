// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program is copied to memory once: each exec of a file on 9p would read it
 * from the host again.  The device is the standard input of a process, and its
 * result goes to its standard output.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/exec_mmap.h"

#ifndef MFD_EXEC
#define MFD_EXEC	0x10U	/* include/uapi/linux/memfd.h, since 6.3 */
#endif

#define FD_PATH_LENGTH	32

static void fd_path(int fd, char path[FD_PATH_LENGTH])
{
	snprintf(path, FD_PATH_LENGTH, "/proc/self/fd/%d", fd);
}

/* Since 6.3 a flag says that the file will be executed. */
static int __create_memfd(void)
{
	int fd = memfd_create("alignment", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("alignment", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int __copy_program(int to)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t copied;

	if (from < 0)
		return -errno;
	do {
		copied = sendfile(to, from, NULL, 1 << 20);
	} while (copied > 0);
	close(from);
	return copied ? -errno : 0;
}

/* A file that is open for writing cannot be executed: open it again. */
static int __open_program(void)
{
	char path[FD_PATH_LENGTH];
	int memory, program, ret;

	memory = __create_memfd();
	if (memory < 0)
		return memory;
	ret = __copy_program(memory);
	fd_path(memory, path);
	program = ret ? ret : open(path, O_RDONLY | O_CLOEXEC);
	if (!ret && program < 0)
		program = -errno;
	close(memory);
	return program;
}

static int __choose_layout(bool down)
{
	int persona = personality(0xffffffff);

	if (persona < 0)
		return -errno;
	persona &= ~(ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT);
	if (!down)
		persona |= ADDR_COMPAT_LAYOUT;
	return personality(persona) < 0 ? -errno : 0;
}

int __exec_mmap_open(struct exec_mmap *exec, bool down)
{
	int ret = __choose_layout(down);

	if (ret)
		return ret;
	exec->program = __open_program();
	if (exec->program < 0)
		return exec->program;
	return pipe2(exec->pipe, O_CLOEXEC) ? -errno : 0;
}

static int __spawn(const struct exec_mmap *exec, int device, char **argv,
		   pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	char path[FD_PATH_LENGTH];
	char *no_environment[] = { NULL };
	int error;

	error = posix_spawn_file_actions_init(&actions);
	if (error)
		return -error;
	fd_path(exec->program, path);
	error = posix_spawn_file_actions_adddup2(&actions, device,
						 STDIN_FILENO);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions,
							 exec->pipe[1],
							 STDOUT_FILENO);
	if (!error)
		error = posix_spawn(pid, path, &actions, NULL, argv,
				    no_environment);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/* Only a process that ended with status 0 has written its result. */
static int __collect(const struct exec_mmap *exec, pid_t pid,
		     struct exec_mmap_result *result)
{
	ssize_t size;
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (status)
		return -ECHILD;
	size = read(exec->pipe[0], result, sizeof(*result));
	if (size < 0)
		return -errno;
	return size == sizeof(*result) ? 0 : -EIO;
}

int __exec_mmap(const struct exec_mmap *exec, const struct range *range,
		 struct exec_mmap_result *result)
{
	char prot[24], offset[24], length[24];
	char *argv[] = { "alignment", EXEC_MMAP, prot, offset, length, NULL };
	pid_t pid;
	int ret;

	snprintf(prot, sizeof(prot), "%d", range->prot);
	snprintf(offset, sizeof(offset), "%llu",
		 range->fd_offset + range->offset);
	snprintf(length, sizeof(length), "%zu", range->length);
	ret = __spawn(exec, range->fd, argv, &pid);
	return ret ? ret : __collect(exec, pid, result);
}

/* Map the range first, before anything else can use its address. */
int exec_mmap_main(int argc, char **argv)
{
	struct exec_mmap_result result = { 0 };
	struct range range = { .fd = STDIN_FILENO };

	if (argc != 5)
		return 2;
	range.prot = atoi(argv[2]);
	range.fd_offset = strtoull(argv[3], NULL, 10);
	range.length = strtoull(argv[4], NULL, 10);
	result.error = __range_mmap(&range, 0, &result.address);
	if (!result.error)
		result.error = __searches_down(&result.down);
	return write(STDOUT_FILENO, &result, sizeof(result)) != sizeof(result);
}
