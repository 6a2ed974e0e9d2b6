# SPDX-License-Identifier: GPL-2.0-only
"""How a boot can end.

Each way is provoked for real, distinguished from the others, and leaves no process.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.host.local import LocalHost
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine import share as share_module
from orchestrator.machine.boot import Booted, run_vng
from orchestrator.machine.model import Boot, BootEnd
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import Machine
from tests.unit.host.test_contract import wait_until
from tests.vm.conftest import PATCHES, orch, virtual_machines

COMMAND = """\
name: ends
description: A kernel that ends in many ways, on purpose.
workloads:
  nothing: {command: "true", timeout: 60s}
kernels:
  base:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio]
"""
BROKEN = f"""\
  ends:
    extends: base
    patches: {PATCHES}/ends.patch
"""
NOT_ANNOUNCED = "and the kernel had not announced that"
KERNELS_LAST = "the kernel wrote last: "
PARAMETER = "/sys/module/vfio/parameters/end"


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> KernelBuild:
    """A kernel that ends in the way that the parameter vfio.end says.

    It ends late in its boot, or when the parameter is written.
    """
    home = tmp_path_factory.mktemp("ends")
    (home / "ends.yaml").write_text(COMMAND + BROKEN)
    done = orch(home / "results", "run", str(home / "ends.yaml"))
    assert done.status == 0, done.err
    return done.build("ends")


@pytest.fixture
def boot(base: KernelBuild, host: LocalHost, tmp_path: Path) -> Boot:
    """A boot that succeeds at doing nothing."""
    root = guest_root(host, cache_directory())
    return Boot(base.image, root, tmp_path / "share", tmp_path, "true", Machine(), (), "tcg", timeout=60)


def run(host: LocalHost, boot: Boot, tmp_path: Path) -> Booted:
    return run_vng(host, boot, tmp_path / "console.log", tmp_path / "home", lambda _: None)


def test_a_boot_that_does_its_work_is_ok(host: LocalHost, boot: Boot, tmp_path: Path) -> None:
    booted = run(host, boot, tmp_path)
    assert booted.report.end is BootEnd.OK
    assert booted.report.splats == ()
    assert booted.version.startswith("Linux version 7.3")


def test_a_kill_of_init_does_nothing(host: LocalHost, boot: Boot, tmp_path: Path) -> None:
    """Linux gives the first process no signal that it does not ask for (signal(7))."""
    booted = run(host, replace(boot, command="sh -c 'kill -9 1; sleep 1; kill -0 1'"), tmp_path)
    assert booted.report.end is BootEnd.OK


def test_a_workload_that_cannot_work_is_distinguished_from_a_kernel_that_crashes(
    host: LocalHost, boot: Boot, tmp_path: Path
) -> None:
    assert run(host, replace(boot, command="sh -c 'exit 3'"), tmp_path).report.end is BootEnd.WORKLOAD


def test_a_guest_that_goes_on_past_the_deadline_hangs(host: LocalHost, boot: Boot, tmp_path: Path) -> None:
    booted = run(host, replace(boot, command="sleep 1000", timeout=12), tmp_path)
    assert booted.report.end is BootEnd.HANG
    assert 12 <= booted.report.seconds < 20
    assert booted.report.lines


def test_a_kernel_without_an_init_panics(host: LocalHost, boot: Boot, tmp_path: Path) -> None:
    empty = tmp_path / "root"
    empty.mkdir()
    booted = run(host, replace(boot, root=empty), tmp_path)
    assert booted.report.end is BootEnd.PANIC
    assert "Kernel panic - not syncing" in booted.report.lines[0]
    number = int(booted.report.evidence.rpartition(":")[2])
    assert "Kernel panic" in (tmp_path / "console.log").read_text().splitlines()[number - 1]


def test_a_qemu_that_refuses_its_arguments_is_no_fault_of_the_kernel(
    host: LocalHost, boot: Boot, tmp_path: Path
) -> None:
    strange = EmulatedDevice("strange", "no-such-device", 4096)
    booted = run(host, replace(boot, devices=(strange,)), tmp_path)
    assert booted.report.end is BootEnd.QEMU
    assert "no-such-device" in " ".join(booted.report.lines)


def test_a_missing_kernel_image_is_no_fault_of_the_kernel(host: LocalHost, boot: Boot, tmp_path: Path) -> None:
    booted = run(host, replace(boot, image=tmp_path / "gone"), tmp_path)
    assert booted.report.end is BootEnd.QEMU
    assert "gone" in " ".join(booted.report.lines)


@pytest.mark.parametrize(
    ("kind", "seconds", "end", "why"),
    [
        ("triple-fault", 60, BootEnd.RESET, ("it was reset", NOT_ANNOUNCED, "triple fault", KERNELS_LAST)),
        ("power-off", 60, BootEnd.RESET, ("it was powered off", NOT_ANNOUNCED, KERNELS_LAST)),
        ("lockup", 6, BootEnd.HANG, ("it had not started", KERNELS_LAST)),
        ("silence", 4, BootEnd.HANG, ("the kernel wrote nothing at all",)),
    ],
)
def test_a_kernel_that_ends_before_the_workload_begins(
    host: LocalHost, boot: Boot, ends: KernelBuild, tmp_path: Path, kind: str, seconds: int, end: BootEnd, why: str
) -> None:
    broken = replace(boot, image=ends.image, arguments=(f"vfio.end={kind}",), timeout=seconds)
    report = run(host, broken, tmp_path).report
    assert report.end is end
    assert all(part in report.why for part in why), report.why
    assert not any("virtme-ng-init: " in line for line in report.lines)


@pytest.mark.parametrize("kind", ["triple-fault", "reset"])
def test_a_kernel_that_resets_the_machine_under_the_workload_crashes(
    host: LocalHost, boot: Boot, ends: KernelBuild, tmp_path: Path, kind: str
) -> None:
    command = f"echo {kind} > {PARAMETER}; sleep 60"
    report = run(host, replace(boot, image=ends.image, command=command), tmp_path).report
    assert report.end is BootEnd.RESET
    assert "it was reset, and the kernel had not announced that" in report.why


def test_a_kernel_that_writes_without_end_is_stopped(
    host: LocalHost, boot: Boot, ends: KernelBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_module, "FLOOD_BYTES", 1 << 18)
    report = run(host, replace(boot, image=ends.image, arguments=("vfio.end=flood",)), tmp_path).report
    assert report.end is BootEnd.FLOOD
    assert report.seconds < boot.timeout
    assert (tmp_path / "console.log").stat().st_size < 8 << 20


@pytest.mark.parametrize("command", ["reboot -f; sleep 60", "poweroff -f; sleep 60", "kill -9 -1; sleep 60"])
def test_a_workload_that_shuts_its_guest_down_is_no_crash_and_no_fault_of_the_infrastructure(
    host: LocalHost, boot: Boot, tmp_path: Path, command: str
) -> None:
    report = run(host, replace(boot, command=command), tmp_path).report
    assert report.end is BootEnd.SHUTDOWN
    assert f"{KERNELS_LAST}reboot: " in report.why


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_qemu_that_is_killed_is_no_fault_of_the_kernel(
    host: LocalHost, boot: Boot, tmp_path: Path, number: signal.Signals
) -> None:
    with ThreadPoolExecutor(1) as executor:
        booted = executor.submit(run, host, replace(boot, command="sleep 60"), tmp_path)
        assert wait_until((boot.share / "version").exists, 50)
        for pid in virtual_machines(tmp_path):
            os.kill(pid, number)
    report = booted.result().report
    assert report.end is BootEnd.QEMU
    reason = report.why or report.lines[0]
    assert ("QEMU ended without a message" if number is signal.SIGKILL else "terminating on signal 15") in reason
