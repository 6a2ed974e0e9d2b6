# SPDX-License-Identifier: GPL-2.0-only
"""virtme-ng's command line for one boot.

It sets everything that virtme-ng would otherwise choose by itself.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from orchestrator.arch import ARCHES, is_foreign
from orchestrator.machine.devices import qemu_devices
from orchestrator.machine.model import GUEST_MODULES, GUEST_PROGRAM, GUEST_SHARE, Boot
from orchestrator.machine.monitor import monitor_arguments

# The 9p tag of the root; a kernel without block devices does not fill in this name by itself (init/do_mounts.c).
# ignore_loglevel: the console shows every line of any level, even if a program in the guest sets the log level.
_KERNEL_ARGUMENTS = ("root=/dev/root", "printk.time=1", "ignore_loglevel")
# An oops ends the boot immediately, so that the guest does not hang; virtme-ng adds panic=-1.
_OOPS = "oops=panic"
# For a built-in VFIO, and usually for modules (drivers/vfio/vfio_main.c); the guest's script sets it in other cases.
_NOIOMMU = "vfio.enable_unsafe_noiommu_mode=1"


def vng_argv(boot: Boot) -> tuple[str, ...]:
    """Return virtme-ng's command for `boot`: console on stdout, shares through 9p, devices at fixed addresses."""
    mode = (_NOIOMMU,) if boot.machine.noiommu else ()
    arguments = (*_KERNEL_ARGUMENTS, *ARCHES[boot.arch].kernel_arguments, _OOPS, *mode, *boot.arguments)
    argv = ["vng", "--verbose", "--run", str(boot.image), "--disable-microvm", "--force-9p"]
    if is_foreign(boot.arch):
        argv += ["--arch", ARCHES[boot.arch].debian]
    if boot.accelerator == "tcg":
        argv.append("--disable-kvm")
    argv += ["--cpus", str(boot.machine.cpus), "--memory", f"{boot.machine.memory >> 20}M", "--name", "orch"]
    argv += ["--root", str(boot.root), "--user", "root"]
    argv += ["--rodir", f"{GUEST_PROGRAM}={boot.program}", "--rwdir", f"{GUEST_SHARE}={boot.share}"]
    argv += [argument for guest, own in boot.exports for argument in ("--rodir", f"{guest}={own}")]
    if boot.modules:
        # virtme-ng itself finds the modules that mount the root: they are beside the image.
        argv += ["--rodir", f"{GUEST_MODULES}={boot.modules / 'lib/modules'}"]
    argv += [item for argument in arguments for item in ("--append", argument)]
    argv += [f"--qemu-opts={shlex.join(qemu_arguments(boot))}", "--exec", boot.command]
    return tuple(argv)


def qemu_arguments(boot: Boot) -> tuple[str, ...]:
    """Return what orch adds to virtme-ng's QEMU command.

    It is the machine type, the CPU, the IOMMU (if any), the devices, the monitor, and then the boot's own arguments.
    """
    arch = ARCHES[boot.arch]
    return (
        "-machine",
        arch.qemu_machine.format(accelerator=boot.accelerator),
        *_cpu(boot),
        *(() if boot.machine.noiommu else arch.iommu_arguments),
        *qemu_devices(boot.devices, boot.share.parent),
        *monitor_arguments(boot.share),
        *boot.qemu,
    )


def _cpu(boot: Boot) -> tuple[str, ...]:
    """Return the arguments for the CPU, with virtualization only if QEMU can give it to the guest."""
    arch = ARCHES[boot.arch]
    extended = arch.virtualization.get(boot.accelerator) if boot.machine.virtualization else None
    return extended or ("-cpu", arch.cpus[boot.accelerator])


def vng_environment(home: Path) -> dict[str, str]:
    """Return the environment for virtme-ng: its own programs first in PATH, and `home` as the home directory.

    virtme-ng reads default options from the user's home directory; a run must not depend on them.
    """
    tools = str(Path(sys.executable).parent)
    return {"PATH": os.pathsep.join((tools, os.environ.get("PATH", os.defpath))), "HOME": str(home)}
