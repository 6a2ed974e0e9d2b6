# SPDX-License-Identifier: GPL-2.0-only
"""What each architecture's machine is to virtme-ng, to QEMU and to the guest's kernel: one frozen value each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.kernel.toolchain import native_arch


@dataclass(frozen=True)
class Platform:
    """One architecture's machine.

    `qemu` is QEMU's program, and `package` the Debian package that has it.  `machine` is QEMU's machine type with what
    must be pinned of it, `cpu` the model by accelerator, `iommu` further arguments for the IOMMU.  `kernel` are the
    guest kernel's arguments that only this architecture has; `debian` is Debian's name of the architecture.
    """

    qemu: str
    package: str
    machine: str
    cpu: Mapping[str, str]
    iommu: tuple[str, ...]
    kernel: tuple[str, ...]
    debian: str


PLATFORMS: Mapping[str, Platform] = {
    # VFIO needs interrupt remapping, which needs the split irqchip under KVM; caching mode lets QEMU follow the guest's
    # mappings (QEMU, docs on intel-iommu).
    "x86_64": Platform(
        qemu="qemu-system-x86_64",
        package="qemu-system-x86",
        machine="q35,accel={accelerator},kernel-irqchip=split",
        cpu={"kvm": "host", "tcg": "max"},
        iommu=("-device", "intel-iommu,intremap=on,caching-mode=on"),
        kernel=(
            # A guest that dies before its serial driver is up should have said why.
            "earlycon=uart,io,0x3f8,115200",
            # On a loaded host the emulated timer can miss the check of its interrupt, and the guest panics for nothing.
            "no_timer_check",
        ),
        debian="amd64",
    ),
    # VFIO needs isolated MSIs, which the ITS of a GICv3 gives.  QEMU's own algorithm for pointer authentication is much
    # faster to emulate than Arm's (QEMU, docs/system/arm/cpu-features).  virtme-ng gives the early console itself.
    "arm64": Platform(
        qemu="qemu-system-aarch64",
        package="qemu-system-arm",
        machine="virt,accel={accelerator},gic-version=3",
        cpu={"kvm": "host", "tcg": "max,pauth-impdef=on"},
        # QEMU merges what it is told of the machine.
        iommu=("-machine", "iommu=smmuv3"),
        kernel=(),
        debian="arm64",
    ),
}


def foreign(arch: str) -> bool:
    """Whether guests of `arch` can only be emulated here, and run none of this machine's programs."""
    return arch != native_arch()
