// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <string.h>

#include "lib/access.h"
#include "lib/compiler.h"
#include "lib/registers.h"

#define WORD		sizeof(__u32)
#define NR_TRIES	4

/* One word, read twice in each of the two ways. */
struct reading {
	__u32 file[2], mapping[2];
};

static int __read(const struct range *range, __u64 address, __u64 offset,
		  struct reading *reading)
{
	int ret = __file_read(range, offset, &reading->file[0], WORD);

	if (!ret)
		ret = __mapped_read32(address + offset, &reading->mapping[0]);
	if (!ret)
		ret = __mapped_read32(address + offset, &reading->mapping[1]);
	if (!ret)
		ret = __file_read(range, offset, &reading->file[1], WORD);
	return ret;
}

static bool is_steady(const struct reading *reading)
{
	return reading->file[0] == reading->file[1] &&
	       reading->mapping[0] == reading->mapping[1];
}

static bool is_different(const struct reading *reading)
{
	return is_steady(reading) && reading->file[0] != reading->mapping[0];
}

static int __read_until_equal(const struct range *range, __u64 address,
			      __u64 offset, struct reading *reading)
{
	int i, ret;

	for (i = 0; i < NR_TRIES; i++) {
		ret = __read(range, address, offset, reading);
		if (ret || !is_different(reading))
			return ret;
	}
	return 0;
}

static void count(struct registers *registers, __u64 offset,
		  const struct reading *reading)
{
	__u32 word = reading->file[0];

	registers->count++;
	if (!is_steady(reading))
		return;
	registers->steady++;
	if (word && ~word)
		registers->telling++;
	if (!is_different(reading) || registers->different++)
		return;
	registers->offset = offset;
	registers->by_file = word;
	registers->by_mapping = reading->mapping[0];
}

int __registers_compare(const struct range *range, __u64 address, __u64 size,
			struct registers *registers)
{
	struct reading reading;
	__u64 offset;
	int ret;

	memset(registers, 0, sizeof(*registers));
	for (offset = 0; offset + WORD <= size; offset += WORD) {
		ret = __read_until_equal(range, address, offset, &reading);
		if (ret) {
			registers->offset = offset;
			return ret;
		}
		count(registers, offset, &reading);
	}
	return 0;
}
