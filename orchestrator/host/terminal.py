# SPDX-License-Identifier: GPL-2.0-only
"""Connect the user's terminal, or a consumer of bytes, to a socket at which a guest writes and reads.

The terminal is in raw mode from the moment at which the guest is ready until the socket ends, so that Ctrl-C and all
other keys go to the guest.  Whatever ends the guest, the terminal is then as it was.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ESCAPE = b"\x1d\x1d"
"""Ctrl-] twice ends the machine: the only keys that do not go to the guest."""

_TICK = 0.2
_CHUNK = 1 << 16
# Leave the alternate screen, the modes of mouse and paste, and colours; show the cursor: what a program in the guest
# may have set when it was killed (xterm, ctlseqs).
_RESET = b"\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[0m\x1b[?25h"


def has_terminal() -> bool:
    """Whether stdin and stdout are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def terminal_size() -> tuple[int, int]:
    """Return the rows and columns of the terminal; 24 and 80 if it does not know."""
    with suppress(OSError):
        size = os.get_terminal_size(sys.stdout.fileno())
        if size.lines and size.columns:
            return size.lines, size.columns
    return 24, 80


@dataclass(frozen=True)
class Ends:
    """What the two ends of a connection do.

    `ready` is called when the guest has written the mark.  `write` gets what the guest writes after that; None for the
    user's terminal, whose keys then go to the guest.  `resized` is called with the rows and columns of the terminal
    when they changed, `stop` when the user ends the machine with `ESCAPE`, or if `write` fails.
    """

    mark: bytes
    ready: Callable[[], None]
    write: Callable[[bytes], None] | None = None
    resized: Callable[[int, int], None] = lambda _rows, _columns: None
    stop: Callable[[], None] = lambda: None


class Connection:
    """A thread that connects to the socket `path` as soon as it is there, and passes bytes on until it ends.

    A context manager: leaving it waits for the last bytes, and the terminal is then as before.
    """

    def __init__(self, path: Path, ends: Ends) -> None:
        self._path = path
        self._ends = ends
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def __enter__(self) -> Connection:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        connected = self._connected()
        if connected is None:
            return
        with connected, suppress(ConnectionError):
            early = self._until_mark(connected)
            if early is None:
                return
            self._ends.ready()
            if self._ends.write:
                self._pass_output(connected, early, self._ends.write)
            else:
                self._pass_both(connected, early)

    def _connected(self) -> socket.socket | None:
        """Return a connection, or None if the machine ended before there was one."""
        while not self._over.is_set():
            found = socket.socket(socket.AF_UNIX)
            try:
                found.connect(str(self._path))
            except OSError:
                found.close()
                time.sleep(_TICK / 4)
            else:
                return found
        return None

    def _until_mark(self, connected: socket.socket) -> bytes | None:
        """Return what the guest wrote after the mark; None if it ended before."""
        before = b""
        for data in self._received(connected):
            before, found, after = (before[-len(self._ends.mark) :] + data).partition(self._ends.mark)
            if found:
                return after
        return None

    def _received(self, connected: socket.socket) -> Iterator[bytes]:
        """Yield what arrives until the socket ends, b"" at least every `_TICK`.

        After the end of the machine, only what is there already is waited for.
        """
        while True:
            over = self._over.is_set()
            if select.select([connected], [], [], _TICK)[0]:
                data = connected.recv(_CHUNK)
                if not data:
                    return
                yield data
            elif over:
                return
            else:
                yield b""

    def _pass_output(self, connected: socket.socket, early: bytes, write: Callable[[bytes], None]) -> None:
        try:
            write(early)
            for data in self._received(connected):
                write(data)
        except OSError:
            self._ends.stop()  # there is no reader any more, as behind a pipe to head

    def _pass_both(self, connected: socket.socket, early: bytes) -> None:
        output = sys.stdout.fileno()
        with _raw(sys.stdin.fileno(), output):
            _write_all(output, early)
            keys = threading.Thread(target=self._pass_keys, args=(connected,), name="keys", daemon=True)
            keys.start()
            for data in self._received(connected):
                _write_all(output, data)
            self._over.set()
            keys.join()

    def _pass_keys(self, connected: socket.socket) -> None:
        """Send the user's keys to the guest, and report changes of the size, until the machine has ended."""
        size, last = (0, 0), b""
        while not self._over.is_set():
            if (now := terminal_size()) != size:
                size = now
                self._ends.resized(*size)
            if not select.select([sys.stdin.fileno()], [], [], _TICK)[0]:
                continue
            keys = os.read(sys.stdin.fileno(), _CHUNK)
            if not keys or ESCAPE in last + keys:
                self._ends.stop()
                return
            last = keys[-1:]
            with suppress(OSError):
                connected.sendall(keys)


@contextmanager
def _raw(keys: int, output: int) -> Iterator[None]:
    """Put the terminal into raw mode for the time of the context."""
    before = termios.tcgetattr(keys)
    tty.setraw(keys)
    try:
        yield
    finally:
        with suppress(OSError):
            _write_all(output, _RESET)
        with suppress(termios.error):
            termios.tcsetattr(keys, termios.TCSAFLUSH, before)


def _write_all(output: int, data: bytes) -> None:
    while data:
        data = data[os.write(output, data) :]
