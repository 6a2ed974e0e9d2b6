// SPDX-License-Identifier: GPL-2.0-only
/*
 * Architectures on which this program starts no virtual machines.
 */
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <errno.h>

#include "lib/vcpu.h"

const char *vcpu_missing(void)
{
	return "virtual machines are started on x86-64 and arm64 only";
}

size_t vcpu_ram_size(size_t window_size)
{
	(void)window_size;
	return 0;
}

int __vcpu_prepare(struct vm *vm)
{
	(void)vm;
	return -ENOSYS;
}

int __vcpu_run(struct vm *vm, enum vcpu_program program, __u64 address,
	       __u64 *value)
{
	(void)vm;
	(void)program;
	(void)address;
	(void)value;
	return -ENOSYS;
}

int __vcpu_stage2(const struct vm *vm, struct stage2 *stage2)
{
	(void)vm;
	(void)stage2;
	return -ENOSYS;
}
#endif
