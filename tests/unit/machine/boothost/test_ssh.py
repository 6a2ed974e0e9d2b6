# SPDX-License-Identifier: GPL-2.0-only
"""Boots on a remote host whose connection can be lost.

The host is the local machine with a separate directory; virtme-ng is a script.
"""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from time import monotonic

import pytest

from orchestrator.agent.quota import Quota
from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.host.address import Address
from orchestrator.host.agent import program
from orchestrator.host.base import Command, Completed
from orchestrator.host.local import LocalHost
from orchestrator.inventory.model import Entry
from orchestrator.machine import share as share_module
from orchestrator.machine.boot import Booted
from orchestrator.machine.boothost import ssh_share as remote_share_module
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.machine.boothost.ssh import SshBootHost
from orchestrator.machine.model import Boot, BootEnd
from orchestrator.scenario.model import Machine
from tests.unit.host.test_contract import wait_until
from tests.unit.host.test_push import holders

VNG = """\
#!/bin/sh
for word; do
    case $word in /mnt/orch=*) share=${word#*=};; esac
done
echo 'Linux version 7.3.0'
cp /proc/version "$share/version"
echo 0 >"$share/status"
"""


RESETS = """\
#!/bin/sh
for word; do
    case $word in /mnt/orch=*) share=${word#*=};; esac
done
grep -q qmp_capabilities "$share/../monitor/qmp.in" || exit
echo 'Linux version 7.3.0'
echo '{"QMP": {}}' >"$share/../monitor/qmp.out"
echo '{"event": "SHUTDOWN", "data": {"reason": "guest-reset"}}' >>"$share/../monitor/qmp.out"
"""


