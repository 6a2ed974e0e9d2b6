# SPDX-License-Identifier: GPL-2.0-only
"""The script that runs suites and commands in the guest, and the choice of selftests."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import pytest

from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE
from orchestrator.scenario.model import CommandWorkload, SelftestsWorkload, SuiteWorkload
from orchestrator.workload.suite.script import chosen_tests, guest_command, guest_script, runner_line

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
        """(_orch_sh './mytest --flag '"'"'a b'"'"'' /tmp/work.output < /dev/null; exit $?) 2> /dev/null""",
        'echo > "$_orch_device/driver_override"',
    )
    places = [lines.index(step) for step in steps]
    assert places == sorted(places)
    assert lines[-1] == "exit 0"


def run_here(workload: SuiteWorkload, place: Path, shell: str = "sh") -> tuple[str, str]:
    """Run the script for `workload` in a directory; return the output and the status.

    The script does not mount anything.
    """
    for name in ("program", "share", "work"):
        (place / name).mkdir()
    text = guest_script(workload, "", ())
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("mount "))
    for old, name in ((GUEST_PROGRAM, "program"), (GUEST_SHARE, "share"), ("/tmp/work", "work")):
        text = text.replace(old, str(place / name))
    done = subprocess.run([*shell.split(), "-c", text], check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    status = place / "share/program.status"
    return (place / "share/output.log").read_text(), status.read_text().strip() if status.exists() else "none"


def test_the_users_environment_is_that_of_setup_and_program_alone(tmp_path: Path) -> None:
    environment = (("PATH", "/nowhere"), ("_orch_device", "x"), ("LD_PRELOAD", "/nowhere.so"))
    setup = ('test "$PATH" = /nowhere',)
    workload = CommandWorkload("own", 'echo "$PATH $_orch_device"; kill -KILL $$', environment=environment, setup=setup)
    output, status = run_here(workload, tmp_path)
    assert "/nowhere x" in output.splitlines()
    assert status == "137"


ENDS = (
    ("sleep 300 & echo started", "started", "0"),
    ("sleep 300 & echo started; exit 3", "started", "3"),
    ("nohup sleep 300 > /dev/stdout 2>&1 & echo started", "started", "0"),
    ("setsid sleep 300 & echo started", "started", "0"),
    ("(trap '' HUP TERM INT; sleep 300; sleep 300) & echo started", "started", "0"),
    ("(sleep 300 | sleep 300) & echo started", "started", "0"),
    ("sleep 9 > /dev/null 2>&1 & echo started", "started", "0"),
    ("exec > /dev/null 2>&1; sleep 1; exit 5", "", "5"),
    ("exec >&- 2>&-; sleep 1", "", "0"),
    ("echo one; kill -9 0; echo two", "one", "137"),
    ("trap 'kill 0' EXIT; sleep 300 & echo one", "one", "143"),
    ("echo one; kill -9 $PPID; sleep 1; echo two", "one\ntwo", "137"),
    ("echo one; kill -SEGV $$", "one", "139"),
    ("(sleep 1; echo late) & echo early", "early\nlate", "0"),
    ("printf 'no newline'; sleep 300 &", "no newline", "0"),
)
"""Programs: the command, the whole output of it and its children, and the exit status."""


def test_a_program_has_ended_when_it_ended(tmp_path: Path) -> None:
    """The output is complete, whatever the program leaves running.

    It has what the children write shortly after its end.  All run at once, in both shells, as most of it is waiting.
    """

    def result(shell: str, command: str) -> tuple[str, str, list[str], str]:
        place = Path(mkdtemp(dir=tmp_path))
        output, status = run_here(CommandWorkload("own", command), place, shell)
        return shell, command, output.splitlines(), status

    expected = [
        (shell, command, output.splitlines(), status)
        for shell in ("sh", "busybox sh")
        for command, output, status in ENDS
    ]
    with ThreadPoolExecutor(len(expected)) as executor:
        found = list(executor.map(lambda one: result(*one[:2]), expected))
    assert found == expected


def test_all_that_a_program_wrote_is_kept_though_a_child_writes_on(tmp_path: Path) -> None:
    command = "seq 1 50000; (while echo more; do sleep 0.1; done) & exit 0"
    output, ended = run_here(CommandWorkload("own", command), tmp_path)
    lines = output.splitlines()
    assert lines[:50000] == [str(number) for number in range(1, 50001)]
    assert set(lines[50000:]) <= {"more"}
    assert ended == "0"


def test_without_a_device_none_is_bound() -> None:
    text = guest_script(CommandWorkload("own", "true"), "", BINDS)
    assert "ORCH_DEVICE" not in text
    assert "driver_override" not in text


def test_the_vfio_selftests_get_their_device() -> None:
    workload = SelftestsWorkload("vfio", ("vfio",), device="dev")
    assert "export VFIO_SELFTESTS_BDF=0000:00:10.0\n" in guest_script(workload, "0000:00:10.0", (), ("vfio:a",))


@pytest.mark.parametrize("workload", [COMMAND, SelftestsWorkload("s", ("vfio",), device="d", setup=("echo 'x",))])
def test_the_script_is_shell(workload: SuiteWorkload, tmp_path: Path) -> None:
    (tmp_path / "suite.sh").write_text(guest_script(workload, "0000:00:10.0", BINDS, ("vfio:a",)))
    assert subprocess.run(["sh", "-n", str(tmp_path / "suite.sh")], check=False).returncode == 0
    assert guest_command() == "unshare -m sh /mnt/orch/suite.sh"
