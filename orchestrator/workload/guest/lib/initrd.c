// SPDX-License-Identifier: GPL-2.0-only
/*
 * A cpio archive in the format that Linux unpacks at its start
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/compiler.h"
#include "lib/initrd.h"

struct member {
	const char *name;
	unsigned int mode;
	unsigned int major, minor;	/* of a device */
	unsigned long size;
};

static void pad(FILE *archive)
{
	while (ftell(archive) % 4)
		fputc(0, archive);
}

static void write_header(FILE *archive, int number, const struct member *member)
{
	fprintf(archive,
		"070701%08x%08x%08x%08x%08x%08x%08lx%08x%08x%08x%08x%08zx%08x",
		number, member->mode, 0, 0, 1, 0, member->size, 0, 0,
		member->major, member->minor, strlen(member->name) + 1, 0);
	fputs(member->name, archive);
	fputc(0, archive);
	pad(archive);
}

static void copy(FILE *from, FILE *archive)
{
	char buffer[65536];
	size_t length;

	while ((length = fread(buffer, 1, sizeof(buffer), from)))
		fwrite(buffer, 1, length, archive);
	pad(archive);
}

static unsigned long size_of(FILE *file)
{
	long size;

	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	return size;
}

static void write_members(FILE *archive, FILE *program)
{
	const struct member members[] = {
		{ .name = "dev", .mode = S_IFDIR | 0755 },
		{ .name = "dev/console", .mode = S_IFCHR | 0600, .major = 5,
		  .minor = 1 },
		{ .name = "sys", .mode = S_IFDIR | 0755 },
		{ .name = "init", .mode = S_IFREG | 0755,
		  .size = size_of(program) },
	};
	const struct member trailer = { .name = "TRAILER!!!" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(members); i++) {
		write_header(archive, i + 1, &members[i]);
		if (members[i].size)
			copy(program, archive);
	}
	write_header(archive, 0, &trailer);
}

int __initrd_write(const char *path)
{
	FILE *program = fopen("/proc/self/exe", "re");
	FILE *archive = fopen(path, "we");
	int ret = program && archive ? 0 : -errno;

	if (!ret) {
		write_members(archive, program);
		if (ferror(program) || ferror(archive))
			ret = -EIO;
	}
	if (archive && fclose(archive) && !ret)
		ret = -errno;
	if (program)
		fclose(program);
	return ret;
}
