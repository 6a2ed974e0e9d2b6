# SPDX-License-Identifier: GPL-2.0-only
"""A machine reached over SSH as a host.

It needs sshd, python3 of 3.8 or newer, and tar; nothing of orch.
"""

from __future__ import annotations

import contextlib
import copy
import os
import select
import shlex
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from paramiko import Channel, SSHException

from orchestrator.host import supervisor
from orchestrator.host.address import Address
from orchestrator.host.full import failure
from orchestrator.host.ssh_connection import BEAT, SILENCE, Connections
from orchestrator.host.supervised import CHUNK, TICK, SupervisedHost, Wire

LINGER = 2.0
"""Seconds in which output may still arrive after the supervisor's exit status."""
MOST_STDERR = 1 << 13
"""The most bytes that are kept of the stderr of a copy command."""
_AFTER_STDIN = "status=$?; cat >/dev/null; exit $status"
"""The other end of a copy ends after its stdin: nothing of orch comes after the close of the channel (`_over`)."""
UNPACK = ("sh", "-c", f'mkdir -p -- "$1" && tar -xpof - -C "$1"; {_AFTER_STDIN}', "unpack")
PACK = (
    "sh",
    "-c",
    f'p=$(readlink -f -- "$1") && tar -cf - -C "${{p%/*}}/" -- "${{p##*/}}"; {_AFTER_STDIN}',
    "pack",
)
"""A link given by its own name is followed, as `cp -H` does; links inside a tree are kept."""
PROGRAM = Path(supervisor.__file__).read_bytes()


class SshHost(SupervisedHost):
    """A machine reached over SSH.

    Connections are opened on demand, and again after a loss.  The user is never asked for anything; no password, no
    agent, no unknown host key and no ~/.ssh/config is used, so that a run does not depend on the user who starts it.
    """

    patience = SILENCE

    def __init__(self, address: Address, name: str = "") -> None:
        """Set the host up without connecting; `name` is `address.host` by default."""
        super().__init__(name or address.host)
        self._python = address.python
        self._connections = Connections(address, self.name)

    def close(self) -> None:
        """Close the connections; commands that still run are killed on the host."""
        self._connections.close()

    def put(self, local: Path, remote: Path) -> None:
        """Copy a file or tree to `remote`; modes are kept.

        An existing directory at `remote` is merged into.  Parent directories are made; symbolic links in a tree stay
        links.  Raises CommandError, Interrupted.
        """
        with (
            self._copying((*UNPACK, str(remote.parent)), f"{local} to {remote}") as pipe,
            tarfile.open(fileobj=cast(IO[bytes], pipe), mode="w|", bufsize=CHUNK) as tar,
        ):
            tar.add(local.resolve(), arcname=remote.name)

    def get(self, remote: Path, local: Path) -> None:
        """Copy a file or tree from the host, as `put` does.

        Names outside of `local` are refused.
        """
        with (
            self._copying((*PACK, str(remote)), f"{remote} to {local}") as pipe,
            tarfile.open(fileobj=cast(IO[bytes], pipe), mode="r|", bufsize=CHUNK) as tar,
        ):
            local.parent.mkdir(parents=True, exist_ok=True)
            # Python 3.11.2, Debian 12's, has no filters.  For later versions: `_received` has checked the members.
            tar.extraction_filter = lambda member, _path: member
            received = (_received(member, local) for member in tar)
            tar.extractall(local.parent, members=(member for member in received if member))

    @contextlib.contextmanager
    def _copying(self, argv: tuple[str, ...], what: str) -> Iterator[_Pipe]:
        """Run `argv` and yield its streams; raise CommandError if either end has failed."""

        def refuse_if_stopped() -> None:
            self.refuse_if_stopped(f"copying {what}")

        problem = ""
        with contextlib.closing(self._connections.start(shlex.join(argv), refuse_if_stopped)) as channel:
            pipe = _Pipe(channel, refuse_if_stopped)
            try:
                yield pipe
            except (OSError, SSHException, tarfile.TarError) as error:
                problem = str(error)
            pipe.finish(LINGER if problem else None)
            if problem or channel.exit_status != 0:
                reason = "; ".join(filter(None, (problem, pipe.stderr))) or "the connection was lost"
                raise failure(f"{self.name}: copying {what} failed: {reason}", reason)

    def _dial(self) -> Wire:
        code = f"import sys; exec(sys.stdin.buffer.read({len(PROGRAM)}))"
        command = f'{shlex.quote(self._python)} -I -S -c "{code}"'
        wire = _SshWire(self._connections.start(command, lambda: self.refuse_if_stopped("a command")))
        wire.send(PROGRAM)
        return wire


