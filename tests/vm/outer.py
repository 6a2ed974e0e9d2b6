# SPDX-License-Identifier: GPL-2.0-only
"""A guest that stands for a host with an IOMMU and with KVM, on a machine that has neither.

QEMU emulates the host: a stock Debian kernel in a q35 with Intel's IOMMU and AMD's SVM with nested paging (QEMU,
target/i386/tcg/sysemu/svm_helper.c).  orch runs in it as on any machine, and its guests run under KVM.
"""

from __future__ import annotations

import compileall
import json
import shlex
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

from orchestrator.cli.arguments import cache_directory
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine.boot import prepare_home
from orchestrator.machine.model import GUEST_SHARE, Boot
from orchestrator.machine.monitor import prepare_monitor
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.machine.rootfs.userland import find_userland
from orchestrator.machine.vng import vng_argv, vng_environment
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import Machine
from tests.vm.conftest import REPOSITORY

HERE = Path(__file__).parent / "passthrough"
TESTDEV, NIC, FIRST, SECOND = "0000:00:10.0", "0000:00:11.0", "0000:01:01.0", "0000:01:02.0"
"""The PCI functions of the host.  The last two are one IOMMU group."""
GROUP = (
    *("-device", "pcie-pci-bridge,id=orch-bridge,bus=pcie.0,addr=0x12"),
    *("-device", "pci-testdev,membar=16M,bus=orch-bridge,addr=1"),
    *("-device", "e1000,bus=orch-bridge,addr=2"),
)
"""Behind a bridge to conventional PCI, functions cannot be told apart, and are one IOMMU group."""
UNDER_KVM = "kvm (a guest booted under it)"
SECONDS = 45 * 60.0

OUTER = """\
name: outer
description: A stock kernel to stand for a host.
machine: {accelerator: tcg}
workloads:
  nothing: {command: "true"}
kernels:
  outer:
    source: {debian-image: linux-image-amd64, suite: trixie-security}
"""

REMOUNT = """\
# What is this machine's does not change: with a cache in the guest Python starts in a fraction of the time.
cat /proc/mounts > /run/mounts
while read -r tag place type rest; do
    case $type:$place in
        9p:/|9p:/run/*|9p:/lib/*|9p:{share}) ;;
        9p:*) umount "$place" && mount -t 9p -o ro,trans=virtio,msize=512000,cache=loose "$tag" "$place" ;;
    esac
done < /run/mounts
"""
START = """\
# Drivers as a host has them loaded; then the real host's programs, beside which there are no modules.
for module in kvm_amd vfio-pci vfio_iommu_type1 e1000e e1000; do modprobe $module; done
{binds}exec bash {place}/outer.sh
"""


@dataclass(frozen=True)
class Outer:
    """What an outer guest left: the directory of its steps, and its log."""

    steps: Path
    log: str

    def text(self, name: str) -> str:
        return (self.steps / name).read_text(errors="replace")

    def status(self, step: str) -> int:
        return int(self.text(f"{step}.status"))

    def state(self, step: str) -> dict[str, list[str]]:
        """The state of the host after `step`, by what its lines begin with."""
        found: dict[str, list[str]] = {}
        for line in self.text(f"{step}.state").splitlines():
            kind, _, rest = line.partition(" ")
            found.setdefault(kind, []).append(rest)
        return found


def boot_outer(
    kernel: KernelBuild, share: Path, part: str, given: Mapping[str, Path], bar: int, until: Event | None = None
) -> Outer:
    """Boot `kernel` with all that orch needs of this machine at its own place, read-only, and run the steps of `part`.

    Setting `until` ends it.  `share` is a new directory for the guest.  `given` are directories for its /tmp by name:
    ``cache`` is orch's cache there, ``inner`` the directory that the steps start in.  `bar` is the size of TESTDEV's
    BAR in bytes.

    The guest has one CPU.  With two, QEMU before 8.1 can run what the kernel is just patching, and ends in "Oops: int3"
    (linux-kernel, July 2023, "qemu-x86_64 booting with 8.0.0 still see int3"; Red Hat bug 2216496): KVM patches the
    kernel with each new guest.
    """
    ours = share / "passthrough"
    ours.mkdir(parents=True)
    for script in HERE.glob("*.sh"):
        (ours / script.name).write_bytes(script.read_bytes())
    with tarfile.open(ours / "given.tar", "w") as archive:
        for name, path in given.items():
            archive.add(path, name)
    plan = _plan(kernel, share, part, bar)
    home = cache_directory() / "vng-home"
    prepare_home(home)
    prepare_monitor(share)
    argv = tuple(_with_group(word) for word in vng_argv(plan))
    done = LocalHost().run(
        Command(argv, env=vng_environment(home), timeout=SECONDS, log=share.with_name("console.log"), until=until)
    )
    assert not done.timed_out
    log = (ours / "log").read_text(errors="replace") if (ours / "log").exists() else done.output
    assert "the end" in log, log[-3000:]
    return Outer(ours / "steps", log)


def _plan(kernel: KernelBuild, share: Path, part: str, bar: int) -> Boot:
    userland = find_userland()
    places = {Path(sys.prefix), Path(sys.base_prefix), REPOSITORY}
    shown = [one for one in places if not any(other in one.parents for other in {*places, Path("/usr")})]
    exports = (*userland.exports, *((str(path), path) for path in shown if path != Path("/usr")))
    root = guest_root(LocalHost(), cache_directory(), replace(userland, exports=exports))
    # The guest cannot write to it, and would compile it at each start of Python.
    compileall.compile_dir(str(REPOSITORY / "orchestrator"), quiet=2)
    binds = "".join(f"mount --bind {there} {here}\n" for there, here in userland.binds)
    place = f"{GUEST_SHARE}/passthrough"
    (share / "passthrough/remount.sh").write_text(REMOUNT.format(share=GUEST_SHARE))
    (share / "passthrough/start.sh").write_text(START.format(binds=binds, place=place))
    names = {"TESTDEV": TESTDEV, "NIC": NIC, "FIRST": FIRST, "SECOND": SECOND, "PART": part}
    settings = " ".join(f"{name}={value}" for name, value in {**names, "ORCH_BIN": f"{sys.prefix}/bin"}.items())
    return Boot(
        image=kernel.image,
        root=root,
        share=share,
        program=root,
        command=f"sh {place}/remount.sh; env {settings} unshare -m sh {place}/start.sh",
        machine=Machine(cpus=1, memory=3 << 30, virtualization=True),
        devices=(EmulatedDevice("testdev", "pci-testdev", bar), EmulatedDevice("nic", "e1000e", None)),
        accelerator="tcg",
        timeout=SECONDS,
        exports=exports,
        modules=kernel.modules,
        arguments=("intel_iommu=on", "mitigations=off"),
    )


def _with_group(word: str) -> str:
    return f"{word} {shlex.join(GROUP)}" if word.startswith("--qemu-opts=") else word


def written(place: Path, text: str) -> Path:
    (place / "outer.yaml").write_text(text)
    return place / "outer.yaml"


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def exact(result: dict[str, Any]) -> dict[tuple[int, str, str], int]:
    found = (one for one in result["measurements"] if one["exact"])
    return {(one["bar"], one["test"], one["name"]): one["value"] for one in found}


def statuses(result: dict[str, Any]) -> dict[tuple[object, ...], str]:
    return {tuple(one["id"].values()): one["status"] for one in result["cases"]}