class Lab:
    """A host, and the local files that a boot on it needs.

    It has already what was sent to the host whose directory is `used`.
    """

    def __init__(self, place: Path, host: LocalHost, used: Path | None = None) -> None:
        self.place, self.kept = place, place / "kept"
        if used:
            shutil.copytree(used / "objects", self.kept / "objects", symlinks=True)
        for name in ("toolbox/bin/vng", "image", "root/sh", "program/alignment"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).touch()
        (place / "toolbox/bin/vng").write_text(VNG)
        (place / "toolbox/bin/vng").chmod(0o755)
        self.boot_host = SshBootHost(host, Entry("lab", Address("lab"), self.kept), place / "toolbox")

    def boot(self, name: str) -> Booted:
        share = self.place / name / "guest"
        share.parent.mkdir()
        plan = Boot(
            image=self.place / "image",
            root=self.place / "root",
            share=share,
            program=self.place / "program",
            command="true",
            machine=Machine(),
            devices=(),
            accelerator="tcg",
            timeout=30,
        )
        return self.boot_host.boot(plan, share.with_name("console.log"), lambda _: None)

    def left(self) -> list[str]:
        """Return the files that remain of the boots."""
        return [path.name for path in (self.kept / "runs").iterdir()]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a host that has booted once."""
    lab = Lab(tmp_path_factory.mktemp("used"), LocalHost())
    with lab.boot_host.open():
        lab.boot("first")
    return lab.kept


def test_each_boot_has_a_directory_that_goes_with_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path, LocalHost())
    with lab.boot_host.open():
        for name in ("first", "second"):
            assert lab.boot(name).version == Path("/proc/version").read_text().strip()
            assert (tmp_path / name / "guest/status").read_text() == "0\n"
            assert lab.left() == []
    scripts = [(tmp_path / name / "command.sh").read_text() for name in ("first", "second")]
    assert scripts[0] != scripts[1]


def test_qemus_events_on_the_host_are_read_here(tmp_path: Path, used: Path) -> None:
    lab = Lab(tmp_path, LocalHost(), used)
    (tmp_path / "toolbox/bin/vng").write_text(RESETS)
    with lab.boot_host.open():
        assert lab.boot("first").report.end is BootEnd.RESET
    assert "guest-reset" in (tmp_path / "first/monitor/qmp.out").read_text()


def test_a_boot_asks_for_a_directory_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="before its directory is open"):
        Lab(tmp_path, LocalHost()).boot("first")


class Cut(LocalHost):
    """Loses the connection once, while a guest runs.

    The host ends the running programs, and a copy that is still under way creates the directory again.
    """

    def __init__(self, runs: Path) -> None:
        super().__init__("lab")
        self.runs = runs
        self.cuts = 1

    def run(self, command: Command) -> Completed:
        if command.argv[0] != "vng" or not self.cuts:
            return super().run(command)
        self.cuts -= 1
        (own,) = (path for path in self.runs.iterdir() if path.is_dir())
        for process in holders(self.runs):
            process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: not own.exists(), 20)
        (own / "guest").mkdir(parents=True)
        raise CommandError("lab: lost vng")


def test_one_cut_costs_one_boot(tmp_path: Path, used: Path) -> None:
    lab = Lab(tmp_path, Cut(tmp_path / "kept/runs"), used)
    with lab.boot_host.open():
        with pytest.raises(CommandError, match="lost vng"):
            lab.boot("first")
        assert lab.boot("second").version
        assert lab.left() == []


class Late(LocalHost):
    """Loses the connection when a boot has ended and its results were fetched."""

    def run(self, command: Command) -> Completed:
        done = super().run(command)
        if program("scratch")[-1] in command.argv or command.argv[0] == "rm":
            raise CommandError("lab: the connection was lost")
        return done


def test_a_host_that_is_lost_when_all_is_here_costs_nothing(tmp_path: Path, used: Path) -> None:
    lab = Lab(tmp_path, Late("lab"), used)
    with lab.boot_host.open():
        assert lab.boot("first").version


HOSTILE = """
cd "$share"
mkfifo fifo
rm -f version && ln -s /dev/zero version
cp /bin/true root && chmod 4755 root
echo true >run.sh
perl -e 'for (1..300) { mkdir "d" x 100; chdir "d" x 100 or die }'
"""


def test_what_a_guest_must_not_leave_does_not_leave_the_host(tmp_path: Path, used: Path) -> None:
    lab = Lab(tmp_path, LocalHost(), used)
    with (tmp_path / "toolbox/bin/vng").open("a") as script:
        script.write(HOSTILE)
    with lab.boot_host.open():
        booted = lab.boot("first")
    share = tmp_path / "first/guest"
    assert booted.version == "orch: the guest left a symbolic link to '/dev/zero' here"
    problems = " ".join(booted.report.odd)
    # The guest may have been ended for its deep directories, or been quicker.
    assert len([one for one in booted.report.odd if not one.startswith("the guest was ended")]) == 5
    for what in ("guest/fifo was a FIFO", "guest/version was", "guest/root had the mode 4755", "run.sh was changed"):
        assert what in problems or "and so on, 1 more" in problems
    kinds = {path.name: (path.is_file(), path.is_symlink()) for path in share.iterdir()}
    assert set(kinds.values()) <= {(True, False), (False, False)}
    assert (share / "root").stat().st_mode & 0o7777 == 0o755
    assert "cd /mnt/orch" in (share / "run.sh").read_text()
    assert lab.left() == []


def test_a_guest_that_writes_too_much_on_a_host_is_ended_there(
    tmp_path: Path, used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Quota(1 << 20, 100)
    for module in (share_module, remote_share_module):
        monkeypatch.setattr(module, "QUOTA", small)
    lab = Lab(tmp_path, LocalHost(), used)
    with (tmp_path / "toolbox/bin/vng").open("a") as script:
        script.write('head -c 5000000 /dev/zero >"$share/fill"\nexec sleep 20\n')
    with lab.boot_host.open():
        started = monotonic()
        booted = lab.boot("first")
        assert monotonic() - started < 15
    assert booted.report.odd == (
        "the guest was ended, for it left more than 1 MiB in its share",
        "guest held more than 1 MiB, and all but orch's own files is removed",
    )
    assert not (tmp_path / "first/guest/fill").exists()
    assert (tmp_path / "first/guest/status").read_text() == "0\n"


def test_behind_ssh_the_same_machine_has_the_same_module_of_kvm(tmp_path: Path) -> None:
    assert Lab(tmp_path, LocalHost()).boot_host.kvm_module() == LocalBootHost(LocalHost(), tmp_path).kvm_module()
