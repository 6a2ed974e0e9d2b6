# SPDX-License-Identifier: GPL-2.0-only
"""Bytes between a terminal, or a consumer, and the socket of a guest."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.host.terminal import Connection, Ends

MARK = b"\x1emark\x1e"


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket at which one guest will be there."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        server.settimeout(10)
        yield server


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"early" + MARK + b"text"], b"text"),
        ([b"\x1ema", b"rk\x1ete", b"xt"], b"text"),
        ([b"x" * 100_000, MARK[:3], MARK[3:], b"a" * 200_000], b"a" * 200_000),
        ([MARK, b"", MARK], MARK),
        ([b"no mark at all"], None),
        ([], None),
    ],
)
def test_what_follows_the_mark_is_passed_on(
    guest: socket.socket, tmp_path: Path, chunks: list[bytes], expected: bytes | None
) -> None:
    got: list[bytes] = []
    ready = threading.Event()
    with Connection(tmp_path / "s", Ends(MARK, ready.set, got.append)):
        machine, _ = guest.accept()
        with machine:
            for chunk in chunks:
                machine.sendall(chunk)
                time.sleep(0.02)
    assert ready.is_set() == (expected is not None)
    assert b"".join(got) == (expected or b"")


def test_a_machine_that_never_comes_up_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    with Connection(tmp_path / "none", Ends(MARK, lambda: None, lambda _: None)):
        pass
    assert time.monotonic() - began < 2


PROGRAM = f"""
import sys
from pathlib import Path
from orchestrator.host.terminal import Connection, Ends
ends = Ends({MARK!r}, lambda: print("ready", flush=True),
            resized=lambda *size: print("size", *size, end="\\r\\n", flush=True),
            stop=lambda: print("stopped", end="\\r\\n", flush=True))
connection = Connection(Path(sys.argv[1]), ends)
with connection:
    connection._thread.join()
print("over", flush=True)
"""


@dataclass
class Opened:
    """A program with a terminal of its own, and the guest's end of the socket."""

    keys: int
    screen: int
    machine: socket.socket
    process: subprocess.Popen[bytes]
    seen: bytes = b""

    def sees(self, text: bytes) -> None:
        """Wait until `text` is on the screen."""
        end = time.monotonic() + 10
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.keys], [], [], 0.1)[0]:
                self.seen += os.read(self.keys, 65536)

    def raw(self) -> bool:
        """Whether the terminal passes on every key, Ctrl-C too."""
        local = termios.tcgetattr(self.screen)[3]
        assert isinstance(local, int)
        return not local & (termios.ICANON | termios.ISIG | termios.ECHO)


@pytest.fixture
def opened(guest: socket.socket, tmp_path: Path) -> Iterator[Opened]:
    """A program that connects its terminal to a guest, which has not written anything."""
    keys, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path / "s")]
    with subprocess.Popen(argv, stdin=screen, stdout=screen, stderr=screen, start_new_session=True) as process:
        machine, _ = guest.accept()
        machine.settimeout(10)
        with machine:
            yield Opened(keys, screen, machine, process)
        process.kill()
    os.close(keys)
    os.close(screen)


def test_keys_go_to_the_guest_only_while_it_is_ready_and_the_terminal_is_restored(opened: Opened) -> None:
    assert not opened.raw()
    opened.machine.sendall(b"the kernel says something" + MARK + b"prompt# ")
    opened.sees(b"prompt# ")
    assert b"the kernel says" not in opened.seen
    assert opened.raw()
    os.write(opened.keys, b"ls\r\x03\x1a\x04")
    assert opened.machine.recv(100) == b"ls\r\x03\x1a\x04"
    opened.sees(b"size 20 70")
    fcntl.ioctl(opened.screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
    opened.sees(b"size 50 132")
    opened.machine.close()
    opened.sees(b"over")
    assert not opened.raw()
    assert b"\x1b[?1049l" in opened.seen, "a program of the guest may have left the alternate screen"


def test_two_escapes_end_the_machine_and_one_is_a_key(opened: Opened) -> None:
    opened.machine.sendall(MARK + b"# ")
    opened.sees(b"# ")
    os.write(opened.keys, b"\x1da")
    assert opened.machine.recv(100) == b"\x1da"
    os.write(opened.keys, b"\x1d")
    assert opened.machine.recv(100) == b"\x1d"
    os.write(opened.keys, b"\x1d")
    opened.sees(b"stopped")
