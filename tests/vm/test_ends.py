# SPDX-License-Identifier: GPL-2.0-only
"""How a boot can end: each way is provoked for real, told apart from the others, and leaves nothing alive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli import cache_directory
from orchestrator.host.local import LocalHost
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine.boot import Booted, boot
from orchestrator.machine.model import Boot, BootEnd
from orchestrator.machine.rootfs import guest_root
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import Machine


@pytest.fixture
def plan(base: KernelBuild, host: LocalHost, tmp_path: Path) -> Boot:
    """A boot that succeeds at doing nothing."""
    root = guest_root(host, cache_directory())
    return Boot(base.image, root, tmp_path / "share", tmp_path, "true", Machine(), (), "tcg", timeout=60)


def run(host: LocalHost, plan: Boot, tmp_path: Path) -> Booted:
    return boot(host, plan, tmp_path / "console.log", tmp_path / "home", lambda _: None)


def test_a_boot_that_does_its_work_is_ok(host: LocalHost, plan: Boot, tmp_path: Path) -> None:
    booted = run(host, plan, tmp_path)
    assert booted.report.end is BootEnd.OK
    assert booted.report.splats == ()
    assert booted.version.startswith("Linux version 7.3")


def test_a_workload_that_cannot_work_is_told_from_a_kernel_that_crashes(
    host: LocalHost, plan: Boot, tmp_path: Path
) -> None:
    assert run(host, replace(plan, command="sh -c 'exit 3'"), tmp_path).report.end is BootEnd.WORKLOAD


def test_a_guest_that_goes_on_past_the_deadline_hangs(host: LocalHost, plan: Boot, tmp_path: Path) -> None:
    booted = run(host, replace(plan, command="sleep 1000", timeout=12), tmp_path)
    assert booted.report.end is BootEnd.HANG
    assert 12 <= booted.report.seconds < 20
    assert booted.report.lines


def test_a_kernel_without_an_init_panics(host: LocalHost, plan: Boot, tmp_path: Path) -> None:
    empty = tmp_path / "root"
    empty.mkdir()
    booted = run(host, replace(plan, root=empty), tmp_path)
    assert booted.report.end is BootEnd.PANIC
    assert "Kernel panic - not syncing" in booted.report.lines[0]
    number = int(booted.report.evidence.rpartition(":")[2])
    assert "Kernel panic" in (tmp_path / "console.log").read_text().splitlines()[number - 1]


def test_a_qemu_that_refuses_its_arguments_is_no_fault_of_the_kernel(
    host: LocalHost, plan: Boot, tmp_path: Path
) -> None:
    strange = EmulatedDevice("strange", "no-such-device", 4096)
    booted = run(host, replace(plan, devices=(strange,)), tmp_path)
    assert booted.report.end is BootEnd.QEMU
    assert "no-such-device" in " ".join(booted.report.lines)


def test_a_missing_kernel_image_is_no_fault_of_the_kernel(host: LocalHost, plan: Boot, tmp_path: Path) -> None:
    booted = run(host, replace(plan, image=tmp_path / "gone"), tmp_path)
    assert booted.report.end is BootEnd.QEMU
    assert "gone" in " ".join(booted.report.lines)
