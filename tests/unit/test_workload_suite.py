# SPDX-License-Identifier: GPL-2.0-only
"""The script that runs others' programs in the guest, and the choice of selftests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE
from orchestrator.scenario.model import CommandWorkload, SelftestsWorkload, SuiteWorkload
from orchestrator.workload.suite import chosen_tests, guest_command, guest_script, runner_line

LISTED = "vfio:b_test\nvfio:a_test\niommu:c_test\n"
BINDS = (("/mnt/host/usr", "/usr"), ("/mnt/host/usr/bin", "/bin"))
COMMAND = CommandWorkload("own", "./mytest --flag 'a b'", device="dev", environment=(("A", "it's"),), setup=("x | y",))


def test_tests_run_in_the_order_of_the_runner() -> None:
    assert chosen_tests(LISTED, ()) == ("iommu:c_test", "vfio:b_test", "vfio:a_test")
    assert chosen_tests(LISTED, ("a_test", "b_test")) == ("vfio:b_test", "vfio:a_test")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(LookupError, match="z_test"):
        chosen_tests(LISTED, ("a_test", "z_test"))


def test_the_runner_gets_every_test_and_the_time_for_each() -> None:
    workload = SelftestsWorkload("vfio", ("vfio",), test_timeout=90)
    assert runner_line(workload, ("vfio:a", "vfio:b")) == "./run_kselftest.sh -o 90 -t vfio:a -t vfio:b"
    assert runner_line(SelftestsWorkload("vfio", ("vfio",)), ()) == "./run_kselftest.sh"


def test_the_script_of_a_command() -> None:
    lines = guest_script(COMMAND, "0000:00:10.0", BINDS).splitlines()
    steps = (
        "mount --bind /mnt/host/usr/bin /bin || fail 'cannot bind /mnt/host/usr/bin to /bin'",
        "export ORCH_DEVICE=0000:00:10.0",
        'echo vfio-pci > "$_orch_device/driver_override"',
        """export A='it'"'"'s'""",
        "_orch_sh 'x | y' || fail 'the setup failed: x | y'",
        """{ _orch_sh './mytest --flag '"'"'a b'"'"'' < /dev/null; echo $? > /mnt/orch/program.status; } 2>&1 |""",
        'echo > "$_orch_device/driver_override"',
    )
    places = [lines.index(step) for step in steps]
    assert places == sorted(places)
    assert lines[-1] == "exit 0"


def test_the_users_environment_is_that_of_setup_and_program_alone(tmp_path: Path) -> None:
    """The script with its mounts left out, and with the guest's places in a directory of the test."""
    environment = (("PATH", "/nowhere"), ("_orch_device", "x"), ("LD_PRELOAD", "/nowhere.so"))
    setup = ('test "$PATH" = /nowhere',)
    workload = CommandWorkload("own", 'echo "$PATH $_orch_device"; kill -KILL $$', environment=environment, setup=setup)
    for name in ("program", "share", "work"):
        (tmp_path / name).mkdir()
    text = guest_script(workload, "", ())
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("mount "))
    for place, name in ((GUEST_PROGRAM, "program"), (GUEST_SHARE, "share"), ("/tmp/work", "work")):
        text = text.replace(place, str(tmp_path / name))
    assert subprocess.run(["sh", "-c", text], check=False, capture_output=True).returncode == 0
    assert "/nowhere x" in (tmp_path / "share/output.log").read_text().splitlines()
    assert (tmp_path / "share/program.status").read_text() == "137\n"


def test_without_a_device_none_is_bound() -> None:
    text = guest_script(CommandWorkload("own", "true"), "", BINDS)
    assert "ORCH_DEVICE" not in text
    assert "driver_override" not in text


def test_the_vfio_selftests_are_told_their_device() -> None:
    workload = SelftestsWorkload("vfio", ("vfio",), device="dev")
    assert "export VFIO_SELFTESTS_BDF=0000:00:10.0\n" in guest_script(workload, "0000:00:10.0", (), ("vfio:a",))


@pytest.mark.parametrize("workload", [COMMAND, SelftestsWorkload("s", ("vfio",), device="d", setup=("echo 'x",))])
def test_the_script_is_shell(workload: SuiteWorkload, tmp_path: Path) -> None:
    (tmp_path / "suite.sh").write_text(guest_script(workload, "0000:00:10.0", BINDS, ("vfio:a",)))
    assert subprocess.run(["sh", "-n", str(tmp_path / "suite.sh")], check=False).returncode == 0
    assert guest_command() == "unshare -m sh /mnt/orch/suite.sh"
