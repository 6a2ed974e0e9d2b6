// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "lib/kvm_stats.h"
#include "lib/levels.h"
#include "lib/vcpu.h"
#include "lib/vm.h"

#define RAM_SLOT	0
#define WINDOW_SLOT	1

static int __set_slot(const struct vm *vm, __u32 slot, __u64 guest,
		      __u64 address, size_t size, __u32 flags)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = guest,
		.memory_size = size,
		.userspace_addr = address,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static int __open_machine(struct vm *vm, const char **step)
{
	*step = "open /dev/kvm";
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return -errno;
	*step = "create a virtual machine (KVM_CREATE_VM)";
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	return vm->fd < 0 ? -errno : 0;
}

static int __open_vcpu(struct vm *vm, const char **step)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	*step = "create a vCPU (KVM_CREATE_VCPU)";
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (size < 0 || vm->vcpu < 0)
		return -errno;
	vm->run_size = size;
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	return vm->run == MAP_FAILED ? -errno : 0;
}

/* The RAM is populated, so that its faults are not those of a test. */
static int __add_ram(struct vm *vm, const char **step)
{
	*step = "give the virtual machine RAM (KVM_SET_USER_MEMORY_REGION)";
	vm->ram_size = vcpu_ram_size(vm->window_size);
	vm->ram = mmap(NULL, vm->ram_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (vm->ram == MAP_FAILED)
		return -errno;
	/* A huge page in RAM would be counted with those of the test. */
	madvise(vm->ram, vm->ram_size, MADV_NOHUGEPAGE);
	memset(vm->ram, 0, vm->ram_size);
	return __set_slot(vm, RAM_SLOT, 0, (__u64)vm->ram, vm->ram_size, 0);
}

static int __open_stats(struct vm *vm, const char **step)
{
	*step = "open its statistics (KVM_GET_STATS_FD)";
	vm->vm_stats = __kvm_stats_open(vm->fd);
	if (vm->vm_stats < 0)
		return vm->vm_stats;
	vm->vcpu_stats = __kvm_stats_open(vm->vcpu);
	return vm->vcpu_stats < 0 ? vm->vcpu_stats : 0;
}

static int __start(struct vm *vm, const char **step)
{
	int ret = __open_machine(vm, step);

	if (!ret)
		ret = __open_vcpu(vm, step);
	if (!ret)
		ret = __add_ram(vm, step);
	if (!ret)
		ret = __open_stats(vm, step);
	if (ret)
		return ret;
	*step = "prepare the vCPU";
	ret = __vcpu_prepare(vm);
	if (ret)
		return ret;
	*step = "let the vCPU read its RAM (KVM_RUN)";
	ret = __vm_read_pages(vm, 0, vm->ram_size);
	if (ret)
		return ret;
	*step = STEP_STAGE2;
	return __vcpu_stage2(vm, &vm->own);
}

int __vm_open(struct vm *vm, __u64 window, size_t size, const char **step)
{
	int ret;

	*vm = (struct vm) {
		.kvm = -1,
		.fd = -1,
		.vcpu = -1,
		.vm_stats = -1,
		.vcpu_stats = -1,
		.run = MAP_FAILED,
		.ram = MAP_FAILED,
		.window = window,
		.window_size = size,
	};
	ret = __start(vm, step);
	if (ret)
		vm_close(vm);
	return ret;
}

void vm_close(struct vm *vm)
{
	const int files[] = {
		vm->vcpu_stats, vm->vm_stats, vm->vcpu, vm->fd, vm->kvm,
	};
	size_t i;

	if (vm->run != MAP_FAILED)
		munmap(vm->run, vm->run_size);
	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (files[i] >= 0)
			close(files[i]);
	if (vm->ram != MAP_FAILED)
		munmap(vm->ram, vm->ram_size);
}

int __vm_set_memory(const struct vm *vm, __u64 address, size_t size,
		    __u32 flags)
{
	return __set_slot(vm, WINDOW_SLOT, vm->window, address, size, flags);
}

int __vm_read_pages(struct vm *vm, __u64 start, size_t length)
{
	__u64 pages = length / PTE_SIZE;

	return __vcpu_run(vm, VCPU_READ_PAGES, start, &pages);
}

int __vm_read64(struct vm *vm, __u64 address, __u64 *word)
{
	return __vcpu_run(vm, VCPU_READ, address, word);
}

int __vm_write64(struct vm *vm, __u64 address, __u64 word)
{
	return __vcpu_run(vm, VCPU_WRITE, address, &word);
}

int __vm_stage2(const struct vm *vm, struct stage2 *stage2)
{
	int ret = __vcpu_stage2(vm, stage2);

	stage2->pte -= vm->own.pte;
	stage2->pmd -= vm->own.pmd;
	stage2->pud -= vm->own.pud;
	stage2->faults -= vm->own.faults;
	return ret;
}
