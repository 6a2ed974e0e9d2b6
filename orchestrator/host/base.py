# SPDX-License-Identifier: GPL-2.0-only
"""The seam to the outside world: what a host can do for the rooms above.

Only implementations of `Host` start processes, open connections or kill anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Protocol

from orchestrator.errors import CommandError

LineSink = Callable[[str], None]
"""Called with every line of a command's output, without its newline, as it is written."""


@dataclass(frozen=True)
class Command:
    """What is to run on a host, and how.

    `env` is added to the host's environment.  `timeout` is in seconds: when it passes, the whole process tree is
    killed, and `Completed.timed_out` is set.  `on_line` sees every output line as it comes; `log` is a local file that
    the output is appended to as it comes, byte for byte.  When `until` is set, the command is told to end, with
    SIGTERM; no error, but the status that this gives.  `grace` is how many seconds it then has, and after `timeout`,
    until SIGKILL; None is the host's own, a few.
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
    """What a finished command left behind.

    `status` is the exit status, or minus the signal's number; `output` is stdout with stderr folded in,
    in the order written; `timed_out` says that the deadline passed and the command's whole tree was killed;
    `seconds` is wall-clock time.
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
    """Where a job runs: this machine, or one reached over SSH."""

    @property
    def name(self) -> str:
        """A short name for logs and results."""

    def run(self, command: Command) -> Completed:
        """Run `command` to its end, in a session of its own, and return what it left; never raises on a status.

        Raises CommandError where the program does not exist or cannot be started, Interrupted after `stop_all`.
        """

    def put(self, local: Path, remote: Path) -> None:
        """Copy a local file or directory tree to the host, with modes kept."""

    def get(self, remote: Path, local: Path) -> None:
        """Copy a file or directory tree from the host, with modes kept."""

    def stop_all(self) -> None:
        """Kill the process tree of every command that this host object runs now, and refuse new ones."""

    def refuse_if_stopped(self, what: str) -> None:
        """Raise Interrupted, naming `what`, after `stop_all`: for work that is not a command."""


class WrappedHost:
    """A host that passes everything on to `host`; subclasses change the command on its way."""

    host: Host

    @property
    def name(self) -> str:
        """The name of the host behind."""
        return self.host.name

    def put(self, local: Path, remote: Path) -> None:
        """As the host behind."""
        self.host.put(local, remote)

    def get(self, remote: Path, local: Path) -> None:
        """As the host behind."""
        self.host.get(remote, local)

    def stop_all(self) -> None:
        """As the host behind."""
        self.host.stop_all()

    def refuse_if_stopped(self, what: str) -> None:
        """As the host behind."""
        self.host.refuse_if_stopped(what)


def check(completed: Completed, what: str) -> Completed:
    """Return `completed`, or raise CommandError that says `what` failed, how, and with which last lines."""
    if completed.ok:
        return completed
    how = f"timed out after {completed.seconds:.0f} s" if completed.timed_out else f"exit status {completed.status}"
    tail = "\n".join(completed.output.rstrip().splitlines()[-8:])
    raise CommandError(f"{what} failed: {' '.join(completed.argv[:4])} … {how}\n{tail}".rstrip())
