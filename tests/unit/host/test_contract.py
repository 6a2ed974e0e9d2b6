# SPDX-License-Identifier: GPL-2.0-only
"""The contract of every host.

It is tested here with the fake, and in the files beside this one with this machine and with a real sshd.  The two real
hosts inherit `RealHostContract`; a mark in its environment identifies a process.
"""

from __future__ import annotations

import signal
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psutil
import pytest

from orchestrator.errors import CommandError, Interrupted
from orchestrator.host.agent import program
from orchestrator.host.base import Command, Completed, Host
from orchestrator.host.supervisor import PYTHON
from tests.fakes import Answer, FakeHost

MARK = "ORCH_TEST_MARK"
TREE = "setsid sleep 1000 & (setsid sh -c 'trap \"\" TERM HUP; sleep 1000; sleep 1000' & ) & echo up; sleep 1000"
"""A grandchild in a session of its own, a double-forked daemon that ignores SIGTERM, and a patient parent."""


def sh(script: str, *args: str) -> tuple[str, ...]:
    return ("sh", "-c", script, "sh", *args)


def marked(mark: str) -> list[str]:
    """Return the command lines of the processes that have `mark` in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class AnyHostContract:
    """The part of the contract that also a fake host fulfils."""

    def test_the_exit_status_is_returned_and_not_raised(self, host: Host) -> None:
        completed = host.run(Command(("sh", "-c", "exit 7")))
        assert (completed.status, completed.ok, completed.timed_out) == (7, False, False)
        assert completed.argv == ("sh", "-c", "exit 7")

    def test_lines_reach_the_sink_without_their_ends(self, host: Host) -> None:
        lines: list[str] = []
        completed = host.run(Command(("printf", r"one\r\ntwo\n\nlast"), on_line=lines.append))
        assert lines == ["one", "two", "", "last"]
        assert completed.output == "one\r\ntwo\n\nlast"
        assert completed.ok

    def test_the_log_is_appended_to(self, host: Host, tmp_path: Path) -> None:
        log = tmp_path / "log"
        log.write_bytes(b"before\n")
        host.run(Command(("printf", r"one\r\ntwo\n\nlast"), log=log))
        assert log.read_bytes() == b"before\none\r\ntwo\n\nlast"

    def test_an_unwritable_log_is_one_sentence(self, host: Host, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="cannot write the log: No such file"):
            host.run(Command(("printf", r"one\r\ntwo\n\nlast"), log=tmp_path / "no" / "log"))

    def test_put_and_get_keep_bytes_and_modes(self, host: Host, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"\0\xff\n")
        source.chmod(0o755)
        host.put(source, tmp_path / "new dir" / "put it")
        host.get(tmp_path / "new dir" / "put it", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"\0\xff\n"
        assert (tmp_path / "back").stat().st_mode & 0o777 == 0o755

    def test_trees_arrive_under_the_new_name(self, host: Host, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "sub").mkdir(parents=True)
        (tree / "sub" / "script").write_text("#!/bin/sh\n")
        (tree / "sub" / "script").chmod(0o775)
        (tree / "link").symlink_to("/nonesuch/absolute")
        (tree / "sub").chmod(0o700)
        host.put(tree, tmp_path / "there")
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "old").write_text("stays")
        host.get(tmp_path / "there", tmp_path / "here")
        here = tmp_path / "here"
        assert sorted(path.name for path in here.iterdir()) == ["link", "old", "sub"]
        assert (here / "link").readlink() == Path("/nonesuch/absolute")
        assert (here / "sub").stat().st_mode & 0o777 == 0o700
        assert (here / "sub" / "script").stat().st_mode & 0o777 == 0o775

    def test_after_stop_all_nothing_runs(self, host: Host) -> None:
        host.stop_all()
        with pytest.raises(Interrupted, match="sh was stopped"):
            host.run(Command(("sh", "-c", "exit 7")))


class RealHostContract(AnyHostContract):
    """The part of the contract that only a host with processes fulfils."""

    @pytest.fixture
    def mark(self) -> str:
        return uuid.uuid4().hex

    def test_stderr_is_folded_in_in_order(self, host: Host) -> None:
        script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done"
        expected = "".join(f"out {i}\nerr {i}\n" for i in (1, 2, 3))
        assert host.run(Command(sh(script))).output == expected

    def test_a_signal_is_a_negative_status(self, host: Host) -> None:
        assert host.run(Command(sh("kill -KILL $$"))).status == -signal.SIGKILL

    def test_sigpipe_kills_as_in_a_shell(self, host: Host) -> None:
        completed = host.run(Command(sh("kill -PIPE $$; echo alive")))
        assert (completed.status, completed.output) == (-signal.SIGPIPE, "")

    def test_the_streams_can_be_opened_by_name_as_qemu_does(self, host: Host) -> None:
        script = "cat </proc/self/fd/0; echo out >/proc/self/fd/1; echo err >/proc/self/fd/2"
        assert host.run(Command(sh(script), stdin="in\n")).output == "in\nout\nerr\n"
        assert host.run(Command(sh(script))).output == "out\nerr\n"

    def test_stdin_is_the_text_and_then_ends(self, host: Host) -> None:
        text = "größer\n" * 100_000
        assert host.run(Command(("cat",), stdin=text)).output == text

    def test_stdin_that_is_not_read_does_no_harm(self, host: Host) -> None:
        assert host.run(Command(("true",), stdin="x" * 1_000_000)).ok

    def test_orchs_own_programs_get_the_interpreter_of_the_inventory(self, host: Host) -> None:
        """The inventory's interpreter, or here the one that runs the tests.

        The host may have no python3, or an older one.
        """
        ask = (*PYTHON, "-c", "import sys; print(sys.executable)")
        assert program("scan")[: len(PYTHON)] == tuple(PYTHON)
        assert host.run(Command(ask, env={"PATH": "/nowhere"})).output == f"{sys.executable}\n"

    def test_env_is_added_and_cwd_entered(self, host: Host, tmp_path: Path) -> None:
        completed = host.run(Command(sh('echo "$ADDED" "${HOME:+kept}"; pwd'), env={"ADDED": "a b'\"$"}, cwd=tmp_path))
        assert completed.output == f"a b'\"$ kept\n{tmp_path}\n"

    def test_a_command_that_is_held_ends_when_it_has_been_held_long_enough(self, host: Host) -> None:
        enough, lines = Event(), list[str]()

        def hear(line: str) -> None:
            lines.append(line)
            enough.set()

        # It needs longer than the host's default grace to end, and prints until its end.
        script = "trap 'sleep 0.7; echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"
        completed = host.run(Command(sh(script), on_line=hear, until=enough, grace=30))
        assert (completed.status, lines) == (3, ["up", "bye"])

    def test_a_command_that_is_held_may_end_by_itself(self, host: Host) -> None:
        assert host.run(Command(sh("exit 4"), until=Event())).status == 4

    def test_what_is_held_is_killed_after_its_grace(self, host: Host) -> None:
        enough = Event()
        completed = host.run(
            Command(
                sh("trap '' TERM; echo up; while :; do sleep 0.05; done"),
                on_line=lambda _: enough.set(),
                until=enough,
                grace=0.3,
            )
        )
        assert completed.status == -signal.SIGKILL

    def test_arguments_are_not_parsed_by_a_shell(self, host: Host) -> None:
        argv = ("printf", "%s|", "a b", "$HOME", "'", '"', "*", "\n", "ü")
        assert host.run(Command(argv)).output == "a b|$HOME|'|\"|*|\n|ü|"

    def test_lines_and_log_come_before_the_end(self, host: Host, tmp_path: Path) -> None:
        log, go = tmp_path / "log", tmp_path / "go"
        seen: list[bytes] = []

        def on_line(line: str) -> None:
            seen.append(log.read_bytes())
            go.touch()

        completed = host.run(
            Command(
                sh('echo first; until [ -e "$1" ]; do sleep 0.05; done', str(go)), on_line=on_line, log=log, timeout=10
            )
        )
        assert completed.ok
        assert seen == [b"first\n"]

    def test_bytes_that_are_not_utf8_reach_the_log_unchanged(self, host: Host, tmp_path: Path) -> None:
        lines: list[str] = []
        host.run(Command(("printf", r"a\377b\n\303\274\n"), on_line=lines.append, log=tmp_path / "log"))
        assert lines == ["a\N{REPLACEMENT CHARACTER}b", "ü"]
        assert (tmp_path / "log").read_bytes() == b"a\xffb\n\xc3\xbc\n"

    def test_a_huge_line_comes_in_pieces(self, host: Host) -> None:
        lines: list[str] = []
        host.run(Command(sh("head -c 5000000 /dev/zero | tr '\\0' x; echo"), on_line=lines.append))
        assert "".join(lines) == "x" * 5_000_000
        assert max(map(len, lines)) < 200_000

    def test_a_timeout_kills_the_whole_tree(self, host: Host, mark: str) -> None:
        completed = host.run(Command(sh(TREE), env={MARK: mark}, timeout=0.5))
        assert completed.timed_out
        assert completed.output == "up\n"
        assert completed.status < 0
        assert 0.5 <= completed.seconds < 5
        assert marked(mark) == []

    def test_a_timeout_asks_before_it_kills(self, host: Host) -> None:
        completed = host.run(Command(sh("trap 'echo tidy; exit 3' TERM; echo up; sleep 1000 & wait"), timeout=0.5))
        assert (completed.timed_out, completed.status, completed.output) == (True, 3, "up\ntidy\n")

    def test_what_a_command_leaves_behind_is_killed_at_once(self, host: Host, mark: str, tmp_path: Path) -> None:
        daemon = 'setsid sh -c \'trap "" TERM; touch "$1"; sleep 1000\' sh "$1" &'
        ended: list[float] = []
        completed = host.run(
            Command(
                sh(f'({daemon}); until [ -e "$1" ]; do sleep 0.05; done; echo done', str(tmp_path / "deaf")),
                env={MARK: mark},
                on_line=lambda _: ended.append(time.monotonic()),
            )
        )
        assert time.monotonic() - ended[0] < 1.5
        assert completed.ok
        assert marked(mark) == []

    def test_a_command_may_kill_its_own_process_group(self, host: Host) -> None:
        assert host.run(Command(sh("kill -KILL 0"))).status == -signal.SIGKILL

    def test_a_missing_program_is_one_sentence(self, host: Host) -> None:
        with pytest.raises(CommandError, match=r"^\S+: cannot start /no/such: No such file or directory$"):
            host.run(Command(("/no/such", "x")))

    def test_a_missing_directory_is_one_sentence(self, host: Host) -> None:
        with pytest.raises(CommandError, match=r"^\S+: cannot enter the directory /no/such: No such file"):
            host.run(Command(("true",), cwd=Path("/no/such")))

    def test_commands_run_at_once(self, host: Host, tmp_path: Path) -> None:
        script = 'touch "$1/$2"; until [ -e "$1/0" -a -e "$1/1" -a -e "$1/2" ]; do sleep 0.05; done; echo "$2"'

        def one(number: int) -> Completed:
            return host.run(Command(sh(script, str(tmp_path), str(number)), timeout=10))

        with ThreadPoolExecutor(3) as pool:
            assert [completed.output for completed in pool.map(one, range(3))] == ["0\n", "1\n", "2\n"]

    def test_stop_all_from_another_thread_ends_everything(self, host: Host, mark: str) -> None:
        def one(_: int) -> Completed:
            return host.run(Command(sh(TREE), env={MARK: mark}))

        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(one, number) for number in range(2)]
            assert wait_until(lambda: len(marked(mark)) >= 8, 10), marked(mark)
            host.stop_all()
            for future in futures:
                with pytest.raises(Interrupted):
                    future.result(timeout=8)
        assert marked(mark) == []

    def test_an_error_of_the_watcher_ends_the_command(self, host: Host, mark: str) -> None:
        def on_line(line: str) -> None:
            raise ZeroDivisionError(line)

        with pytest.raises(ZeroDivisionError, match="up"):
            host.run(Command(sh(TREE), env={MARK: mark}, on_line=on_line))
        assert marked(mark) == []

    def test_copying_what_does_not_exist_is_refused(self, host: Host, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="No such file"):
            host.put(tmp_path / "none", tmp_path / "there")
        with pytest.raises(CommandError, match="No such file"):
            host.get(tmp_path / "none", tmp_path / "here")

    def test_copying_again_over_a_copy_works(self, host: Host, tmp_path: Path) -> None:
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "file").write_text("one")
        (tmp_path / "tree" / "link").symlink_to("file")
        for text in ("one", "two"):
            (tmp_path / "tree" / "file").write_text(text)
            host.put(tmp_path / "tree", tmp_path / "there")
            host.get(tmp_path / "there", tmp_path / "here")
        assert (tmp_path / "here" / "link").is_symlink()
        assert (tmp_path / "here" / "link").read_text() == "two"

    def test_a_link_given_by_name_is_followed(self, host: Host, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("text")
        (tmp_path / "latest").symlink_to("file")
        host.put(tmp_path / "latest", tmp_path / "there")
        host.get(tmp_path / "latest", tmp_path / "here")
        assert not (tmp_path / "there").is_symlink()
        assert not (tmp_path / "here").is_symlink()
        assert (tmp_path / "here").read_text() == "text"

    def test_stop_all_refuses_to_copy(self, host: Host, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("text")
        host.stop_all()
        with pytest.raises(Interrupted):
            host.put(tmp_path / "file", tmp_path / "there")
        with pytest.raises(Interrupted):
            host.get(tmp_path / "file", tmp_path / "here")


class TestFakeHost(AnyHostContract):
    @pytest.fixture
    def host(self) -> Host:
        plan = [(("sh", "-c"), Answer(status=7)), (("printf",), Answer("one\r\ntwo\n\nlast"))]
        return FakeHost(plan)

    def test_an_unplanned_command_is_a_failed_test(self) -> None:
        with pytest.raises(AssertionError, match=r"unplanned command: \('make'"):
            FakeHost([(("gcc",), Answer())]).run(Command(("make", "-j2")))

    def test_a_reply_may_write_files(self, tmp_path: Path) -> None:
        def build(call: object) -> Answer:
            (tmp_path / "image").write_text(str(call))
            return Answer("CC init/main.o\n")

        host = FakeHost([(lambda argv: "bzImage" in argv, build)])
        assert host.run(Command(("make", "bzImage"), cwd=tmp_path, env={"ARCH": "x86"})).ok
        assert "'ARCH': 'x86'" in (tmp_path / "image").read_text()
        assert host.calls[0].cwd == tmp_path

    def test_a_reply_may_be_an_error(self) -> None:
        with pytest.raises(CommandError, match="no make"):
            FakeHost([(("make",), CommandError("no make"))]).run(Command(("make",)))
