// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include "access.h"
#include "compiler.h"

static sigjmp_buf bad_access;

static void on_bad_access(int signal)
{
	siglongjmp(bad_access, signal);
}

/*
 * The signal is not blocked while it is handled, so that sigsetjmp() need not
 * save the mask: that would be a system call for every word.
 */
int __access_prepare(void)
{
	struct sigaction action = {
		.sa_handler = on_bad_access,
		.sa_flags = SA_NODEFER,
	};

	if (sigaction(SIGBUS, &action, NULL) ||
	    sigaction(SIGSEGV, &action, NULL))
		return -errno;
	return 0;
}

int __mapped_read32(__u64 address, __u32 *word)
{
	if (sigsetjmp(bad_access, 0))
		return -EFAULT;
	*word = READ_ONCE(*(const __u32 *)address);
	return 0;
}

int __mapped_read64(__u64 address, __u64 *word)
{
	if (sigsetjmp(bad_access, 0))
		return -EFAULT;
	*word = READ_ONCE(*(const __u64 *)address);
	return 0;
}

int __mapped_write64(__u64 address, __u64 word)
{
	if (sigsetjmp(bad_access, 0))
		return -EFAULT;
	WRITE_ONCE(*(__u64 *)address, word);
	return 0;
}

static int __moved(ssize_t moved, size_t size)
{
	if (moved < 0)
		return -errno;
	return (size_t)moved == size ? 0 : -EIO;
}

int __file_read(const struct range *range, __u64 offset, void *word,
		size_t size)
{
	return __moved(pread(range->fd, word, size,
			     range->fd_offset + offset), size);
}

int __file_write(const struct range *range, __u64 offset, const void *word,
		 size_t size)
{
	return __moved(pwrite(range->fd, word, size,
			      range->fd_offset + offset), size);
}
