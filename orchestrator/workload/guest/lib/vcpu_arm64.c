// SPDX-License-Identifier: GPL-2.0-only
/*
 * arm64: the vCPU starts at EL1 with its MMU off, so that each virtual address
 * is the guest-physical one, and needs no interrupt controller.  A program ends
 * with a store to an address without memory, which KVM reports as MMIO.
 *
 * The entries are those of KVM's own dump of stage 2 (arch/arm64/kvm/ptdump.c,
 * CONFIG_PTDUMP_STAGE2_DEBUGFS).  KVM counts no faults there.
 */
#ifdef __aarch64__
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "lib/levels.h"
#include "lib/pagetable.h"
#include "lib/vcpu.h"

#define CODE		0x1000
#define RAM_SIZE	0x2000
/* Where no memory is: between RAM and the window. */
#define END_OF_PROGRAM	0x40000000ULL

#define CORE_REG(name)	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
			 KVM_REG_ARM_CORE_REG(name))

static const __u32 programs[][8] = {
	/* 1: ldr w3, [x0]; add x0, x0, x1; subs x2, x2, #1; b.ne 1b */
	[VCPU_READ_PAGES] = {
		0xb9400003, 0x8b010000, 0xf1000442, 0x54ffffa1,
		0xf9000083,	/* str x3, [x4] */
	},
	/* ldr x3, [x0]; str x3, [x4] */
	[VCPU_READ] = { 0xf9400003, 0xf9000083 },
	/* str x3, [x0]; str x3, [x4] */
	[VCPU_WRITE] = { 0xf9000003, 0xf9000083 },
};

#define CODE_OF(program)	(CODE + (program) * sizeof(programs[0]))

size_t vcpu_ram_size(size_t window_size)
{
	(void)window_size;
	return RAM_SIZE;
}

const char *vcpu_missing(void)
{
	if (access("/dev/kvm", F_OK))
		return "there is no /dev/kvm: the CPU of this guest has no EL2, or the kernel has no CONFIG_KVM";
	return NULL;
}

int __vcpu_prepare(struct vm *vm)
{
	struct kvm_vcpu_init init;

	memcpy(vm->ram + CODE, programs, sizeof(programs));
	__builtin___clear_cache((char *)vm->ram,
				(char *)vm->ram + vm->ram_size);
	if (ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, &init) ||
	    ioctl(vm->vcpu, KVM_ARM_VCPU_INIT, &init))
		return -errno;
	return 0;
}

static int __set_register(const struct vm *vm, __u64 id, __u64 value)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (__u64)&value };

	return ioctl(vm->vcpu, KVM_SET_ONE_REG, &reg) ? -errno : 0;
}

static int __get_register(const struct vm *vm, __u64 id, __u64 *value)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (__u64)value };

	return ioctl(vm->vcpu, KVM_GET_ONE_REG, &reg) ? -errno : 0;
}

static int __set_registers(const struct vm *vm, enum vcpu_program program,
			   __u64 address, __u64 value)
{
	const struct {
		__u64 id, value;
	} registers[] = {
		{ CORE_REG(regs.pc), CODE_OF(program) },
		{ CORE_REG(regs.regs[0]), address },
		{ CORE_REG(regs.regs[1]), PTE_SIZE },
		{ CORE_REG(regs.regs[2]), value },
		{ CORE_REG(regs.regs[3]), value },
		{ CORE_REG(regs.regs[4]), END_OF_PROGRAM },
	};
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < sizeof(registers) / sizeof(*registers); i++)
		ret = __set_register(vm, registers[i].id, registers[i].value);
	return ret;
}

/* Let KVM complete the store that caused the exit, and run nothing else. */
static void complete(const struct vm *vm)
{
	vm->run->immediate_exit = 1;
	ioctl(vm->vcpu, KVM_RUN, 0);
	vm->run->immediate_exit = 0;
}

/* A write to read-only memory is reported as MMIO, too. */
static int __run(const struct vm *vm)
{
	bool ended;

	while (ioctl(vm->vcpu, KVM_RUN, 0))
		if (errno != EINTR)
			return -errno;
	if (vm->run->exit_reason != KVM_EXIT_MMIO)
		return -EPROTO;
	ended = vm->run->mmio.phys_addr == END_OF_PROGRAM;
	complete(vm);
	return ended ? 0 : -EACCES;
}

int __vcpu_run(struct vm *vm, enum vcpu_program program, __u64 address,
	       __u64 *value)
{
	int ret = __set_registers(vm, program, address, *value);

	if (!ret)
		ret = __run(vm);
	return ret ? ret : __get_register(vm, CORE_REG(regs.regs[3]), value);
}

int __vcpu_stage2(const struct vm *vm, struct stage2 *stage2)
{
	struct entries entries;
	char path[PATH_MAX];
	FILE *dump;
	int ret;

	*stage2 = (struct stage2) { 0 };
	snprintf(path, sizeof(path),
		 "/sys/kernel/debug/kvm/%d-%d/stage2_page_tables", getpid(),
		 vm->fd);
	dump = fopen(path, "re");
	if (!dump)
		return -errno;
	ret = __entries_parse(dump, vm->window, vm->window + vm->window_size,
			      &entries);
	fclose(dump);
	stage2->pte = entries.pte;
	stage2->pmd = entries.pmd;
	stage2->pud = entries.pud;
	return ret;
}
#endif
