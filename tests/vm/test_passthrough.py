# SPDX-License-Identifier: GPL-2.0-only
"""A PCI function passed through for real, without hardware.

The host is an outer guest: a stock Debian kernel in a q35 with an IOMMU.  orch runs in it as on any machine, binds the
outer guest's devices to vfio-pci, and gives them to a guest of its own: QEMU in QEMU, both emulated.
`passthrough/outer.sh` goes through the whole life once, with orch killed in each phase; the tests read what it left.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

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
from tests.vm.conftest import REPOSITORY, Finished, orch

pytestmark = pytest.mark.nested

HERE = Path(__file__).parent / "passthrough"
TESTDEV, NIC, FIRST, SECOND = "0000:00:10.0", "0000:00:11.0", "0000:01:01.0", "0000:01:02.0"
DRIVERS = {TESTDEV: "", NIC: "e1000e", FIRST: "", SECOND: "e1000"}
"""The drivers that a Debian kernel binds; pci-testdev has none."""
DEVICES = (EmulatedDevice("testdev", "pci-testdev", 256 << 20), EmulatedDevice("nic", "e1000e", None))
GROUP = (
    *("-device", "pcie-pci-bridge,id=orch-bridge,bus=pcie.0,addr=0x12"),
    *("-device", "pci-testdev,membar=16M,bus=orch-bridge,addr=1"),
    *("-device", "e1000,bus=orch-bridge,addr=2"),
)
"""Behind a bridge to conventional PCI, functions cannot be told apart, and are one IOMMU group."""
FALLBACK = "    fallback: {emulated: pci-testdev, bar: 256M}\n"
KILLED = ("journal", "bound", "boot", "workload", "lost")
SECONDS = 45 * 60.0
EMULATOR_BUG = "Oops: int3"
"""QEMU before 8.1, with more than one emulated CPU, can run what the kernel is just patching, most often while it boots
(linux-kernel, July 2023, "qemu-x86_64 booting with 8.0.0 still see int3"; Red Hat bug 2216496)."""
ATTEMPTS = 3

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
for module in vfio-pci vfio_iommu_type1 e1000e e1000; do modprobe $module; done
{binds}exec bash {place}/outer.sh
"""


@dataclass(frozen=True)
class Outer:
    """What the outer guest left."""

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


