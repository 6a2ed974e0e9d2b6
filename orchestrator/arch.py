# SPDX-License-Identifier: GPL-2.0-only
"""All facts about an architecture that orch needs, in one value each.

A new architecture needs one more value here, and fragments in kernels/configs (see CONTRIBUTING.md).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Arch:
    """One architecture, of kernels and of the machine on which they boot.

    `name` is its name in scenarios, and `kbuild` the kernel's ARCH.  `directory` is its directory below arch/ in the
    kernel source.  `machine` is its name in uname(1).  `debian` is Debian's name for it.  `triple` is the prefix of its
    cross compilers.

    `image` is the image that is built and booted, a path in the build directory.  `images` are the images that another
    build directory may have, the best first.  `elf_machine` is the machine number in an ELF header (elf(5)).

    `option` is the configuration option (without CONFIG_) that only its kernels have.  `page_table_option` is the
    option of kernels that show a process's page tables, "" if there is none.

    `qemu` is QEMU's program, in the Debian package `qemu_package`.  QEMU needs one of the files `firmware`, from the
    package `firmware_package`, to start a guest.  `qemu_machine` is its machine type with the properties that orch
    fixes.  `cpus` is the CPU model by accelerator.  `virtualization` has QEMU's arguments, the CPU model among them,
    for a guest that can run virtual machines itself; accelerators without such guests are left out.  `iommu` is the
    name of its IOMMU in scenarios, "" if orch supports none; `iommu_arguments` are QEMU's arguments for it.
    `kernel_arguments` are guest kernel arguments for this architecture only.  `iommu_hint` is the argument that makes a
    host's kernel turn its IOMMU on.
    """

    name: str
    kbuild: str
    directory: str
    machine: str
    debian: str
    triple: str
    image: str
    images: tuple[str, ...]
    elf_machine: int
    option: str
    page_table_option: str
    qemu: str
    qemu_package: str
    firmware: tuple[str, ...]
    firmware_package: str
    qemu_machine: str
    cpus: Mapping[str, str]
    virtualization: Mapping[str, tuple[str, ...]]
    iommu: str
    iommu_arguments: tuple[str, ...]
    kernel_arguments: tuple[str, ...]
    iommu_hint: str

    @property
    def cross_packages(self) -> tuple[str, str, str]:
        """Debian's packages for cross compilation: gcc, the linker, the C library."""
        target = self.triple.replace("_", "-")
        return f"gcc-{target}", f"binutils-{target}", f"libc6-dev-{self.debian}-cross"


X86_64 = Arch(
    name="x86_64",
    kbuild="x86_64",
    directory="x86",
    machine="x86_64",
    debian="amd64",
    triple="x86_64-linux-gnu",
    # The ELF image has a PVH entry (QEMU, docs/system/i386; arch/x86/platform/pvh), so the guest unpacks nothing.
    image="vmlinux",
    images=("arch/x86/boot/bzImage", "vmlinux"),
    elf_machine=62,
    option="X86_64",
    page_table_option="PTDUMP_DEBUGFS",
    qemu="qemu-system-x86_64",
    qemu_package="qemu-system-x86",
    firmware=("/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin"),
    firmware_package="seabios",
    # VFIO needs interrupt remapping, which needs the split irqchip under KVM; caching mode lets QEMU follow the guest's
    # mappings (QEMU, docs on intel-iommu).
    qemu_machine="q35,accel={accelerator},kernel-irqchip=split",
    cpus={"kvm": "host", "tcg": "max"},
    # QEMU emulates AMD's SVM with nested paging (target/i386/tcg/sysemu/svm_helper.c).  Without XSAVE: KVM's guests see
    # a size of its state that is not what QEMU 7.2 saves, and Linux stops on that (XSAVE_WARN_ON in fpu/xstate.c).
    virtualization={"kvm": ("-cpu", "host"), "tcg": ("-cpu", "max,+svm,+npt,-xsave")},
    iommu="intel",
    iommu_arguments=("-device", "intel-iommu,intremap=on,caching-mode=on"),
    kernel_arguments=(
        # Shows the messages of a guest that fails before its serial driver has started.
        "earlycon=uart,io,0x3f8,115200",
        # On a loaded host the emulated timer can fail the kernel's interrupt check, and the guest panics without need.
        "no_timer_check",
    ),
    iommu_hint="intel_iommu=on (or amd_iommu=on)",
)

