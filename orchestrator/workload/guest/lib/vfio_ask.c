// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/vfio.h>

#include "lib/vfio_ask.h"

int __vfio_ask(int fd, unsigned long request, void *argument)
{
	int ret = ioctl(fd, request, argument);

	return ret < 0 ? -errno : ret;
}

int __vfio_ask_info(int fd, unsigned long request, const void *question,
		    __u32 size, void **answer)
{
	__u32 argsz = size;
	void *info = NULL;
	int ret;

	do {
		size = argsz;
		free(info);
		info = calloc(1, size);
		if (!info)
			return -ENOMEM;
		memcpy(info, question, *(const __u32 *)question);
		*(__u32 *)info = size;
		ret = __vfio_ask(fd, request, info);
		argsz = *(__u32 *)info;
	} while (!ret && argsz > size);
	if (ret)
		free(info);
	else
		*answer = info;
	return ret;
}

const void *vfio_capability(const void *info, __u32 first, __u16 id)
{
	const struct vfio_info_cap_header *header;

	for (; first; first = header->next) {
		header = info + first;
		if (header->id == id)
			return header;
	}
	return NULL;
}
