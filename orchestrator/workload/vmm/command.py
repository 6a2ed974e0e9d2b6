# SPDX-License-Identifier: GPL-2.0-only
"""The command line with which the guest's program starts a VMM."""

from __future__ import annotations

from orchestrator.scenario.model import DebianVmm, VmmWorkload
from orchestrator.scenario.vmm import filled
from orchestrator.workload.alignment.program import KTAP_FILE, MEASUREMENTS_FILE

GUEST_VMM = "/mnt/vmm"
"""Mount point in the guest, read-only: the root of the VMM's packages, or the directory of the user's program."""
GUEST_KERNEL = "/mnt/kernel"
"""Mount point in the guest, read-only: the directory of the kernel that the VMM boots."""
LOG_FILE = "vmm.log"
"""What the VMM writes, with the console of its guest, in the share."""

_KERNEL = "/tmp/kernel"
_INITRD = "/tmp/initrd"


def vmm_command(
    workload: VmmWorkload, address: str, image: str, binary: str, out_dir: str, *, dump: bool = True
) -> tuple[str, ...]:
    """Return the command line in the guest.

    `address` is the device's PCI address there, `image` the name of the kernel's file.  The other parameters are as in
    `workload.alignment.program.command`.  The placeholder {cmdline} is left: the program fills it in for each BAR.
    """
    argv = [
        binary,
        "--device",
        address,
        "--test",
        "vmm",
        "--kernel",
        GUEST_KERNEL,
        "--vmm-log",
        f"{out_dir}/{LOG_FILE}",
    ]
    values = {"device": address, "kernel": f"{_KERNEL}/{image}", "initrd": _INITRD}
    if isinstance(workload.vmm, DebianVmm):
        argv += ["--vmm-root", GUEST_VMM]
    else:
        values["program"] = f"{GUEST_VMM}/{workload.vmm.path.name}"
    for bar in workload.bars:
        argv += ["--bar", str(bar)]
    if not dump:
        argv.append("--no-dump")
    argv += ["--measurements", f"{out_dir}/{MEASUREMENTS_FILE}", "--ktap", f"{out_dir}/{KTAP_FILE}"]
    return (*argv, "--", *filled(workload.command_line, values))
