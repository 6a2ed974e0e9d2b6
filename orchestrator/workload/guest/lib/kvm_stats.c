// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "lib/kvm_stats.h"

#define LONGEST_NAME	128

/* One descriptor: struct kvm_stats_desc, and then the name. */
struct description {
	struct kvm_stats_desc fixed;
	char name[LONGEST_NAME];
};

static int __read_all(int fd, void *buffer, size_t size, off_t offset)
{
	ssize_t got = pread(fd, buffer, size, offset);

	if (got < 0)
		return -errno;
	return (size_t)got == size ? 0 : -EIO;
}

int __kvm_stats_open(int fd)
{
	int stats = ioctl(fd, KVM_GET_STATS_FD, NULL);

	return stats < 0 ? -errno : stats;
}

static int __find(int stats, const struct kvm_stats_header *header,
		  const char *name, __u32 *offset)
{
	size_t size = sizeof(struct kvm_stats_desc) + header->name_size;
	struct description found = { 0 };
	__u32 i;
	int ret;

	if (size > sizeof(found))
		return -EOVERFLOW;
	for (i = 0; i < header->num_desc; i++) {
		ret = __read_all(stats, &found, size,
				 header->desc_offset + i * size);
		if (ret)
			return ret;
		if (strcmp(found.name, name))
			continue;
		*offset = found.fixed.offset;
		return 0;
	}
	return -ENOENT;
}

int __kvm_stat_read(int stats, const char *name, __u64 *value)
{
	struct kvm_stats_header header;
	__u32 offset;
	int ret;

	ret = __read_all(stats, &header, sizeof(header), 0);
	if (!ret)
		ret = __find(stats, &header, name, &offset);
	if (ret)
		return ret;
	return __read_all(stats, value, sizeof(*value),
			  header.data_offset + offset);
}
