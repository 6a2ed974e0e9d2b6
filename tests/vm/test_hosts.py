# SPDX-License-Identifier: GPL-2.0-only
"""Guests booted on hosts behind SSH.

The hosts are network namespaces of this machine, each with a real sshd and keys of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.kernel.model import KernelBuild
from tests.unit.host.test_contract import wait_until
from tests.unit.host.test_ssh import make_key
from tests.vm.conftest import ORCH, REPOSITORY, Finished, orch, virtual_machines
from tests.vm.lab import SILENCE, LabHost, inventory_of, ip, laboratory

SCENARIO = """\
name: remote
description: Where does the kernel place the mmap of a BAR on another host?
machine: {accelerator: tcg}
devices:
  testdev: {emulated: pci-testdev, bar: 256M}
workloads:
  alignment: {run: alignment, device: testdev, bars: 2, placements: [kernel, qemu], timeout: 3m}
kernels:
  base:
    source: {image: vmlinux, config: config}
    expect:
      kernel: {level: PTE}
      qemu: {level: PMD}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LabHost]]:
    with laboratory({name: tmp_path_factory.mktemp(name) for name in ("one", "two")}, first=1) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def inventory(lab: dict[str, LabHost], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inventory_of(lab.values(), tmp_path_factory.mktemp("inventory"))


@pytest.fixture(scope="module")
def scenario(base: KernelBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("scenario")
    for name in ("vmlinux", "config"):
        shutil.copy(base.directory / name, place / name)
    (place / "remote.yaml").write_text(SCENARIO)
    return place / "remote.yaml"


@pytest.fixture(scope="module")
def remote(
    lab: dict[str, LabHost], inventory: Path, scenario: Path, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    """A run on a host that has nothing yet."""
    return orch(tmp_path_factory.mktemp("remote"), *words("one", inventory, scenario))


def words(host: str, inventory: Path, scenario: Path) -> tuple[str, ...]:
    return "run", str(scenario), "--hosts", str(inventory), "--host", host, "-v"


def exact(done: Finished) -> dict[tuple[str, str], int]:
    record = json.loads((done.run / "boots/base/alignment/result.json").read_text())
    wanted = ("alignment", "entries_pte", "entries_pmd", "entries_pud", "faults", "dma_faults")
    return {(one["test"], one["name"]): one["value"] for one in record["measurements"] if one["name"] in wanted}


def test_a_host_measures_what_this_machine_does(
    remote: Finished, scenario: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert remote.status == 0, remote.err
    assert "host one" in remote.out
    here = orch(tmp_path_factory.mktemp("here"), "run", str(scenario))
    assert here.status == 0, here.err
    assert exact(remote) == exact(here)
    assert exact(remote)["qemu", "entries_pmd"] == 128


def test_the_console_and_the_command_are_kept_here(remote: Finished, lab: dict[str, LabHost]) -> None:
    boot = remote.run / "boots/base/alignment"
    assert "Linux version" in (boot / "console.log").read_text()
    assert f"--rwdir /mnt/orch={lab['one'].kept}/runs/" in (boot / "command.sh").read_text()
    assert (boot / "guest/ktap.log").exists()


def arrivals(host: LabHost) -> dict[str, int]:
    """When each object was stored; the directory itself has the time of its last use."""
    return {path.parent.name: path.stat().st_ctime_ns for path in (host.kept / "objects").glob("*/.orch-record")}


def test_nothing_is_left_on_the_host_but_what_the_next_run_needs(
    remote: Finished, lab: dict[str, LabHost], inventory: Path, scenario: Path, tmp_path: Path
) -> None:
    host = lab["one"]
    assert host.left() == []
    assert not virtual_machines(host.place)
    objects = arrivals(host)
    assert len(objects) == 4, "the kernel, the guest's root, the program, virtme-ng"
    again = orch(tmp_path / "again", *words("one", inventory, scenario))
    assert again.status == 0, again.err
    assert arrivals(host) == objects
    assert list((host.kept / "arriving").iterdir()) == []


def test_a_cut_cable_is_an_error_with_what_was_gathered_and_the_host_cleans_up(
    lab: dict[str, LabHost], inventory: Path, scenario: Path, tmp_path: Path
) -> None:
    host, results = lab["two"], tmp_path / "results"
    argv = [ORCH, *words("two", inventory, scenario), "--results", str(results)]
    running = subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    console = results / "latest/boots/base/alignment/console.log"
    try:
        assert wait_until(lambda: console.exists() and "Linux version" in console.read_text(errors="replace"), 120)
        ip("link", "set", host.link, "down")
        cut = time.monotonic()
        _, err = running.communicate(timeout=3 * SILENCE)
        assert running.returncode == 3, err
        done = Finished(3, "", err, results)
        assert "Linux version" in console.read_text(errors="replace")
        shown = orch(results, "compare")
        assert "ERROR" in shown.out
        assert "two: lost vng" in shown.out
        assert done.record["status"] == "finished"
        # The host hears nothing either: it ends the guest, and removes its directory, by itself.
        assert wait_until(lambda: not virtual_machines(host.place) and not host.left(), 2 * SILENCE), host.left()
        assert time.monotonic() - cut < 3 * SILENCE
    finally:
        running.kill()
        ip("link", "set", host.link, "up")
    again = orch(tmp_path / "again", *words("two", inventory, scenario))
    assert again.status == 0, again.err


def test_a_host_with_another_key_is_refused_and_sent_nothing(
    lab: dict[str, LabHost], inventory: Path, scenario: Path, tmp_path: Path
) -> None:
    before = sorted((lab["one"].kept).rglob("*"))
    make_key(tmp_path / "stranger")
    (tmp_path / "known_hosts").write_text(f"{lab['one'].address} {(tmp_path / 'stranger.pub').read_text()}")
    other = tmp_path / "hosts.yaml"
    other.write_text(
        inventory.read_text().replace(str(lab["one"].place / "known_hosts"), str(tmp_path / "known_hosts"))
    )
    done = orch(tmp_path / "results", *words("one", other, scenario))
    assert done.status == 3
    assert "host key" in done.err
    assert sorted((lab["one"].kept).rglob("*")) == before


def test_a_directory_that_is_somebody_elses_is_not_used(
    lab: dict[str, LabHost], inventory: Path, scenario: Path, tmp_path: Path
) -> None:
    kept = lab["one"].kept
    kept.mkdir(exist_ok=True)
    os.chown(kept, 65534, 65534)
    try:
        done = orch(tmp_path, *words("one", inventory, scenario))
    finally:
        os.chown(kept, 0, 0)
    assert done.status == 3
    assert f"one: {kept} cannot be made, or belongs to another user" in done.err


def test_a_host_that_is_not_in_the_inventory_is_named_with_the_nearest(
    inventory: Path, scenario: Path, tmp_path: Path
) -> None:
    done = orch(tmp_path, *words("tow", inventory, scenario))
    assert done.status == 2
    assert "no host 'tow'; did you mean 'two'?" in done.err
