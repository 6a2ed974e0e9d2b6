# SPDX-License-Identifier: GPL-2.0-only
"""A PCI function passed through for real, and KVM, without hardware.

The hosts are outer guests (`outer.py`).  orch runs in them as on any machine, binds their devices to vfio-pci, and
gives them to guests of its own, under KVM.  The scripts in `passthrough` go through the whole life once, with orch
killed in each phase; the tests read what they left.  Only virtme-ng without orch is emulation in emulation there: it
fails before its guest starts.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from orchestrator.kernel.model import KernelBuild
from tests.vm.conftest import Finished, orch
from tests.vm.outer import FIRST, HERE, NIC, OUTER, SECOND, TESTDEV, UNDER_KVM, Outer, boot_outer, read, written

pytestmark = pytest.mark.nested

DRIVERS = {TESTDEV: "", NIC: "e1000e", FIRST: "", SECOND: "e1000"}
"""The drivers that a Debian kernel binds; pci-testdev has none."""
FALLBACK = "    fallback: {emulated: pci-testdev, bar: 256M}\n"
KILLED = ("journal", "bound", "boot", "workload", "lost")
PARTS = ("killed", "left")
"""The scripts, each for an outer guest of its own."""
BAR = 256 << 20
"""The size of the BAR there in bytes."""


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
    # One guest finds out whether KVM works; where another thing is tested, it is known.
    known = text.replace("memory: 1G", "memory: 1G, accelerator: kvm").replace(FALLBACK, "")
    (place / "known.yaml").write_text(known)
    (place / "short.yaml").write_text(known.replace("timeout: 15m", "timeout: 1s"))
    (place / "tagged.yaml").write_text(known.replace("machine:", "host: {tag: iommu}\nmachine:"))
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
    """What the outer guests left.  Each has one CPU, and all run at the same time."""
    assert emulated.status == 0, emulated.err
    kernel = orch(tmp_path_factory.mktemp("outer"), "run", str(written(tmp_path_factory.mktemp("text"), OUTER)))
    assert kernel.status == 0, kernel.err
    build, hosts = kernel.build("outer"), tmp_path_factory.mktemp("hosts")
    given = {"cache": inner.with_name("inner-cache"), "inner": inner}

    interrupted = Event()

    def boot(part: str) -> Outer:
        return boot_outer(build, hosts / part / "guest", part, given, BAR, interrupted)

    with ThreadPoolExecutor(len(PARTS)) as pool:
        running = [pool.submit(boot, part) for part in PARTS]
        try:
            parts = [one.result() for one in running]
        finally:
            interrupted.set()
    for part in parts:
        shutil.copytree(part.steps, hosts / "steps", symlinks=True, dirs_exist_ok=True)
    return Outer(hosts / "steps", "".join(part.log for part in parts))


def as_it_was(state: dict[str, list[str]]) -> bool:
    """Whether every device is at its driver, and no journal, lease or process is left."""
    drivers = {line.partition(" ")[0]: line.partition(" ")[2] for line in state.pop("driver")}
    overrides = {line.partition(" ")[2] for line in state.pop("override")}
    return drivers == DRIVERS and overrides <= {"(null)", ""} and not state


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
    assert record["accelerator"] == UNDER_KVM
    assert record["scenario"]["devices"]["gpu"]["address"] == TESTDEV


@pytest.mark.parametrize("run", ["second", "queue"])
def test_the_guest_measures_on_the_real_device_what_it_measures_on_the_emulated_one(
    outer: Outer, emulated: Finished, run: str
) -> None:
    def numbers(run: Path) -> dict[tuple[str, str], int]:
        record = read(run / "boots/base/alignment/result.json")
        wanted = ("alignment", "entries_pte", "entries_pmd", "entries_pud", "faults", "dma_faults")
        return {(one["test"], one["name"]): one["value"] for one in record["measurements"] if one["name"] in wanted}

    inner = outer.steps / f"{run}-results/latest"
    assert numbers(inner) == numbers(emulated.run)
    assert numbers(inner)["kernel", "entries_pte"] == 65536
    assert numbers(inner)["qemu", "entries_pmd"] == 128


def test_a_second_run_waits_for_the_lease_and_then_has_the_device_over_ssh(outer: Outer) -> None:
    """It names a tag that two hosts have.

    The first of them may not pass the device through.
    """
    assert "  leased by process " in outer.text("leased.out")
    assert f"{TESTDEV} waits for " in outer.text("queue.err")
    assert f"{TESTDEV} waits for process " in outer.text("queue.err")
    assert f"driver {TESTDEV} vfio-pci" in outer.text("queue.before")
    assert outer.status("queue") == 0, outer.text("queue.err")
    assert as_it_was(outer.state("queue")), outer.text("queue.state")
    record = read(outer.steps / "queue-results/latest/run.json")
    assert record["host"] == "lab"
    assert record["accelerator"] == "kvm (set by the scenario)"
    assert record["scenario"]["devices"]["gpu"]["address"] == TESTDEV


def test_a_whole_group_leaves_its_drivers_and_comes_back(outer: Outer) -> None:
    before = outer.text("group.before")
    assert f"driver {FIRST} vfio-pci" in before
    assert f"driver {SECOND} vfio-pci" in before
    assert as_it_was(outer.state("group")), outer.text("group.state")


def test_the_doctor_finds_kvm_by_a_boot(outer: Outer) -> None:
    found = {one["what"]: one for one in json.loads(outer.text("doctor.out"))["findings"]}
    assert (found["accelerator"]["state"], found["accelerator"]["detail"]) == ("ok", "kvm: a guest booted under it")
