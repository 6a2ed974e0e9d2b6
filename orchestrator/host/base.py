# SPDX-License-Identifier: GPL-2.0-only
"""The interface to hosts: all that the other packages can do on one.

Only implementations of `Host` start processes, open connections or kill processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Protocol

from orchestrator.host.full import failure

LineSink = Callable[[str], None]
"""Called for every line of a command's output, without its newline, as soon as it is written."""


@dataclass(frozen=True)
class Command:
    """A command for a host, and the conditions under which it runs.

    `env` is added to the host's environment.  `timeout` is in seconds: after it the whole process tree is killed, and
    `Completed.timed_out` is set.  `on_line` is called for every output line at once.  `log` is a local file to which
    the output is appended at once, byte for byte.

    Setting `until` ends the command with SIGTERM; this is no error, and the status shows it.  `grace` is the time in
    seconds from SIGTERM, for `until` or `timeout`, to SIGKILL; None means the host's default, a few seconds.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    timeout: float | None = None
    on_line: LineSink | None = None
    log: Path | None = None
    until: Event | None = None
    grace: float | None = None


@dataclass(frozen=True)
class Completed:
    """The result of a finished command.

    `status` is the exit status, or minus the signal's number.  `output` is stdout and stderr together, in the order
    written.  `timed_out` is set if the timeout passed and the command's whole tree was killed.  `seconds` is wall-clock
    time.
    """

    argv: tuple[str, ...]
    status: int
    output: str
    seconds: float
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command ended by itself with status 0."""
        return self.status == 0 and not self.timed_out


class Host(Protocol):
    """A place to run commands: this machine, or one reached over SSH."""

    @property
    def name(self) -> str:
        """A short name for logs and results."""

    def run(self, command: Command) -> Completed:
        """Run `command` to its end in a new session, and return its result.

        A nonzero status does not raise.  Raises CommandError if the program does not exist or cannot be started,
        Interrupted after `stop_all`.
        """

    def put(self, local: Path, remote: Path) -> None:
        """Copy a local file or directory tree to the host; modes are kept."""

    def get(self, remote: Path, local: Path) -> None:
        """Copy a file or directory tree from the host; modes are kept."""

    def stop_all(self) -> None:
        """Kill the process trees of all running commands, and refuse new commands.

        Only the commands of this host object are affected.
        """

    def refuse_if_stopped(self, what: str) -> None:
        """Raise Interrupted, naming `what`, after `stop_all`; for work that is not a command."""


class WrappedHost:
    """A host that forwards everything to `host`; subclasses change the command first."""

    host: Host

    @property
    def name(self) -> str:
        """The name of the wrapped host."""
        return self.host.name

    def put(self, local: Path, remote: Path) -> None:
        """Call `put` of the wrapped host."""
        self.host.put(local, remote)

    def get(self, remote: Path, local: Path) -> None:
        """Call `get` of the wrapped host."""
        self.host.get(remote, local)

    def stop_all(self) -> None:
        """Call `stop_all` of the wrapped host."""
        self.host.stop_all()

    def refuse_if_stopped(self, what: str) -> None:
        """Call `refuse_if_stopped` of the wrapped host."""
        self.host.refuse_if_stopped(what)


def check(completed: Completed, what: str) -> Completed:
    """Return `completed` if it is ok, else raise CommandError.

    The error names `what` failed, how, and the last lines of the output.
    """
    if completed.ok:
        return completed
    how = f"timed out after {completed.seconds:.0f} s" if completed.timed_out else f"exit status {completed.status}"
    tail = "\n".join(completed.output.rstrip().splitlines()[-8:])
    raise failure(f"{what} failed: {' '.join(completed.argv[:4])} … {how}\n{tail}".rstrip(), completed.output)
