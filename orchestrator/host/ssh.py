# SPDX-License-Identifier: GPL-2.0-only
"""A machine reached over SSH as a host: it needs sshd, python3 of 3.8 or newer, tar, and nothing of orch."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import select
import shlex
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from fabric import Config, Connection
from paramiko import BadHostKeyException, Channel, RejectPolicy, SSHConfig, SSHException

from orchestrator.errors import CommandError
from orchestrator.host import supervisor
from orchestrator.host.session import CHUNK, TICK, SupervisedHost, Wire

CONNECT_TIMEOUT = 15
"""Seconds for TCP, the SSH banner, and authentication each."""
BEAT = 10.0
"""Seconds between two heartbeats to a running command."""
SILENCE = 60.0
"""Seconds without an answer after which either end takes the connection as lost."""
LINGER = 2.0
"""Seconds that output may still trickle in after the supervisor's exit status."""
UNPACK = ("sh", "-c", 'mkdir -p -- "$1" && exec tar -xpof - -C "$1"', "unpack")
PACK = ("sh", "-c", 'p=$(readlink -f -- "$1") && exec tar -cf - -C "${p%/*}/" -- "${p##*/}"', "pack")
"""A name that is itself a link is followed, as `cp -H` does; what is inside a tree is taken as it is."""
PROGRAM = Path(supervisor.__file__).read_bytes()

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else it prints tracebacks on stderr


@dataclass(frozen=True)
class Address:
    """Where and as whom to log in.

    `key` is a private key without passphrase; None tries the keys in ~/.ssh.  The host's key must be in `known_hosts`.
    `python` is the host's interpreter, 3.8 or newer; a path avoids shims such as pyenv's, which cost time per command.
    """

    host: str
    user: str | None = None
    port: int = 22
    key: Path | None = None
    known_hosts: Path = Path("~/.ssh/known_hosts")
    python: str = "python3"


class SshHost(SupervisedHost):
    """A machine reached over one SSH connection, which is opened when first needed, and anew after a loss.

    It never asks anything: no password, no agent, no unknown host key, and no ~/.ssh/config, so that a run does not
    depend on who starts it.  sshd's MaxSessions, usually 10, limits how many commands run at once.
    """

    patience = SILENCE

    def __init__(self, address: Address, name: str = "") -> None:
        """Nothing is connected yet; `name` is `address.host` by default."""
        super().__init__(name or address.host)
        self._address = address
        self._connecting = threading.Lock()
        self._connection = Connection(
            address.host,
            user=address.user,
            port=address.port,
            config=Config(lazy=True, ssh_config=SSHConfig()),
            connect_timeout=CONNECT_TIMEOUT,
            connect_kwargs=_quiet(address.key),
        )
        self._connection.client.set_missing_host_key_policy(RejectPolicy())

    def close(self) -> None:
        """Close the connection; a command that still runs is killed on the host."""
        self._connection.close()

    def put(self, local: Path, remote: Path) -> None:
        """Copy a file or tree to the new name `remote`, with modes kept; an existing directory is merged into.

        Parent directories are made; symbolic links in a tree stay links.  Raises CommandError, Interrupted.
        """
        with (
            self._copying((*UNPACK, str(remote.parent)), f"{local} to {remote}") as pipe,
            tarfile.open(fileobj=cast(IO[bytes], pipe), mode="w|", bufsize=CHUNK) as tar,
        ):
            tar.add(local.resolve(), arcname=remote.name)

    def get(self, remote: Path, local: Path) -> None:
        """As `put`, the other way; a host that sends a name outside of `local` is refused."""
        with (
            self._copying((*PACK, str(remote)), f"{remote} to {local}") as pipe,
            tarfile.open(fileobj=cast(IO[bytes], pipe), mode="r|", bufsize=CHUNK) as tar,
        ):
            local.parent.mkdir(parents=True, exist_ok=True)
            # Python 3.11.2, Debian 12's, knows no filters; later ones are told that the members have been looked at.
            tar.extraction_filter = lambda member, _path: member
            received = (_received(member, local) for member in tar)
            tar.extractall(local.parent, members=(member for member in received if member))

    @contextlib.contextmanager
    def _copying(self, argv: tuple[str, ...], what: str) -> Iterator[_Pipe]:
        """Run `argv`, lend its streams, and raise CommandError where either end has failed."""
        problem = ""
        with contextlib.closing(self._start(shlex.join(argv))) as channel:
            try:
                yield _Pipe(channel, lambda: self.refuse_if_stopped(f"copying {what}"))
            except (OSError, SSHException, tarfile.TarError) as error:
                problem = str(error)
            channel.shutdown_write()
            channel.status_event.wait(LINGER if problem else None)
            said = channel.recv_stderr(CHUNK).decode(errors="replace").strip() if channel.recv_stderr_ready() else ""
            if problem or channel.exit_status != 0:
                reason = "; ".join(filter(None, (problem, said))) or "the connection was lost"
                raise CommandError(f"{self.name}: copying {what} failed: {reason}")

    def _dial(self) -> Wire:
        # exec, so that whatever the login shell is, it does not stand between sshd and the supervisor.
        code = f"import sys; exec(sys.stdin.buffer.read({len(PROGRAM)}))"
        channel = self._start(f'exec {shlex.quote(self._address.python)} -I -S -c "{code}"')
        wire = _SshWire(channel)
        wire.send(PROGRAM)
        return wire

    def _start(self, command: str) -> Channel:
        try:
            with self._connecting:
                self._connect()
            channel = self._connection.create_session()
            channel.exec_command(command)
        except BadHostKeyException as error:
            what = f"{self.name}: its host key is not the one in {self._address.known_hosts}"
            raise CommandError(f"{what}; if the machine was set up anew, replace that line") from error
        except (OSError, SSHException, EOFError) as error:
            reason = str(error) or type(error).__name__
            raise CommandError(f"{self.name}: cannot run a command over SSH: {reason}") from error
        return cast(Channel, channel)

    def _connect(self) -> None:
        if self._connection.is_connected:
            return
        self._connection.client.load_system_host_keys(str(self._address.known_hosts.expanduser()))
        self._connection.open()
        # An answer to a keepalive that does not come makes the kernel close the connection: no hang on a dead network.
        transport = self._connection.transport
        transport.set_keepalive(BEAT)
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE * 1000))


