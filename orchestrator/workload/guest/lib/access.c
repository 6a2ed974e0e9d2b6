// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <unistd.h>

#include "lib/access.h"
#include "lib/fault_probe.h"

int __mapped_read32(__u64 address, __u32 *word)
{
	return try_read(address, word) ? -EFAULT : 0;
}

int __mapped_read64(__u64 address, __u64 *word)
{
	return try_read64(address, word) ? -EFAULT : 0;
}

int __mapped_write64(__u64 address, __u64 word)
{
	return try_write64(address, word) ? -EFAULT : 0;
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
