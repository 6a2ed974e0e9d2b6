# SPDX-License-Identifier: GPL-2.0-only
"""A shell in a guest: what the user types and sees, how it ends, and gdb."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.vm.conftest import ORCH, PATCHES, REPOSITORY, SCENARIO, Finished, orch, scenario_text, virtual_machines

SECONDS = 120.0
ROWS, COLUMNS = 37, 91


def command(results: Path, line: str, *more: str, kernel: str = "base") -> Finished:
    """Run one command in a guest."""
    return orch(results, "shell", str(SCENARIO), kernel, "--command", line, *more)


@dataclass
class Terminal:
    """A terminal with ``orch shell`` in it: what is behind the keyboard, and the side of the program."""

    keys: int
    screen: int
    process: subprocess.Popen[bytes]
    before: list[object]
    seen: bytes = b""
    read: int = field(default=0)

    @property
    def screen_text(self) -> str:
        """All that was on the screen, as one line."""
        return " ".join(self.seen.decode(errors="replace").split())

    def type(self, keys: str) -> None:
        """Type on the keyboard."""
        os.write(self.keys, keys.encode())

    def sees(self, pattern: str, seconds: float = SECONDS) -> re.Match[bytes]:
        """Wait until something new on the screen matches."""
        end = time.monotonic() + seconds
        while True:
            found = re.compile(pattern.encode(), re.DOTALL).search(self.seen, self.read)
            if found:
                self.read = found.end()
                return found
            assert time.monotonic() < end, self.seen[self.read :].decode(errors="replace")
            self.receive(0.2)

    def enter(self, line: str) -> None:
        """Type a line at the prompt; the shell has read all of it then."""
        self.type(f"{line}\r")
        self.sees(re.escape(line) + "\r\n")

    def receive(self, seconds: float) -> None:
        """Read what is new on the screen."""
        if select.select([self.keys], [], [], seconds)[0]:
            self.seen += os.read(self.keys, 65536)

    def ends(self, seconds: float = 90.0) -> int:
        """Wait for the end of orch, and return its status; the terminal is then as before."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.receive(0.1)
        self.receive(0.1)
        status = self.process.wait(1)
        assert termios.tcgetattr(self.screen) == self.before
        return status


@contextmanager
def terminal(results: Path, scenario: Path = SCENARIO, kernel: str = "base") -> Iterator[Terminal]:
    """Start ``orch shell`` in a terminal of its own."""
    keys, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    before = termios.tcgetattr(screen)
    argv = [ORCH, "shell", str(scenario), kernel, "--results", str(results)]
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(
        argv, stdin=screen, stdout=screen, stderr=screen, cwd=REPOSITORY, env=environment, start_new_session=True
    )
    try:
        yield Terminal(keys, screen, process, before)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        os.close(keys)
        os.close(screen)


