# SPDX-License-Identifier: GPL-2.0-only
"""This machine as a host."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from orchestrator.errors import CommandError
from orchestrator.host import supervisor
from orchestrator.host.base import Command, check
from orchestrator.host.full import failure
from orchestrator.host.supervised import CHUNK, TICK, SupervisedHost, Wire

LOCAL = "local"
"""The name of this machine as a host."""


class LocalHost(SupervisedHost):
    """This machine.

    No process of a command outlives the command or orch, however either of them ends.
    """

    def __init__(self, name: str = LOCAL) -> None:
        super().__init__(name)

    def put(self, local: Path, remote: Path) -> None:
        """Copy a file or tree to `remote`; modes are kept.

        An existing directory at `remote` is merged into.  Parent directories are made; symbolic links in a tree stay
        links.  Raises CommandError, Interrupted.
        """
        try:
            remote.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise failure(f"{remote.parent}: cannot make the directory: {error.strerror}", error) from error
        argv = ("cp", "-RHT", "--preserve=mode,timestamps,links", "--", str(local), str(remote))
        check(self.run(Command(argv)), f"copying {local} to {remote}")

    def get(self, remote: Path, local: Path) -> None:
        """Copy as `put` does: source and destination are on the same machine."""
        self.put(remote, local)

    def _dial(self) -> Wire:
        return _LocalWire()


class _LocalWire:
    """A supervisor connected by pipes.

    Sockets would not do: QEMU could not open one as /proc/self/fd/1.
    """

    def __init__(self) -> None:
        argv = (sys.executable, "-I", "-S", supervisor.__file__)
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except OSError as error:
            raise CommandError(f"local: cannot start a process: {error.strerror}; is this machine full?") from error
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin and stdout and stderr
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr

    def send(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(data)
            self._stdin.flush()

    def chunks(self) -> Iterator[tuple[bytes, bytes]]:
        with selectors.PollSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stderr, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(TICK)]
                yield self._read(self._stdout, ready, selector), self._read(self._stderr, ready, selector)
                open_now = [key.fileobj for key in selector.get_map().values()]
                # Only the supervisor has stderr.  A process that still has stdout after its end is not waited for.
                if self._stderr not in open_now and (self._stdout not in open_now or not ready):
                    return

    @staticmethod
    def _read(stream: IO[bytes], ready: Sequence[object], selector: selectors.BaseSelector) -> bytes:
        if stream not in ready:
            return b""
        data = os.read(stream.fileno(), CHUNK)
        if not data:
            selector.unregister(stream)
        return data

    def hang_up(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()

    def close(self, seconds: float) -> None:
        self.hang_up()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()
        self._stderr.close()
