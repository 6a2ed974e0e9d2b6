# SPDX-License-Identifier: GPL-2.0-only
"""This machine as a host: the contract, and signals to orch itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from orchestrator.errors import CommandError
from orchestrator.host.base import Command, check
from orchestrator.host.local import LocalHost
from tests.unit.host.test_contract import MARK, TREE, RealHostContract, marked, sh, wait_until

ROOT = Path(__file__).parents[3]
IMPORTS = """
import os, signal
from orchestrator.errors import Interrupted
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
def show(line):
    print(line, flush=True)
"""


def orch(script: str) -> subprocess.Popen[str]:
    """Start a Python that uses a LocalHost as orch does.

    It is the only process that a test starts directly.
    """
    argv = (sys.executable, "-c", IMPORTS + textwrap.dedent(script))
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def the_supervisor() -> psutil.Process:
    """Return the one supervisor that runs.

    It is the child of the fork server, which is the child of this process.
    """
    (supervisor,) = (grandchild for child in psutil.Process().children() for grandchild in child.children())
    return supervisor


class TestLocalHost(RealHostContract):
    @pytest.fixture
    def host(self) -> LocalHost:
        host = LocalHost()
        host.grace = 0.5
        return host

    def test_nothing_survives_a_sigkill_of_orch(self, mark: str) -> None:
        script = "setsid sleep 1000 & sleep 1000"
        process = orch(f"LocalHost().run(Command(('sh', '-c', {script!r}), env={{{MARK!r}: {mark!r}}}))")
        try:
            assert wait_until(lambda: marked(mark).count("sleep 1000") == 2, 10), marked(mark)
        finally:
            process.kill()
            process.communicate()
        assert wait_until(lambda: marked(mark) == [], 3), marked(mark)

    def test_nothing_survives_a_sigkill_even_if_a_fork_of_orch_lives_on(self, mark: str) -> None:
        process = orch(f"""
            def fork(line):
                pid = os.fork()
                if pid == 0:
                    os.close(1)
                    signal.pause()
                print(pid, flush=True)
            LocalHost().run(Command(('sh', '-c', 'echo up; sleep 1000'), env={{{MARK!r}: {mark!r}}}, on_line=fork))
            """)
        assert process.stdout
        fork = int(process.stdout.readline())
        try:
            assert marked(mark) != []
            process.kill()
            process.communicate()
            assert wait_until(lambda: marked(mark) == [], 3), marked(mark)
        finally:
            os.kill(fork, signal.SIGKILL)

    def test_stop_all_in_a_signal_handler_ends_the_run_of_the_same_thread(self, mark: str) -> None:
        process = orch(f"""
            host = LocalHost()
            signal.signal(signal.SIGTERM, lambda *_: host.stop_all())
            try:
                host.grace = 0.5
                host.run(Command(('sh', '-c', {TREE!r}), env={{{MARK!r}: {mark!r}}}, on_line=show))
            except Interrupted as error:
                print(error)
            """)
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.communicate(timeout=8)[0] == "local: sh was stopped, because orch was asked to stop\n"
        assert marked(mark) == []

    def test_a_ctrl_c_at_the_terminal_reaches_orch_only(self, host: LocalHost, tmp_path: Path) -> None:
        sessions: list[int] = []

        def on_line(line: str) -> None:
            supervisor = the_supervisor().pid
            sessions.extend({os.getsid(0), os.getsid(supervisor), os.getsid(int(line))})
            (tmp_path / "seen").touch()

        script = 'echo $$; until [ -e "$1" ]; do sleep 0.02; done'
        assert host.run(Command(sh(script, str(tmp_path / "seen")), on_line=on_line, timeout=10)).ok
        assert len(sessions) == 3

    def test_a_supervisor_that_gets_sigterm_takes_its_command_with_it(self, host: LocalHost, mark: str) -> None:
        def on_line(line: str) -> None:
            supervisor = the_supervisor()
            supervisor.terminate()

        with pytest.raises(CommandError, match="sh was ended, because its supervisor was asked to stop"):
            host.run(Command(sh("echo up; setsid sleep 1000 & sleep 1000"), env={MARK: mark}, on_line=on_line))
        assert marked(mark) == []

    def test_a_supervisor_that_gets_sigkill_is_an_error_and_no_hang(self, host: LocalHost, mark: str) -> None:
        def on_line(line: str) -> None:
            the_supervisor().kill()

        with pytest.raises(CommandError, match="lost sh: its supervisor ended without a report"):
            host.run(Command(sh("echo up; exec sleep 1000"), env={MARK: mark}, on_line=on_line))
        assert wait_until(lambda: marked(mark) == [], 3), marked(mark)

    def test_a_fork_server_that_gets_sigkill_ends_what_runs_and_the_next_command_has_another(
        self, host: LocalHost, mark: str
    ) -> None:
        def on_line(line: str) -> None:
            server = the_supervisor().parent()
            assert server
            server.kill()

        with pytest.raises(CommandError, match="sh was ended, because its supervisor was asked to stop"):
            host.run(Command(sh("echo up; setsid sleep 1000 & sleep 1000"), env={MARK: mark}, on_line=on_line))
        assert marked(mark) == []
        assert host.run(Command(("echo", "again"))).output == "again\n"

    def test_a_command_has_the_environment_and_the_directory_of_now(
        self, host: LocalHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        seen = Command(sh('echo "${ORCH_A-none}"; pwd -P'))
        monkeypatch.delenv("ORCH_A", raising=False)
        host.run(seen)
        for number, value in enumerate(["one", "two words", "invalid \udcff"]):
            (tmp_path / f"d{number}").mkdir()
            monkeypatch.chdir(tmp_path / f"d{number}")
            monkeypatch.setenv("ORCH_A", value)
            expected = os.fsencode(value).decode(errors="replace")
            assert host.run(seen).output == f"{expected}\n{tmp_path}/d{number}\n"
        monkeypatch.delenv("ORCH_A")
        assert host.run(seen).output.splitlines()[0] == "none"

    def test_a_directory_that_was_removed_is_no_obstacle(
        self, host: LocalHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        assert host.run(Command(("echo", "here"))).output == "here\n"

    def test_a_fork_of_orch_has_a_fork_server_of_its_own(self) -> None:
        process = orch("""
            LocalHost().run(Command(("true",)))
            show("parent")
            pid = os.fork()
            show(LocalHost().run(Command(("echo", "parent" if pid else "child"))).output.strip())
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
            show(LocalHost().run(Command(("echo", "still"))).output.strip())
            """)
        output = process.communicate(timeout=20)[0].splitlines()
        assert sorted(output) == ["child", "parent", "parent", "still"]
        assert process.returncode == 0

    def test_the_fork_server_ends_with_orch(self) -> None:
        for ending in ("", "os.kill(os.getpid(), signal.SIGKILL)"):
            process = orch(f"""
                show(LocalHost().run(Command(("sh", "-c", "ps -o ppid= $PPID"))).output.strip())
                {ending}
                """)
            server = int(process.communicate(timeout=20)[0])
            assert server != process.pid
            assert wait_until(lambda server=server: not psutil.pid_exists(server), 3)  # type: ignore[misc]

    def test_no_thread_process_or_descriptor_is_left(self, host: LocalHost) -> None:
        host.run(Command(("true",)))
        before = (len(os.listdir("/proc/self/fd")), threading.active_count(), psutil.Process().children())  # noqa: PTH208
        for _ in range(3):
            host.run(Command(("true",)))
        assert (len(os.listdir("/proc/self/fd")), threading.active_count(), psutil.Process().children()) == before  # noqa: PTH208

    def test_check_says_what_failed_and_how(self, host: LocalHost) -> None:
        with pytest.raises(CommandError, match=r"(?s)^making tea failed: sh -c .* exit status 3\nno water$"):
            check(host.run(Command(sh("echo no water; exit 3"))), "making tea")
