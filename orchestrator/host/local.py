# SPDX-License-Identifier: GPL-2.0-only
"""This machine as a host."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.errors import CommandError
from orchestrator.host.base import Command, check
from orchestrator.host.fork_client import FORK_CLIENT
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

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)  # the fork server has that of its start


class _LocalWire:
    """A supervisor connected by pipes.

    Sockets would not do: QEMU could not open one as /proc/self/fd/1.
    """

    def __init__(self) -> None:
        pairs: list[tuple[int, int]] = []
        try:
            pairs.extend(os.pipe() for _ in range(3))
            (stdin, self._stdin), (self._stdout, stdout), (self._stderr, stderr) = pairs
            self._supervisor = FORK_CLIENT.supervisor(stdin, stdout, stderr)
        except BaseException as error:
            _close(*itertools.chain(*pairs))
            if isinstance(error, OSError):
                raise CommandError(f"local: cannot start a process: {error.strerror}; is this machine full?") from error
            raise
        _close(stdin, stdout, stderr)

    def send(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._stdin, data) :]

    def chunks(self) -> Iterator[tuple[bytes, bytes]]:
        with selectors.PollSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stderr, selectors.EVENT_READ)
            while True:
                ready = [key.fd for key, _ in selector.select(TICK)]
                yield self._read(self._stdout, ready, selector), self._read(self._stderr, ready, selector)
                open_now = [key.fd for key in selector.get_map().values()]
                # Only the supervisor has stderr.  A process that still has stdout after its end is not waited for.
                if self._stderr not in open_now and (self._stdout not in open_now or not ready):
                    return

    @staticmethod
    def _read(stream: int, ready: Sequence[int], selector: selectors.BaseSelector) -> bytes:
        if stream not in ready:
            return b""
        data = os.read(stream, CHUNK)
        if not data:
            selector.unregister(stream)
        return data

    def hang_up(self) -> None:
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def close(self, seconds: float) -> None:
        self.hang_up()
        if not self._supervisor.ended_within(seconds):
            self._supervisor.kill()
        self._supervisor.close()
        _close(self._stdout, self._stderr)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