@pytest.fixture(scope="module")
def inner(base: KernelBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario, its kernel, and a cache that a run on this machine filled.

    The device is emulated in that run.
    """
    place = tmp_path_factory.mktemp("inner")
    for name in ("vmlinux", "config"):
        shutil.copy(base.directory / name, place / name)
    text = (HERE / "inner.yaml").read_text()
    (place / "inner.yaml").write_text(text)
    (place / "short.yaml").write_text(text.replace("timeout: 15m", "timeout: 10s"))
    (place / "tagged.yaml").write_text(text.replace("machine:", "host: {tag: iommu}\nmachine:").replace(FALLBACK, ""))
    for name, address in (("nic", NIC), ("group", FIRST), ("free", TESTDEV)):
        selector = text[text.index("    passthrough:") : text.index("workloads:")]
        (place / f"{name}.yaml").write_text(text.replace(selector, f"    passthrough: {address}\n"))
    return place


@pytest.fixture(scope="module")
def emulated(inner: Path) -> Finished:
    """The scenario on this machine, which has no such device."""
    cache = inner.with_name("inner-cache")
    return orch(inner.with_name("inner-results"), "run", str(inner / "inner.yaml"), "--cache", str(cache))


@pytest.fixture(scope="module")
def outer(inner: Path, emulated: Finished, tmp_path_factory: pytest.TempPathFactory) -> Outer:
    """The outer guest, once, through all that `outer.sh` does."""
    assert emulated.status == 0, emulated.err
    kernel = orch(tmp_path_factory.mktemp("outer"), "run", str(written(tmp_path_factory.mktemp("text"), OUTER)))
    assert kernel.status == 0, kernel.err
    share = tmp_path_factory.mktemp("host") / "guest"
    ours = share / "passthrough"
    shutil.copytree(inner, ours / "inner")
    shutil.copytree(inner.with_name("inner-cache"), ours / "cache", symlinks=True)
    shutil.copy(HERE / "outer.sh", ours)
    boot_outer(kernel.build("outer"), share)
    log = (ours / "log").read_text(errors="replace")
    assert "the end" in log, log[-3000:]
    return Outer(ours / "steps", log)


def written(place: Path, text: str) -> Path:
    (place / "outer.yaml").write_text(text)
    return place / "outer.yaml"


def boot_outer(kernel: KernelBuild, share: Path) -> None:
    """Boot `kernel` with all that orch needs of this machine at its own place, read-only."""
    userland = find_userland()
    places = {Path(sys.prefix), Path(sys.base_prefix), REPOSITORY}
    shown = [one for one in places if not any(other in one.parents for other in {*places, Path("/usr")})]
    exports = (*userland.exports, *((str(path), path) for path in shown if path != Path("/usr")))
    root = guest_root(LocalHost(), cache_directory(), replace(userland, exports=exports))
    binds = "".join(f"mount --bind {there} {here}\n" for there, here in userland.binds)
    place = f"{GUEST_SHARE}/passthrough"
    (share / "passthrough/remount.sh").write_text(REMOUNT.format(share=GUEST_SHARE))
    (share / "passthrough/start.sh").write_text(START.format(binds=binds, place=place))
    names = {"TESTDEV": TESTDEV, "NIC": NIC, "FIRST": FIRST, "SECOND": SECOND, "ORCH_BIN": f"{sys.prefix}/bin"}
    settings = " ".join(f"{name}={value}" for name, value in names.items())
    plan = Boot(
        image=kernel.image,
        root=root,
        share=share,
        program=root,
        command=f"sh {place}/remount.sh; env {settings} unshare -m sh {place}/start.sh",
        machine=Machine(cpus=2, memory=6 << 30),
        devices=DEVICES,
        accelerator="tcg",
        timeout=SECONDS,
        exports=exports,
        modules=kernel.modules,
        arguments=("intel_iommu=on", "mitigations=off"),
    )
    home = cache_directory() / "vng-home"
    prepare_home(home)
    prepare_monitor(share)
    argv = tuple(with_group(word) for word in vng_argv(plan))
    console = share.parent / "console.log"
    for _ in range(ATTEMPTS):
        done = LocalHost().run(Command(argv, env=vng_environment(home), timeout=SECONDS, log=console))
        assert not done.timed_out
        if EMULATOR_BUG not in console.read_text(errors="replace"):
            break


def with_group(word: str) -> str:
    mark = "--qemu-opts="
    return f"{word} {shlex.join(GROUP)}" if word.startswith(mark) else word


def as_it_was(state: dict[str, list[str]]) -> bool:
    """Whether every device is at its driver, and no journal, lease or process is left."""
    drivers = {line.partition(" ")[0]: line.partition(" ")[2] for line in state.pop("driver")}
    overrides = {line.partition(" ")[2] for line in state.pop("override")}
    return drivers == DRIVERS and overrides <= {"(null)", ""} and not state


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_the_device_is_emulated_where_the_host_has_none(emulated: Finished) -> None:
    assert "device 'gpu' is emulated instead: local has no PCI function 1b36:0005" in emulated.err
    assert emulated.record["scenario"]["devices"]["gpu"]["model"] == "pci-testdev"


def test_the_list_says_what_the_host_has_and_why_not(outer: Outer) -> None:
    functions = {one["address"]: one for one in json.loads(outer.text("devices.out"))["functions"]}
    assert functions[TESTDEV]["obstacles"] == []
    assert [bar["size"] for bar in functions[TESTDEV]["bars"] if bar["prefetchable"]] == [256 << 20]
    assert functions[NIC]["obstacles"] == ["its network interface eth0 is up"]
    shares = [one for one in functions.values() if "it serves the file system on /" in one["obstacles"]]
    assert len(shares) == 1, "the outer guest's root is this machine's directory"
    assert {FIRST, SECOND} <= set(functions[FIRST]["group_members"])
    group = functions[FIRST]["group"]
    assert functions[FIRST]["obstacles"] == [
        f"{SECOND} is in its IOMMU group {group}, and its network interface eth1 is up"
    ]


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("in-use", f"{NIC} cannot be passed through: its network interface eth0 is up"),
        ("memlock", f"{TESTDEV} cannot be passed through: all 1024 MiB of the guest's memory would be locked"),
        ("group-in-use", f"{FIRST} cannot be passed through: {SECOND} is in its IOMMU group"),
    ],
)
def test_what_is_in_use_is_refused_and_stays_where_it_is(outer: Outer, step: str, sentence: str) -> None:
    assert outer.status(step) == 3
    assert sentence in outer.text(f"{step}.err")
    assert as_it_was(outer.state(step))


def test_virtme_ng_alone_leaves_the_binding_to_its_user(outer: Outer) -> None:
    """What the README says of `vng --vfio-pci`."""
    for step, why in (
        ("vng-alone", "No such file or directory"),
        ("vng-group", "is not viable"),
        ("vng-busy", "Device or resource busy"),
    ):
        assert outer.status(step) != 0
        assert why in outer.text(f"{step}.out") + outer.text(f"{step}.err")


def test_a_boot_that_fails_gives_the_device_back(outer: Outer) -> None:
    assert outer.status("failed") == 1, outer.text("failed.err")
    assert f"{TESTDEV} is bound to vfio-pci" in outer.text("failed.err")
    assert f"{TESTDEV} is back at no driver, as before" in outer.text("failed.err")
    assert as_it_was(outer.state("failed")), outer.text("failed.state")
    assert "TIMEOUT" in read(outer.steps / "failed-results/latest/run.json")["counts"]


@pytest.mark.parametrize("step", KILLED)
def test_a_run_that_is_killed_leaves_nothing(outer: Outer, step: str) -> None:
    """Its orch gets SIGKILL; the processes that it started notice its end."""
    assert not (outer.steps / f"{step}.missed").exists()
    before = outer.text(f"{step}.before")
    assert f"journal {TESTDEV}.json" in before
    assert f"lease {TESTDEV}" in before
    assert outer.status(step) == 128 + 9
    assert as_it_was(outer.state(step)), outer.text(f"{step}.state")
    shown = orch(outer.steps / f"{step}-results", "compare")
    assert shown.out.startswith("inner: "), shown.err
    assert "jobs did not end" in shown.out or "have not ended" in shown.out


def test_a_run_that_is_interrupted_gives_back_before_it_ends(outer: Outer) -> None:
    assert outer.status("stopped") == 130
    assert as_it_was(outer.state("stopped")), outer.text("stopped.state")
    assert "interrupted" in outer.text("stopped.err")


def test_what_is_left_when_everything_is_killed_at_once_is_given_back_later(outer: Outer) -> None:
    left = outer.state("all")
    assert left["journal"] == [f"{TESTDEV}.json"]
    assert f"{TESTDEV} vfio-pci" in left["driver"]
    assert "lease" not in left
    assert all("qemu-system" in process for process in left.get("process", ())), "only the guest may live on"
    assert outer.status("restore") == 0
    assert outer.text("restore.out") == f"{TESTDEV} is back at no driver, as before\n"
    assert as_it_was(outer.state("restore")), outer.text("restore.state")


def test_the_next_run_gives_back_what_was_left_and_measures(outer: Outer) -> None:
    assert outer.state("all-again")["journal"] == [f"{TESTDEV}.json"]
    assert outer.status("second") == 0, outer.text("second.err")
    assert f"{TESTDEV}: restored, left by a run that has ended" in outer.text("second.err")
    run = outer.steps / "second-results/latest"
    record = read(run / "run.json")
    assert record["counts"] == {"PASS": 9}
    assert record["scenario"]["devices"]["gpu"]["address"] == TESTDEV


@pytest.mark.parametrize("run", ["second", "queue"])
def test_the_guest_measures_on_the_real_device_what_it_measures_on_the_emulated_one(
    outer: Outer, emulated: Finished, run: str
) -> None:
    def exact(run: Path) -> dict[tuple[str, str], int]:
        record = read(run / "boots/base/alignment/result.json")
        wanted = ("alignment", "entries_pte", "entries_pmd", "entries_pud", "faults", "dma_faults")
        return {(one["test"], one["name"]): one["value"] for one in record["measurements"] if one["name"] in wanted}

    inner = outer.steps / f"{run}-results/latest"
    assert exact(inner) == exact(emulated.run)
    assert exact(inner)["kernel", "entries_pte"] == 65536
    assert exact(inner)["qemu", "entries_pmd"] == 128


def test_a_second_run_waits_for_the_lease_and_then_has_the_device_over_ssh(outer: Outer) -> None:
    """It names a tag that two hosts have.

    The first of them may not pass the device through.
    """
    assert "  leased by process " in outer.text("leased.out")
    assert f"{TESTDEV} waits for process " in outer.text("queue.err")
    assert f"driver {TESTDEV} vfio-pci" in outer.text("queue.before")
    assert outer.status("queue") == 0, outer.text("queue.err")
    assert as_it_was(outer.state("queue")), outer.text("queue.state")
    record = read(outer.steps / "queue-results/latest/run.json")
    assert record["host"] == "lab"
    assert record["scenario"]["devices"]["gpu"]["address"] == TESTDEV


def test_a_whole_group_leaves_its_drivers_and_comes_back(outer: Outer) -> None:
    before = outer.text("group.before")
    assert f"driver {FIRST} vfio-pci" in before
    assert f"driver {SECOND} vfio-pci" in before
    assert as_it_was(outer.state("group")), outer.text("group.state")
