# SPDX-License-Identifier: GPL-2.0-only
"""The doctor's program on this machine and behind a real sshd, and ``orch doctor``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent.check import is_static, place, program, versioned
from orchestrator.cli.doctor import here, there
from orchestrator.doctor.examine import examine
from orchestrator.doctor.facts import ask
from orchestrator.doctor.hardware import CACHE
from orchestrator.doctor.model import State
from orchestrator.errors import CommandError
from orchestrator.host.address import Address
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.host.ssh import SshHost
from orchestrator.inventory.model import Entry
from orchestrator.machine.boothost.ssh import SshBootHost
from tests.fakes import Answer, FakeHost
from tests.unit.host.test_ssh import address  # noqa: F401 -- a fixture

ORCH = str(Path(sys.executable).parent / "orch")
SETUP = Path(__file__).parents[3] / "tools/setup-system"


@pytest.fixture
def lab(address: Address) -> Iterator[SshHost]:  # noqa: F811 -- the fixture
    host = SshHost(address, "lab")
    yield host
    host.close()


def doctor(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ if path is None else {**os.environ, "PATH": path}
    return subprocess.run([ORCH, "doctor", *arguments], capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A PATH with few programs of this machine, without most of a run's needs."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("sh", "id", "rm", "uname", "apt-get", "gcc", "ld", "git"):
        found = shutil.which(name)
        assert found
        (directory / name).symlink_to(found)
    # Not the program in PATH, which may be a script that needs a shell.
    (directory / "python3").symlink_to(Path(sys.executable).resolve())
    return str(directory)


def test_this_machine_tells_what_it_is(tmp_path: Path) -> None:
    facts = ask(LocalHost(), here(tmp_path / "cache"))
    assert (facts.kernel, facts.machine) == (os.uname().release, os.uname().machine)
    assert facts.cores == len(os.sched_getaffinity(0))
    assert 0 < facts.available <= facts.memory
    assert facts.disks[CACHE].total == shutil.disk_usage(tmp_path).total
    assert facts.user.root == (os.geteuid() == 0)
    assert facts.programs["vng"].version.startswith("virtme-ng ")
    assert facts.programs["vng"].path == str(Path(sys.executable).parent / "vng")
    assert facts.inventory.functions or not Path("/sys/bus/pci/devices").exists()
    assert not list(tmp_path.iterdir())


def test_behind_ssh_the_same_machine_tells_the_same(lab: SshHost) -> None:
    where = there(Entry("lab", Address("lab"), Path("/var/tmp/orch")))
    far, near = ask(lab, where), ask(LocalHost("lab"), where)
    for name in ("host", "system", "kernel", "machine", "cpu", "memory", "cores", "kvm", "files", "apt", "mirror"):
        assert getattr(far, name) == getattr(near, name), name
    assert far.inventory.functions == near.inventory.functions
    assert far.programs["tar"] == near.programs["tar"]


def test_a_host_is_judged_as_one_that_only_boots(lab: SshHost, address: Address, tmp_path: Path) -> None:  # noqa: F811 -- the fixture
    entry = Entry("lab", address, tmp_path / "there")
    found = examine(SshBootHost(lab, entry, tmp_path / "toolbox"), there(entry), tmp_path / "cache")
    assert found.host == "lab"
    names = {one.what for one in found.findings}
    assert "busybox" not in names
    assert {"qemu-system-x86_64", "accelerator", "IOMMU", "locked memory", "tar"} <= names
    assert not list(tmp_path.iterdir())


def test_a_host_that_tells_nonsense_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^lab: its report cannot be read: "):
        ask(FakeHost([(("python3",), Answer("{}\n"))], name="lab"), here(tmp_path))


def test_a_program_is_found_with_its_version_and_its_kind(tmp_path: Path) -> None:
    script = tmp_path / "tool-7"
    script.write_text("#!/bin/sh\necho\necho tool $1 7.1\n")
    script.chmod(0o755)
    expected = {"path": str(script), "version": "tool --version 7.1", "runs": True, "static": None}
    assert program("tool-7", ["--version"], str(tmp_path)) == expected
    assert program("tool-8", ["--version"], str(tmp_path)) is None
    assert versioned(["tool", "ld.tool"], f"/no/such:{tmp_path}") == ["tool-7"]


def test_a_program_that_does_not_run_says_so(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/no/such/shell\n")
    script.chmod(0o755)
    found = program("tool", ["--version"], str(tmp_path))
    assert found is not None
    assert not found["runs"]
    assert "No such file" in found["version"]


def test_static_programs_are_distinguished_from_dynamic_ones(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    for name, how in (("dynamic", "-pie"), ("static", "-static"), ("static-pie", "-static-pie")):
        argv = ("gcc", how, "-o", str(tmp_path / name), str(tmp_path / "main.c"))
        assert LocalHost().run(Command(argv)).ok
        assert is_static(str(tmp_path / name)) is (name != "dynamic")
    assert is_static(str(tmp_path / "main.c")) is None
    (tmp_path / "cut").write_bytes((tmp_path / "dynamic").read_bytes()[:80])
    assert is_static(str(tmp_path / "cut")) is None


def test_the_disk_of_a_directory_that_is_not_there_yet_is_that_of_the_nearest(tmp_path: Path) -> None:
    assert place(str(tmp_path / "a/b/c"))["total"] == place(str(tmp_path))["total"]
    assert place("/proc/nowhere/at/all")["writable"] is False or os.geteuid() == 0


def test_orch_doctor_says_how_this_machine_is(tmp_path: Path) -> None:
    done = doctor("--cache", str(tmp_path / "cache"))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("local: ")
    assert max(len(line) for line in lines if not line.startswith("  ")) <= 80
    assert lines[-1].endswith(", 0 missing")
    assert any(line.startswith("ok       virtme-ng ") for line in lines)
    assert not list(tmp_path.iterdir())


def test_orch_doctor_finds_what_is_missing_and_says_so_to_scripts(bare: str, tmp_path: Path) -> None:
    """`bare` lacks make, flex and similar programs.

    The sbin directories are also searched, and have none of them.
    """
    done = doctor("--quiet", "--cache", str(tmp_path / "cache"), path=bare)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    (busybox,) = (number for number, line in enumerate(lines) if line.split()[:2] == ["missing", "busybox"])
    assert lines[busybox].endswith("not found; needed for all guests")
    assert lines[busybox + 1].endswith("apt-get install -y --no-install-recommends busybox-static")
    assert not any(line.split()[0] == "ok" for line in lines)
    assert lines[-2] == "all packages at once:"
    assert {"busybox-static", "make", "flex", "qemu-system-x86"} <= set(lines[-1].split())


def test_orch_doctor_tells_programs_the_same(bare: str, tmp_path: Path) -> None:
    done = doctor("--json", "--cache", str(tmp_path / "cache"), path=bare)
    assert done.returncode == 3
    value = json.loads(done.stdout)
    states = {one["what"]: one["state"] for one in value["findings"]}
    assert (value["state"], states["make"], states["gcc"]) == ("missing", "missing", "ok")
    assert set(states.values()) <= set(State)


def test_orch_doctor_of_an_unknown_host_is_a_wrong_command_line(tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text("hosts: {}\n")
    done = doctor("--host", "lab", "--hosts", str(tmp_path / "hosts.yaml"), "--cache", str(tmp_path / "cache"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_orch_doctor_asks_a_host_of_the_inventory(address: Address, tmp_path: Path) -> None:  # noqa: F811 -- the fixture
    entry = {
        "address": address.host,
        "user": address.user,
        "port": address.port,
        "key": str(address.key),
        "known-hosts": str(address.known_hosts),
        "python": address.python,
        "directory": str(tmp_path / "there"),
    }
    (tmp_path / "hosts.yaml").write_text(json.dumps({"hosts": {"lab": entry}}))
    done = doctor("--host", "lab", "--hosts", str(tmp_path / "hosts.yaml"), "--cache", str(tmp_path / "cache"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("lab: ")
    assert f"freeat{tmp_path / 'there'}" in "".join(done.stdout.split())


def test_set_up_without_apt_goes_on_and_leaves_the_verdict_to_the_doctor(bare: str) -> None:
    Path(bare, "apt-get").unlink()
    environment = {**os.environ, "PATH": bare}
    for arguments, status in ((), 0), (("all",), 3):
        done = subprocess.run([str(SETUP), *arguments], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == status, done.stderr
        assert "setup: this machine lacks, by their Debian names: qemu-system-x86 " in done.stderr
        assert ("then run make again" in done.stderr) == (status == 3)