def test_a_session(tmp_path: Path) -> None:
    """One boot for all of it: each takes seconds."""
    with terminal(tmp_path) as shell:
        banner = shell.sees("testdev is 0000:00:10.0: no driver.*base:/mnt/orch# ")
        text = shell.seen[: banner.end()].decode()
        assert "Linux 7.3.4, kernel base of scenario pud." in text
        assert "/mnt/orch is" in text
        # The size, the line discipline, and an exit status.
        shell.enter("stty size; echo $((6 * 7))")
        shell.sees(f"{ROWS} {COLUMNS}\r\n42\r\n")
        shell.enter("sleep 1000")
        time.sleep(1)  # the shell forgets what is typed while it starts a program
        shell.type("\x03")
        shell.sees("base:/mnt/orch# ")
        shell.enter("echo status=$?")
        shell.sees("status=130\r\n")
        shell.enter("cat > file")
        time.sleep(1)
        shell.enter("one line")
        shell.type("\x04")
        shell.sees("base:/mnt/orch# ")
        # The command of the banner runs the workload, with the device.
        line = re.search(r"This runs the workload alignment:\r\n +(.*?)\r\n", text)
        assert line
        shell.type(f"{line[1].replace('2147483648', '4194304')} && echo all=$((6 * 7))\r")
        shell.sees("all=42\r\n")
        # The size of the terminal changes.
        fcntl.ioctl(shell.keys, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
        shell.enter("until stty size | grep '50 120'; do sleep 1; done")
        shell.sees("50 120\r\n")
        shell.sees("base:/mnt/orch# ")
        shell.type("exit\r")
        assert shell.ends() == 0
    share = tmp_path / "shells/latest/boots/base/alignment/guest"
    assert (share / "file").read_text() == "one line\n"
    assert "ok 1" in (share / "ktap.log").read_text()
    assert not (tmp_path / "latest").exists()
    assert not virtual_machines(tmp_path)


@pytest.mark.parametrize(
    ("how", "status", "sentence"),
    [
        ("TERM", 130, "interrupted"),
        ("escape", 130, "stopped"),
        ("poweroff", 0, ""),
        ("KILL of QEMU", 3, "the virtual machine ended before the shell did"),
    ],
)
def test_whatever_ends_it_the_terminal_is_as_before_and_no_machine_is_left(
    tmp_path: Path, how: str, status: int, sentence: str
) -> None:
    with terminal(tmp_path) as shell:
        shell.sees("base:/mnt/orch# ")
        if how == "TERM":
            shell.process.send_signal(signal.SIGTERM)
        elif how == "poweroff":
            shell.type("poweroff -f\r")
        elif how == "escape":
            shell.type("\x1d\x1d")
        else:
            (machine,) = virtual_machines(tmp_path)
            psutil.Process(machine).kill()
        assert shell.ends() == status
        assert sentence in shell.screen_text
    assert not virtual_machines(tmp_path)


def test_a_panic_is_the_kernels_fault_and_is_shown(tmp_path: Path) -> None:
    scenario = tmp_path / "broken.yaml"
    scenario.write_text(scenario_text(f"  ends:\n    extends: base\n    patches: {PATCHES}/ends.patch\n"))
    with terminal(tmp_path, scenario, "ends") as shell:
        shell.sees("ends:/mnt/orch# ", 300)
        shell.type("echo panic > /sys/module/vfio/parameters/end\r")
        assert shell.ends() == 1
        assert "the guest kernel panicked: Kernel panic - not syncing: orch: the patch panics" in shell.screen_text
    assert not virtual_machines(tmp_path)


def test_when_orch_is_killed_the_machine_ends(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        shell.sees("base:/mnt/orch# ")
        shell.process.kill()
        shell.process.wait(10)
        end = time.monotonic() + 60
        while virtual_machines(tmp_path) and time.monotonic() < end:
            time.sleep(0.2)
    assert not virtual_machines(tmp_path)


def test_a_command_has_its_output_and_its_status(tmp_path: Path) -> None:
    done = command(tmp_path, "uname -r; seq 20000 | tail -n 1; printf 'a\\033[31mb'; exit 7")
    assert (done.status, done.out) == (7, "7.3.4\n20000\na\x1b[31mb"), done.err
    # stdin is no terminal, and a command needs none; what it prints is not changed for a pipe.
    script = tmp_path / "shells/latest/boots/base/alignment/guest/shell.sh"
    assert "uname -r" in script.read_text()


def test_the_programs_of_a_suite_are_there_and_its_output_comes_once(tmp_path: Path) -> None:
    line = "unshare -m sh /mnt/orch/suite.sh"
    scenario = REPOSITORY / "scenarios/command.yaml"
    done = orch(tmp_path, "shell", str(scenario), "base", "--workload", "ready", "--command", line)
    assert (done.status, done.out.count("ok 3 bar-size")) == (0, 1), done.out + done.err


def test_a_kernel_of_another_architecture_runs_commands_only(tmp_path: Path) -> None:
    scenario = str(REPOSITORY / "scenarios/arm64.yaml")
    done = orch(tmp_path, "shell", scenario, "base", "--command", "uname -m; ls /mnt/program; exit 3")
    assert (done.status, done.out) == (3, "aarch64\nalignment\nsource\n"), done.err
    with terminal(tmp_path, Path(scenario)) as shell:
        assert shell.ends() == 2
        assert "a guest for arm64 has no second serial port for a shell; use --command" in shell.screen_text


def test_without_a_reader_the_command_ends(tmp_path: Path) -> None:
    line = f"{ORCH} shell {SCENARIO} base --results {tmp_path} --command yes 2> {tmp_path}/err | head -n 3"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "y\ny\ny\n"), (tmp_path / "err").read_text()
    assert not virtual_machines(tmp_path)


def test_a_port_in_use_is_the_infrastructures_fault(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command(tmp_path, "true", "--gdb", str(taken.getsockname()[1]))
    assert done.status == 3
    assert "Address already in use" in done.err


def test_all_output_arrives(tmp_path: Path) -> None:
    done = command(tmp_path, "seq 30000")
    assert done.out.split() == [str(number) for number in range(1, 30001)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["base"], "a shell needs a terminal on stdin and stdout; for scripts there is --command"),
        (["bse", "--command", "true"], "the scenario has no kernel 'bse'; did you mean base?"),
        (["base", "--command", "true", "--workload", "x"], "no workload 'x'; did you mean alignment?"),
        (["base", "--command", "true", "--host", "lab1"], "boots on this machine only, not on lab1"),
        (["base", "--command", "true", "--gdb", "0"], "must be a port, or the path of a socket with a '/'"),
        (["base", "--command", "true", "--gdb", "/dev/null"], "must be a new name in a directory"),
        (["base", "--command", "true", "--stopped"], "--stopped is for --gdb"),
    ],
)
def test_wrong_arguments_are_refused_at_once(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = orch(tmp_path, "shell", str(SCENARIO), *arguments)
    assert done.status == 2
    assert sentence in done.err


TYPED = ["hbreak vfio_pci_core_mmap", "hbreak kernel_init", "continue", "bt", "detach"]


@pytest.mark.parametrize("port", [False, True], ids=["socket", "port"])
def test_gdb_stops_at_a_function(tmp_path: Path, port: bool) -> None:
    """The command that orch prints, with what a developer would type."""
    place = ["--gdb", "15432"] if port else ["--gdb"]
    argv = [ORCH, "shell", str(SCENARIO), "base", "--command", "echo up", "--stopped", *place]
    argv += ["--results", str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stderr
        words = shlex.split(process.stderr.readline().removeprefix("gdb: "))
        typed = [word for each in TYPED for word in ("-ex", each)]
        shown = gdb([words[0], "-nx", "-batch", *words[1:-1], *typed, words[-1]])
        assert re.search(r"Breakpoint 2, 0x[0-9a-f]+ in kernel_init \(\)", shown), shown
        assert re.search(r"#1 .* in ret_from_fork", shown), shown
        assert process.stdout
        err, out = process.stderr.read(), process.stdout.read()
    assert (process.returncode, out) == (0, "up\n"), err
    assert "stopped before its first instruction" in err
    assert "The source, without patches: /" in err
    assert "no lines and types" in err


def gdb(argv: list[str]) -> str:
    """Run gdb as soon as the machine is there, and return what it prints."""
    end = time.monotonic() + 90
    while True:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if "Remote debugging" in done.stdout or "kernel_init" in done.stdout:
            return done.stdout + done.stderr
        assert time.monotonic() < end, done
        time.sleep(0.5)
