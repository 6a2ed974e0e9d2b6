/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual machine of one vCPU that reads and writes guest-physical memory.
 * It is as small as KVM allows, without firmware and without an operating
 * system: a few instructions run, and the vCPU stops.
 */
#ifndef ALIGNMENT_VM_H
#define ALIGNMENT_VM_H

#include <stddef.h>
#include <linux/types.h>

#include "lib/vcpu.h"

/* Guest-physical addresses from here on are free. */
#define VM_WINDOW	(16ULL << 30)

/*
 * Start a virtual machine that can use `size` bytes from the guest-physical
 * address `window`, at least VM_WINDOW.  All of its RAM is present and mapped
 * in stage 2.  On an error, *step is what failed.  0 or -errno.
 */
#define STEP_STAGE2	"read the entries of stage 2"
int __vm_open(struct vm *vm, __u64 window, size_t size, const char **step);
void vm_close(struct vm *vm);

/*
 * Make `size` bytes of this process, from the virtual address, the memory of
 * the window, with flags such as KVM_MEM_READONLY.  The size 0 removes it.
 * 0 or -errno.
 */
int __vm_set_memory(const struct vm *vm, __u64 address, size_t size,
		    __u32 flags);

/*
 * Let the vCPU read the first word of each page, in ascending order, or read or
 * write one word.  0; -EFAULT if KVM has no memory for the page; -EACCES for a
 * write to read-only memory; -EPROTO if the vCPU stopped for another reason;
 * or -errno.
 */
int __vm_read_pages(struct vm *vm, __u64 start, size_t length);
int __vm_read64(struct vm *vm, __u64 address, __u64 *word);
int __vm_write64(struct vm *vm, __u64 address, __u64 word);

/* Count all that is mapped into the window now.  0 or -errno. */
int __vm_stage2(const struct vm *vm, struct stage2 *stage2);

#endif /* ALIGNMENT_VM_H */