ARM64 = Arch(
    name="arm64",
    kbuild="arm64",
    directory="arm64",
    machine="aarch64",
    debian="arm64",
    triple="aarch64-linux-gnu",
    image="arch/arm64/boot/Image",
    images=("arch/arm64/boot/Image", "arch/arm64/boot/Image.gz"),
    elf_machine=183,
    option="ARM64",
    # The dump has no process's page tables without our patch arm64-ptdump, whose option says that it is there.
    page_table_option="ARM64_PTDUMP_CURRENT_USER",
    qemu="qemu-system-aarch64",
    qemu_package="qemu-system-arm",
    # Guests start at the kernel.
    firmware=(),
    firmware_package="",
    # VFIO needs isolated MSIs, which the ITS of a GICv3 gives.  virtme-ng gives the early console itself.
    qemu_machine="virt,accel={accelerator},gic-version=3",
    # QEMU's own algorithm for pointer authentication is much faster to emulate than Arm's (QEMU,
    # docs/system/arm/cpu-features).
    cpus={"kvm": "host", "tcg": "max,pauth-impdef=on"},
    # EL2 (QEMU, docs/system/arm/virt).  KVM gives it to no guest.
    virtualization={"tcg": ("-cpu", "max,pauth-impdef=on", "-machine", "virtualization=on")},
    iommu="smmuv3",
    # QEMU merges several -machine options.
    iommu_arguments=("-machine", "iommu=smmuv3"),
    kernel_arguments=(),
    iommu_hint="iommu.passthrough=0",
)

RISCV64 = Arch(
    name="riscv64",
    kbuild="riscv",
    directory="riscv",
    machine="riscv64",
    debian="riscv64",
    triple="riscv64-linux-gnu",
    image="arch/riscv/boot/Image",
    images=("arch/riscv/boot/Image", "arch/riscv/boot/Image.gz"),
    elf_machine=243,
    option="RISCV",
    page_table_option="",
    qemu="qemu-system-riscv64",
    qemu_package="qemu-system-misc",
    # The kernel calls OpenSBI for its timer, its other CPUs and its power-off.
    firmware=("/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",),
    firmware_package="opensbi",
    qemu_machine="virt,accel={accelerator}",
    cpus={"kvm": "host", "tcg": "rv64"},
    virtualization={},
    # QEMU 7.2 has none.  Newer ones have riscv-iommu-pci (QEMU, docs/specs/riscv-iommu), which was not tried.
    iommu="",
    iommu_arguments=(),
    # The early console of virtme-ng needs an SBI call that OpenSBI 1.1 does not have.
    kernel_arguments=("earlycon=uart8250,mmio,0x10000000",),
    iommu_hint="its IOMMU on",
)

ARCHES: Mapping[str, Arch] = {arch.name: arch for arch in (X86_64, ARM64, RISCV64)}
"""All architectures that orch supports, by name."""


def arch_name(machine: str = "") -> str:
    """Return the kernel's name of an architecture from `machine`, its uname(1) name.

    "" means this machine.  An unsupported architecture keeps its name.
    """
    machine = machine or platform.machine()
    return next((arch.name for arch in ARCHES.values() if arch.machine == machine), machine)


def is_foreign(arch: str) -> bool:
    """Return whether guests of `arch` can only be emulated here.

    They also cannot run this machine's programs.
    """
    return arch != arch_name()
