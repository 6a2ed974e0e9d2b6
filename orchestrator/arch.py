# SPDX-License-Identifier: GPL-2.0-only
"""What orch must know of an architecture, in one value each.

A new one is one more value here, and fragments in kernels/configs (see CONTRIBUTING.md).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Arch:
    """One architecture, of kernels and of the machine on which they boot.

    `name` is what scenarios use, and `kbuild` the kernel's ARCH; `directory` is below arch/ in its source; `machine` is
    what uname(1) says; `debian` is Debian's name, and `triple` that of its programs for another machine.

    `image` is what is built and booted, a path in the build directory; `images` are what a build directory of somebody
    else may have, the best first; `elf_machine` is the number in an ELF header (elf(5)).

    `option` is the configuration option that only its kernels have, without CONFIG_; `page_table_option` the one with
    which a kernel shows a process its own page tables, "" if none does.

    `qemu` is QEMU's program, in the Debian package `qemu_package`; `firmware` the files one of which QEMU needs to
    start a guest, in the package `firmware_package`, if it needs any; `qemu_machine` its machine type with what must be
    pinned of it; `cpus` the CPU model by accelerator; `iommu` the name that a scenario gives its IOMMU, "" if orch
    knows none, and `iommu_arguments` QEMU's arguments for it; `kernel_arguments` those of the guest kernel that only
    this architecture has; `iommu_hint` the argument with which a host's kernel turns its IOMMU on.
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
    iommu: str
    iommu_arguments: tuple[str, ...]
    kernel_arguments: tuple[str, ...]
    iommu_hint: str

    @property
    def cross_packages(self) -> tuple[str, str, str]:
        """Debian's packages of gcc, the linker and the C library for it, on another machine."""
        target = self.triple.replace("_", "-")
        return f"gcc-{target}", f"binutils-{target}", f"libc6-dev-{self.debian}-cross"


X86_64 = Arch(
    name="x86_64",
    kbuild="x86_64",
    directory="x86",
    machine="x86_64",
    debian="amd64",
    triple="x86_64-linux-gnu",
    # The ELF image has a PVH entry (QEMU, docs/system/i386; arch/x86/platform/pvh): nothing is unpacked.
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
    iommu="intel",
    iommu_arguments=("-device", "intel-iommu,intremap=on,caching-mode=on"),
    kernel_arguments=(
        # A guest that dies before its serial driver is up should have said why.
        "earlycon=uart,io,0x3f8,115200",
        # On a loaded host the emulated timer can miss the check of its interrupt, and the guest panics for nothing.
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
    iommu="smmuv3",
    # QEMU merges what it is told of the machine.
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
    # QEMU has one since 9.1 only (hw/riscv/riscv-iommu.c).
    iommu="",
    iommu_arguments=(),
    # The early console of virtme-ng needs an SBI call that OpenSBI 1.1 does not have.
    kernel_arguments=("earlycon=uart8250,mmio,0x10000000",),
    iommu_hint="an IOMMU",
)

ARCHES: Mapping[str, Arch] = {arch.name: arch for arch in (X86_64, ARM64, RISCV64)}
"""All that orch knows, by name."""


def arch_name(machine: str = "") -> str:
    """The kernel's name of the architecture that uname(1) calls `machine`; this machine's if that is "".

    An architecture that orch does not know keeps its name.
    """
    machine = machine or platform.machine()
    return next((arch.name for arch in ARCHES.values() if arch.machine == machine), machine)


def is_foreign(arch: str) -> bool:
    """Whether guests of `arch` can only be emulated here, and run none of this machine's programs."""
    return arch != arch_name()
