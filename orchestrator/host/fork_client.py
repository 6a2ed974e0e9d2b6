# SPDX-License-Identifier: GPL-2.0-only
"""orch's side of the fork server: start it, ask it for supervisors, end it."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from orchestrator.errors import CommandError
from orchestrator.host import fork_server

_CLOSING = 5.0
"""Seconds that the fork server gets to end; it only has to notice that its socket was closed."""


class Forked:
    """A supervisor that the fork server forked; `pidfd` is open until `close`."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd

    def ended_within(self, seconds: float) -> bool:
        """Wait at most `seconds` for its end; return whether it has ended."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.ended_within(_CLOSING)

    def close(self) -> None:
        """Free the descriptor."""
        os.close(self._pidfd)


class _Server:
    """A running fork server of the process `owner`."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        orch = os.pidfd_open(self.owner)
        passed = (theirs.fileno(), orch)
        argv = (sys.executable, "-I", "-S", fork_server.__file__, *map(str, passed))
        null = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                argv, stdin=null, stdout=null, stderr=null, cwd="/", pass_fds=passed, start_new_session=True
            )
        except OSError:
            self._requests.close()
            raise
        finally:
            theirs.close()
            os.close(orch)

    def ask(self, streams: tuple[int, int, int]) -> int | None:
        """Return the pidfd of a new supervisor; None if the server has ended.

        Each request has an answer socket of its own: an exception, as by Ctrl-C, cannot leave an answer to the next.
        Raises OSError if this machine has no room for a process.
        """
        answer, theirs = socket.socketpair()
        with answer:
            with theirs, _working_directory() as directory:
                try:
                    socket.send_fds(self._requests, [b"\0"], [*streams, directory, theirs.fileno()])
                except OSError:
                    return None
            number, received, _, _ = socket.recv_fds(answer, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if received:
            return received[0]
        if number:  # the server could not fork; what it has forked goes on
            raise OSError(number[0], os.strerror(number[0]))
        return None

    def close(self) -> None:
        """End the server; a process that was forked from the owner only frees its copy of the socket."""
        self._requests.close()
        if self.owner != os.getpid():
            return
        try:
            self._process.wait(_CLOSING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def _working_directory() -> Iterator[int]:
    """Yield this process's directory, which may have been removed, and may be one that cannot be read."""
    directory = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        yield directory
    finally:
        os.close(directory)


class ForkClient:
    """Starts the fork server at the first use, and again if it was killed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._server: _Server | None = None

    def supervisor(self, stdin: int, stdout: int, stderr: int) -> Forked:
        """Return a new supervisor that has these descriptors.

        Raises CommandError if this machine cannot start one.
        """
        try:
            server = self._running(None)
            pidfd = server.ask((stdin, stdout, stderr))
            if pidfd is None:
                pidfd = self._running(server).ask((stdin, stdout, stderr))
        except OSError as error:
            raise CommandError(f"local: cannot start a process: {error.strerror}; is this machine full?") from error
        if pidfd is None:
            raise CommandError("local: cannot start a process: the fork server does not answer; is this machine full?")
        return Forked(pidfd)

    def close(self) -> None:
        """End the server; the next use starts another."""
        with self._lock:
            server, self._server = self._server, None
        if server:
            server.close()

    def _running(self, dead: _Server | None) -> _Server:
        """Return the server of this process, another one than `dead`."""
        with self._lock:
            server = self._server
            if server and (server is dead or server.owner != os.getpid()):
                server.close()
                server = None
            self._server = server or _Server()
            return self._server


FORK_CLIENT = ForkClient()
"""The one of this process."""
atexit.register(FORK_CLIENT.close)
