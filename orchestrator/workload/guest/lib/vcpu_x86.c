// SPDX-License-Identifier: GPL-2.0-only
/*
 * x86-64: the vCPU starts in long mode, with page tables that map each
 * guest-physical address at the same virtual address, in pages of 2 MiB.  A
 * program ends with HLT, which KVM reports without an interrupt controller.
 * There is no IDT: an exception ends as KVM_EXIT_SHUTDOWN.
 */
#ifdef __x86_64__
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "lib/compiler.h"
#include "lib/kvm_stats.h"
#include "lib/levels.h"
#include "lib/vcpu.h"

/* Guest-physical addresses of what is in RAM; the first page stays free. */
#define CODE		0x1000
#define PML4		0x2000
#define PDPT		0x3000
#define PD_RAM		0x4000		/* of the GiB that RAM is in */
#define PD_WINDOW	0x5000		/* one for each GiB of the window */

#define TABLE_SIZE	4096
/* What the only page of PDPTEs maps. */
#define MOST_ADDRESSES	(512 * PUD_SIZE)

/* Intel SDM, volume 3, 4.5; accessed and dirty, so that no walk writes them. */
#define PRESENT		0x01ULL
#define WRITABLE	0x02ULL
#define ACCESSED	0x20ULL
#define DIRTY		0x40ULL
#define LARGE		0x80ULL
#define TABLE		(PRESENT | WRITABLE | ACCESSED)
#define LEAF		(PRESENT | WRITABLE | ACCESSED | DIRTY | LARGE)

#define CR0_PE		(1ULL << 0)
#define CR0_ET		(1ULL << 4)
#define CR0_NE		(1ULL << 5)
#define CR0_PG		(1ULL << 31)
#define CR4_PAE		(1ULL << 5)
#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)

#define RFLAGS_FIXED	2
#define MAX_CPUID	256

#define SEGMENT_CODE	11		/* execute, read, accessed */
#define SEGMENT_DATA	3		/* read, write, accessed */

static const unsigned char programs[][16] = {
	/* 1: mov (%rsi), %eax; add %rdx, %rsi; dec %rcx; jnz 1b; hlt */
	[VCPU_READ_PAGES] = {
		0x8b, 0x06, 0x48, 0x01, 0xd6, 0x48, 0xff, 0xc9, 0x75, 0xf6,
		0xf4,
	},
	/* mov (%rsi), %rax; hlt */
	[VCPU_READ] = { 0x48, 0x8b, 0x06, 0xf4 },
	/* mov %rax, (%rsi); hlt */
	[VCPU_WRITE] = { 0x48, 0x89, 0x06, 0xf4 },
};

#define CODE_OF(program)	(CODE + (program) * sizeof(programs[0]))

/* The GiB that the window is in, even if only in part. */
static size_t count_tables(size_t window_size)
{
	return window_size / PUD_SIZE + 2;
}

size_t vcpu_ram_size(size_t window_size)
{
	return PD_WINDOW + count_tables(window_size) * TABLE_SIZE;
}

static bool cpu_has(const char *flag)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[8192];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "flags", 5) && strstr(line, flag);
	if (file)
		fclose(file);
	return found;
}

const char *vcpu_missing(void)
{
	if (!cpu_has(" svm ") && !cpu_has(" vmx "))
		return "the CPU of this guest has no virtualization (neither svm nor vmx is in /proc/cpuinfo)";
	if (access("/dev/kvm", F_OK))
		return "there is no /dev/kvm: the kernel has no KVM for this CPU (CONFIG_KVM_AMD or CONFIG_KVM_INTEL)";
	return NULL;
}

static void put(struct vm *vm, __u64 table, __u64 index, __u64 entry)
{
	memcpy(vm->ram + table + index * sizeof(entry), &entry, sizeof(entry));
}