def _quiet(key: Path | None) -> dict[str, object]:
    """Return the connection options under which nothing is ever asked of the user."""
    options = {"allow_agent": False, "banner_timeout": CONNECT_TIMEOUT, "auth_timeout": CONNECT_TIMEOUT}
    return {**options, "look_for_keys": key is None, **({"key_filename": str(key)} if key else {})}


def _received(member: tarfile.TarInfo, local: Path) -> tarfile.TarInfo | None:
    """Return the member as what it becomes at `local`: renamed, ours, mode kept; None for what is not a file.

    Raises tarfile.ExtractError on a name outside of `local`, also one that is so through a link sent before it.
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
    """What a name in the stream, of which the first part is the copied thing itself, is called beside `local`."""
    inner = Path(*Path(name).parts[1:])
    if not Path(os.path.realpath(local / inner)).is_relative_to(os.path.realpath(local)):
        raise tarfile.ExtractError(f"{name} is outside of what was asked for")
    return str(local.name / inner)


class _Pipe:
    """A channel as the file of a tar stream, which can be stopped while it waits."""

    def __init__(self, channel: Channel, refuse_if_stopped: Callable[[], None]) -> None:
        channel.settimeout(TICK)
        self._channel = channel
        self.refuse_if_stopped = refuse_if_stopped

    def read(self, size: int) -> bytes:
        while True:
            self.refuse_if_stopped()
            with contextlib.suppress(TimeoutError):
                return cast(bytes, self._channel.recv(size))

    def write(self, data: bytes) -> None:
        while data:
            self.refuse_if_stopped()
            with contextlib.suppress(TimeoutError):
                data = data[self._channel.send(data) :]


class _SshWire:
    """A supervisor behind an SSH channel without a terminal, for which sshd makes pipes."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError, SSHException):
            self._channel.sendall(data)

    def chunks(self) -> Iterator[tuple[bytes, bytes]]:
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        last_data = last_beat = time.monotonic()
        while True:
            poll.poll(TICK * 1000)
            ended = self._channel.closed or self._channel.eof_received
            out = self._channel.recv(CHUNK) if self._channel.recv_ready() else b""
            err = self._channel.recv_stderr(CHUNK) if self._channel.recv_stderr_ready() else b""
            now = time.monotonic()
            if out or err:
                last_data = now
            elif ended or (self._channel.exit_status_ready() and now - last_data > LINGER):
                return
            yield out, err
            if now - last_beat > BEAT:
                last_beat = now
                self.send(b"\n")

    def hang_up(self) -> None:
        with contextlib.suppress(OSError, SSHException):
            self._channel.shutdown_write()

    def close(self, seconds: float) -> None:
        self.hang_up()
        self._channel.status_event.wait(seconds)
        self._channel.close()
