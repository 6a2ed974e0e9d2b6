/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What only an architecture knows of a virtual machine: how its vCPU is
 * prepared, the programs that it runs, and how stage 2 is counted.
 */
#ifndef ALIGNMENT_VCPU_H
#define ALIGNMENT_VCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct kvm_run;

/* What KVM has mapped into a virtual machine. */
struct stage2 {
	__u64 pte, pmd, pud;		/* entries of each level */
	bool counts_faults;		/* arm64 does not */
	__u64 faults;			/* that the vCPU took so far */
};

struct vm {
	int kvm, fd, vcpu;
	int vm_stats, vcpu_stats;	/* see lib/kvm_stats.h */
	struct kvm_run *run;
	size_t run_size;
	unsigned char *ram;		/* at guest-physical 0 */
	size_t ram_size;
	/* The guest-physical addresses that the vCPU can use apart from RAM. */
	__u64 window;
	size_t window_size;
	struct stage2 own;		/* of its RAM */
};

/* Why there can be no virtual machine; NULL if nothing prevents it. */
const char *vcpu_missing(void);

/* The bytes of RAM that the vCPU needs to use a window of this size. */
size_t vcpu_ram_size(size_t window_size);

/*
 * Write the RAM, and prepare the vCPU.  -E2BIG if it cannot use all addresses
 * of the window, or -errno.
 */
int __vcpu_prepare(struct vm *vm);

enum vcpu_program {
	VCPU_READ_PAGES,	/* address: of the first, value: how many */
	VCPU_READ,		/* value: the word that was read */
	VCPU_WRITE,		/* value: the word to write */
};

/* Run one program until it stops; the errors are those of __vm_read64(). */
int __vcpu_run(struct vm *vm, enum vcpu_program program, __u64 address,
	       __u64 *value);

/*
 * Count what is mapped now; on x86-64 the virtual machine's RAM is included.
 * -ENOENT if the kernel does not show it.
 */
int __vcpu_stage2(const struct vm *vm, struct stage2 *stage2);

#endif /* ALIGNMENT_VCPU_H */