def _received(member: tarfile.TarInfo, local: Path) -> tarfile.TarInfo | None:
    """Return the member as it is written at `local`; None for a device or a FIFO.

    It is renamed and gets this user as owner; its mode is kept.  Raises tarfile.ExtractError for a name outside of
    `local`, including one that leaves it through a link sent before.
    """
    if member.isdev():
        return None
    ours = copy.copy(member)
    ours.name = _inside(member.name, local)
    if member.islnk():
        ours.linkname = _inside(member.linkname, local)
    ours.uid, ours.gid, ours.uname, ours.gname = os.getuid(), os.getgid(), "", ""
    return ours


def _inside(name: str, local: Path) -> str:
    """Return the name beside `local` for a name in the stream.

    The first part of `name` is the copied file or directory itself.
    """
    inner = Path(*Path(name).parts[1:])
    if not Path(os.path.realpath(local / inner)).is_relative_to(os.path.realpath(local)):
        raise tarfile.ExtractError(f"{name} is outside of what was asked for")
    return str(local.name / inner)


def _over(channel: Channel) -> bool:
    """Return whether the other end has ended, so that its sshd closes the channel now.

    Nothing may be sent then: paramiko may send it after its own close message (its issue 1115), and sshd ends the whole
    connection for that, with all other commands.
    """
    return bool(channel.closed or channel.eof_received or channel.exit_status_ready())


def _end_stdin(channel: Channel) -> None:
    """End the stdin of the other end, if that has not ended.

    paramiko's own shutdown_write sends after it has freed the lock, and the close message can be sent between.
    """
    with channel.lock:
        message = None if _over(channel) else channel._send_eof()
        if message is not None:
            channel.transport._send_user_message(message)


class _Pipe:
    """A channel as the file of a tar stream; waiting can be interrupted.

    It also reads the other end's stderr: tar writes a message for every file, and would block without a reader.
    """

    def __init__(self, channel: Channel, refuse_if_stopped: Callable[[], None]) -> None:
        channel.settimeout(TICK)
        self._channel = channel
        self._stderr = b""
        self._refuse_if_stopped = refuse_if_stopped

    @property
    def stderr(self) -> str:
        """The beginning of the other end's stderr."""
        return self._stderr.decode(errors="replace").strip()

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes, none at the end."""
        while True:
            self._poll()
            with contextlib.suppress(TimeoutError):
                return cast(bytes, self._channel.recv(size))

    def write(self, data: bytes) -> None:
        """Write all of `data`."""
        while data:
            self._poll()
            with contextlib.suppress(TimeoutError):
                data = data[self._channel.send(data) :]

    def finish(self, seconds: float | None) -> None:
        """End the stream and wait at most `seconds` for the other end."""
        _end_stdin(self._channel)
        end = time.monotonic() + seconds if seconds is not None else float("inf")
        while not self._channel.status_event.wait(TICK) and time.monotonic() < end:
            self._poll()
        self._read_stderr()

    def _poll(self) -> None:
        self._refuse_if_stopped()
        self._read_stderr()

    def _read_stderr(self) -> None:
        while self._channel.recv_stderr_ready():
            self._stderr = (self._stderr + self._channel.recv_stderr(CHUNK))[:MOST_STDERR]


class _SshWire:
    """A supervisor behind an SSH channel without a terminal; sshd connects it by pipes."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError, SSHException):
            if not _over(self._channel):
                self._channel.sendall(data)

    def chunks(self) -> Iterator[tuple[bytes, bytes]]:
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        last = last_beat = time.monotonic()
        while True:
            poll.poll(TICK * 1000)
            ended = self._channel.closed or self._channel.eof_received
            out = self._channel.recv(CHUNK) if self._channel.recv_ready() else b""
            err = self._channel.recv_stderr(CHUNK) if self._channel.recv_stderr_ready() else b""
            now = time.monotonic()
            if not out and not err and ended:
                return
            if out or err or not self._channel.exit_status_ready():
                last = now
            elif now - last > LINGER:
                return
            yield out, err
            if now - last_beat > BEAT:
                last_beat = now
                self.send(b"\n")

    def hang_up(self) -> None:
        with contextlib.suppress(OSError, SSHException):
            _end_stdin(self._channel)

    def close(self, seconds: float) -> None:
        self.hang_up()
        self._channel.status_event.wait(seconds)
        self._channel.close()