/* Map the GiB with this number through the table at `pd`. */
static void map_gib(struct vm *vm, __u64 number, __u64 pd)
{
	__u64 i;

	put(vm, PDPT, number, pd | TABLE);
	for (i = 0; i < PUD_SIZE / PMD_SIZE; i++)
		put(vm, pd, i, (number * PUD_SIZE + i * PMD_SIZE) | LEAF);
}

static void write_ram(struct vm *vm)
{
	__u64 first = vm->window / PUD_SIZE;
	__u64 last = (vm->window + vm->window_size - 1) / PUD_SIZE;
	__u64 i;

	memcpy(vm->ram + CODE, programs, sizeof(programs));
	put(vm, PML4, 0, PDPT | TABLE);
	map_gib(vm, 0, PD_RAM);
	for (i = first; i <= last; i++)
		map_gib(vm, i, PD_WINDOW + (i - first) * TABLE_SIZE);
}

/* Without it the vCPU has 36 bits of physical addresses, and no long mode. */
static int __set_cpuid(const struct vm *vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[MAX_CPUID];
	} cpuid = { .head.nent = MAX_CPUID };

	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) ||
	    ioctl(vm->vcpu, KVM_SET_CPUID2, &cpuid))
		return -errno;
	return 0;
}

static int __set_mode(const struct vm *vm)
{
	const struct kvm_segment code = {
		.limit = ~0U, .selector = 8, .type = SEGMENT_CODE,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	const struct kvm_segment data = {
		.limit = ~0U, .selector = 16, .type = SEGMENT_DATA,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	sregs.cr3 = PML4;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	return ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

int __vcpu_prepare(struct vm *vm)
{
	int ret;

	if (vm->window + vm->window_size > MOST_ADDRESSES)
		return -E2BIG;
	ret = __set_cpuid(vm);
	write_ram(vm);
	return ret ? ret : __set_mode(vm);
}

/* Let KVM complete the instruction that caused the exit, and run no other. */
static void complete(const struct vm *vm)
{
	vm->run->immediate_exit = 1;
	ioctl(vm->vcpu, KVM_RUN, 0);
	vm->run->immediate_exit = 0;
}

/* KVM does not carry out a write to read-only memory, but reports it as MMIO. */
static int __judge_exit(const struct vm *vm)
{
	switch (vm->run->exit_reason) {
	case KVM_EXIT_HLT:
		return 0;
	case KVM_EXIT_MMIO:
		complete(vm);
		return -EACCES;
	}
	return -EPROTO;
}

static int __run(const struct vm *vm)
{
	while (ioctl(vm->vcpu, KVM_RUN, 0))
		if (errno != EINTR)
			return -errno;
	return __judge_exit(vm);
}

int __vcpu_run(struct vm *vm, enum vcpu_program program, __u64 address,
	       __u64 *value)
{
	struct kvm_regs regs = {
		.rip = CODE_OF(program),
		.rflags = RFLAGS_FIXED,
		.rsi = address,
		.rax = *value,
		.rcx = *value,
		.rdx = PTE_SIZE,
	};
	int ret;

	if (ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		return -errno;
	ret = __run(vm);
	if (!ret && ioctl(vm->vcpu, KVM_GET_REGS, &regs))
		ret = -errno;
	*value = regs.rax;
	return ret;
}

int __vcpu_stage2(const struct vm *vm, struct stage2 *stage2)
{
	const struct {
		int stats;
		const char *name;
		__u64 *value;
	} numbers[] = {
		{ vm->vm_stats, "pages_4k", &stage2->pte },
		{ vm->vm_stats, "pages_2m", &stage2->pmd },
		{ vm->vm_stats, "pages_1g", &stage2->pud },
		{ vm->vcpu_stats, "pf_taken", &stage2->faults },
	};
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(numbers); i++)
		ret = __kvm_stat_read(numbers[i].stats, numbers[i].name,
				      numbers[i].value);
	stage2->counts_faults = true;
	return ret;
}
#endif
