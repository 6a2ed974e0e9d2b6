# SPDX-License-Identifier: GPL-2.0-only
"""virtme-ng's command line for one boot, with everything pinned that it would otherwise choose by what it finds."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from orchestrator.machine.devices import qemu_devices
from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE, Boot

_CPU = {"kvm": "host", "tcg": "max"}

_KERNEL_ARGUMENTS = (
    # The 9p tag of the root; a kernel without block devices does not fill in this name by itself (init/do_mounts.c).
    "root=/dev/root",
    "printk.time=1",
    # A guest that dies before its serial driver is up should have said why.
    "earlycon=uart,io,0x3f8,115200",
    # On a loaded host the emulated timer can miss the check of its interrupt, and the guest panics for nothing.
    "no_timer_check",
    # An oops ends the boot at once instead of leaving a guest that hangs; virtme-ng adds panic=-1.
    "oops=panic",
)


def vng_argv(boot: Boot) -> tuple[str, ...]:
    """virtme-ng's command for `boot`: console on its output, the guest's shares as 9p, devices at fixed addresses."""
    argv = ["vng", "--verbose", "--run", str(boot.image), "--disable-microvm", "--force-9p"]
    if boot.accelerator == "tcg":
        argv.append("--disable-kvm")
    argv += ["--cpus", str(boot.machine.cpus), "--memory", f"{boot.machine.memory >> 20}M", "--name", "orch"]
    argv += ["--root", str(boot.root), "--user", "root"]
    argv += ["--rodir", f"{GUEST_PROGRAM}={boot.program}", "--rwdir", f"{GUEST_SHARE}={boot.share}"]
    argv += [word for guest, own in boot.exports for word in ("--rodir", f"{guest}={own}")]
    argv += [word for argument in _KERNEL_ARGUMENTS for word in ("--append", argument)]
    argv += [f"--qemu-opts={shlex.join(qemu_arguments(boot))}", "--exec", boot.command]
    return tuple(argv)


def qemu_arguments(boot: Boot) -> tuple[str, ...]:
    """What orch adds to virtme-ng's QEMU command: machine type, CPU, IOMMU and the scenario's devices.

    VFIO needs interrupt remapping, which needs the split irqchip under KVM; caching mode lets QEMU follow the guest's
    mappings (QEMU, docs on intel-iommu).
    """
    return (
        "-machine",
        f"q35,accel={boot.accelerator},kernel-irqchip=split",
        "-cpu",
        _CPU[boot.accelerator],
        "-device",
        "intel-iommu,intremap=on,caching-mode=on",
        *qemu_devices(boot.devices, boot.share.parent),
    )


def vng_environment(home: Path) -> dict[str, str]:
    """The environment for virtme-ng: its own programs first on PATH, and `home` instead of the user's.

    virtme-ng reads default options from the home directory; a run must not depend on them.
    """
    tools = str(Path(sys.executable).parent)
    return {"PATH": os.pathsep.join((tools, os.environ.get("PATH", os.defpath))), "HOME": str(home)}
