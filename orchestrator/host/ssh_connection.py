# SPDX-License-Identifier: GPL-2.0-only
"""SSH connections to one machine: as many as its sessions need.

Each is opened on demand, and again after a loss.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fabric import Config, Connection
from paramiko import BadHostKeyException, Channel, ChannelException, SSHClient, SSHConfig, SSHException

from orchestrator.errors import CommandError
from orchestrator.host.address import Address
from orchestrator.host.supervised import TICK

CONNECT_TIMEOUT = 15
"""Seconds for each of TCP, the SSH banner and authentication."""
BEAT = 10.0
"""Seconds between two heartbeats to a running command."""
SILENCE = 60.0
"""Seconds without an answer after which either end considers the connection lost."""
SESSIONS = 8
"""Sessions on one connection.  sshd's MaxSessions is usually 10 (sshd_config(5)), and sshd counts a session that was
closed here for a moment longer."""
_BEGINS = b"orch-begins\n"
"""The line that a session prints before the command: a login shell may print something first, for example from
~/.bashrc."""

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # otherwise it prints tracebacks on stderr


class Connections:
    """The connections to `address`; thread-safe.

    `name` is the host's name in messages.
    """

    def __init__(self, address: Address, name: str) -> None:
        """Set the connections up without connecting."""
        self._address = address
        self._name = name
        self._lock = threading.Lock()
        self._lines: list[_Line] = []

    def start(self, command: str, refuse_if_stopped: Callable[[], None]) -> Channel:
        """Return a session in which the login shell has just started `command`.

        `command` is a line that every shell understands.  Earlier output of the shell is discarded.  Raises
        CommandError, and the errors of `refuse_if_stopped`.
        """
        with self._errors_converted(), contextlib.ExitStack() as undo:
            with self._locked(refuse_if_stopped):
                channel = self._session()
            undo.callback(channel.close)
            # exec, so that no login shell stays between sshd and the command.
            channel.exec_command(f"echo {_BEGINS.decode().strip()}; exec {command}")
            self._skip_preamble(channel, refuse_if_stopped)
            undo.pop_all()
            return channel

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for line in self._lines:
                line.connection.close()

    @contextlib.contextmanager
    def _locked(self, refuse_if_stopped: Callable[[], None]) -> Iterator[None]:
        """Hold the lock.

        This can wait a minute while another thread connects to a host that does not answer.
        """
        while not self._lock.acquire(timeout=TICK):
            refuse_if_stopped()
        try:
            yield
        finally:
            self._lock.release()

    def _session(self) -> Channel:
        self._lines = [line for line in self._lines if line.connection.is_connected]
        for line in (line for line in self._lines if line.sessions() < SESSIONS):
            with contextlib.suppress(ChannelException):  # a host whose MaxSessions is less
                return line.session()
        line = _Line(_connection(self._address, self._name))
        self._lines.append(line)
        return line.session()

    def _skip_preamble(self, channel: Channel, refuse_if_stopped: Callable[[], None]) -> None:
        """Read past the output of the login shell before the command."""
        output, end = bytearray(), time.monotonic() + SILENCE
        channel.settimeout(TICK)
        while not output.endswith(_BEGINS):
            refuse_if_stopped()
            ended = time.monotonic() > end
            with contextlib.suppress(TimeoutError):
                byte = channel.recv(1)
                output += byte
                ended = ended or not byte
            if ended:
                output += channel.recv_stderr(1 << 16) if channel.recv_stderr_ready() else b""
                last = output.decode(errors="replace").strip().rpartition("\n")[2] or "was the connection lost?"
                raise CommandError(f"{self._name}: its login shell does not begin a command: {last}")
        channel.settimeout(None)

    @contextlib.contextmanager
    def _errors_converted(self) -> Iterator[None]:
        """Turn every error of a connection into a CommandError."""
        try:
            yield
        except BadHostKeyException as error:
            what = f"{self._name}: its host key is not the one in {self._address.known_hosts}"
            raise CommandError(f"{what}; if the machine was set up again, replace that line") from error
        except (OSError, SSHException, EOFError) as error:
            reason = str(error) or type(error).__name__
            raise CommandError(f"{self._name}: cannot run a command over SSH: {reason}") from error


@dataclass
class _Line:
    """One connection, and its sessions that may still be open."""

    connection: Connection
    channels: list[Channel] = field(default_factory=list)

    def sessions(self) -> int:
        """Return the number of open sessions."""
        self.channels = [channel for channel in self.channels if not channel.closed]
        return len(self.channels)

    def session(self) -> Channel:
        """Open a session.

        Raises ChannelException if the host allows no more.
        """
        channel = self.connection.create_session()
        self.channels.append(channel)
        return channel


def _connection(address: Address, name: str) -> Connection:
    """Open a connection.

    Raises CommandError for an unknown host, else fabric's errors.
    """
    connection = Connection(
        address.host,
        user=address.user,
        port=address.port,
        config=Config(lazy=True, ssh_config=SSHConfig()),
        connect_timeout=CONNECT_TIMEOUT,
        connect_kwargs=_quiet(address.key),
    )
    _require_known_host(connection.client, address, name)
    try:
        connection.open()
    finally:
        if not connection.is_connected:
            connection.client.close()
    # Without an answer to a keepalive the kernel closes the connection, so a broken network causes no hang.
    connection.transport.set_keepalive(BEAT)
    connection.transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE * 1000))
    return connection


def _require_known_host(client: SSHClient, address: Address, name: str) -> None:
    """Make `client` accept only host keys that are in the file.

    Raises CommandError if there is no such file.
    """
    unknown = _unknown(address, name)
    client.set_missing_host_key_policy(_Refuse(unknown))
    try:
        client.load_system_host_keys(str(address.known_hosts.expanduser()))
    except FileNotFoundError as error:
        raise CommandError(unknown) from error


class _Refuse:
    """Refuses a host with an unknown key; a MissingHostKeyPolicy of paramiko.

    `sentence` is the message of the error.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    def missing_host_key(self, *_: object) -> None:
        """Raise CommandError; called with the client, the host and its key."""
        raise CommandError(self._sentence)


def _unknown(address: Address, name: str) -> str:
    """Return the message for a host key that the known_hosts file lacks.

    That file may be missing.
    """
    known = str(address.known_hosts.expanduser())
    target = f"{address.user}@{address.host}" if address.user else address.host
    login = shlex.join(("ssh", "-p", str(address.port), "-o", f"UserKnownHostsFile={known}", target))
    return f"{name}: its host key is not in {known}; log in once with `{login}` and compare the fingerprint"


def _quiet(key: Path | None) -> dict[str, object]:
    """Return the connection options under which the user is never asked for anything."""
    options = {"allow_agent": False, "banner_timeout": CONNECT_TIMEOUT, "auth_timeout": CONNECT_TIMEOUT}
    keys = {"look_for_keys": key is None, **({"key_filename": str(key)} if key else {})}
    return {**options, "channel_timeout": SILENCE, **keys}
