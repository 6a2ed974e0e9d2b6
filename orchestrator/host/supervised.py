# SPDX-License-Identifier: GPL-2.0-only
"""The dialogue with one supervisor per command, common to local and SSH hosts."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, Protocol

from orchestrator.errors import CommandError, Interrupted
from orchestrator.host import supervisor
from orchestrator.host.base import Command, Completed
from orchestrator.host.full import failure
from orchestrator.host.output import Output

TICK = 0.1
"""Seconds between two checks whether orch was stopped."""
CHUNK = 1 << 16
"""Bytes to read at once."""
CLOSING = supervisor.GIVE_UP + 10
"""Seconds that a supervisor gets to end its processes."""


class Wire(Protocol):
    """The three streams of a supervisor that was just started."""

    def send(self, data: bytes) -> None:
        """Write to its stdin.

        If the supervisor has ended, that shows later, as a missing report.
        """

    def chunks(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield data from stdout and stderr until both have ended.

        Yields at least every `TICK`, even without data.
        """

    def hang_up(self) -> None:
        """End its stdin, which makes it kill the command's whole tree; may be repeated."""

    def close(self, seconds: float) -> None:
        """Hang up, wait at most `seconds` for the supervisor's end, free all resources."""


class SupervisedHost(ABC):
    """A host that runs each command under a supervisor; subclasses start the supervisor."""

    patience: float | None = None
    """Seconds without a heartbeat after which the supervisor ends the command; None if orch sends none."""
    grace: float = 2.0
    """Seconds between SIGTERM and SIGKILL for a command that times out or is stopped."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stopped = False

    @property
    def name(self) -> str:
        """A short name for logs and results."""
        return self._name

    @abstractmethod
    def _dial(self) -> Wire:
        """Start a supervisor; raises CommandError if that fails."""

    def _environment(self) -> dict[str, str] | None:
        """Return the environment that commands inherit; None for that of the supervisor."""
        return None

    def run(self, command: Command) -> Completed:
        """Run `command` to its end; see `Host.run`.

        A line longer than 64 Ki characters reaches `on_line` in pieces.  Raises CommandError also if a process of the
        command survives SIGKILL, and if the host is lost.
        """
        argv = command.argv
        self.refuse_if_stopped(argv[0])
        request = {
            "argv": argv,
            "cwd": str(command.cwd) if command.cwd else None,
            "inherited": self._environment(),
            "env": dict(command.env),
            "stdin": command.stdin,
            "timeout": command.timeout,
            "patience": self.patience,
            "grace": self.grace if command.grace is None else command.grace,
            "held": command.until is not None,
        }
        with Output(command.on_line, command.log) as output, self._dialled(command.grace or self.grace) as wire:
            wire.send(json.dumps(request).encode() + b"\n")
            stderr = self._listen(wire, output, command.until)
        self.refuse_if_stopped(argv[0])
        report = self._report(stderr, argv)
        return Completed(argv, report["status"], output.text, report["seconds"], report["timed_out"])

    def stop_all(self) -> None:
        """Kill the trees of all running commands, and refuse new ones.

        `run` raises Interrupted once its command has ended.  This only sets a flag, which every `run` checks within
        `TICK`, so it is safe in a signal handler and from any thread.
        """
        self._stopped = True

    @contextmanager
    def _dialled(self, grace: float) -> Iterator[Wire]:
        """Yield a supervisor's wire, and close it after the context.

        The command has `grace` seconds to end.
        """
        wire = self._dial()
        try:
            yield wire
        finally:
            wire.close(grace + CLOSING)

    def _listen(self, wire: Wire, output: Output, until: Event | None) -> bytes:
        stderr = []
        for out, err in wire.chunks():
            if self._stopped or (until is not None and until.is_set()):
                wire.hang_up()
            output.feed(out)
            stderr.append(err)
        output.finish()
        return b"".join(stderr)

    def refuse_if_stopped(self, what: str) -> None:
        """Raise Interrupted, naming `what`, after `stop_all`."""
        if self._stopped:
            raise Interrupted(f"{self.name}: {what} was stopped, because orch was asked to stop")

    def _report(self, stderr: bytes, argv: tuple[str, ...]) -> dict[str, Any]:
        """Return the report in a supervisor's stderr; raise CommandError if it is bad or missing."""
        before, mark, line = stderr.partition(supervisor.MARK)
        if not mark or not line.endswith(b"\n"):
            hint = (
                before.decode(errors="replace").strip().rpartition("\n")[2] or "was it killed, or the connection lost?"
            )
            raise failure(f"{self.name}: lost {argv[0]}: its supervisor ended without a report: {hint}", hint)
        report: dict[str, Any] = json.loads(line)
        if "error" in report:
            raise failure(f"{self.name}: {report['error']}", str(report["error"]))
        if report["left"]:
            raise CommandError(f"{self.name}: {argv[0]} left processes that cannot be killed: {report['left']}")
        return report
