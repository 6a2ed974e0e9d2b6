# SPDX-License-Identifier: GPL-2.0-only
"""One conversation with a supervisor per command: what the local host and an SSH host have in common."""

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
from orchestrator.host.output import Output

TICK = 0.1
"""Seconds between two looks at whether orch was told to stop."""
CHUNK = 1 << 16
"""Bytes read at once."""
CLOSING = supervisor.GIVE_UP + 10
"""Seconds that a supervisor gets to end what it supervises."""


class Wire(Protocol):
    """The three streams of a supervisor that was just started."""

    def send(self, data: bytes) -> None:
        """Write to its stdin; a supervisor that has gone shows later, as a missing report."""

    def chunks(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield what comes on stdout and stderr, at least every `TICK` even if nothing does, until both have ended."""

    def hang_up(self) -> None:
        """End its stdin, which makes it kill the command's whole tree; again does no harm."""

    def close(self, seconds: float) -> None:
        """Hang up, wait at most `seconds` until the supervisor has ended, free everything."""


class SupervisedHost(ABC):
    """A host that runs each command under a supervisor; subclasses say how one is started."""

    patience: float | None = None
    """Seconds without a heartbeat after which the supervisor ends the command; None where orch sends none."""
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
        """Start a supervisor; raises CommandError where that fails."""

    def run(self, command: Command) -> Completed:
        """Run `command` to its end; see `Host.run`.  A line longer than 64 Ki characters reaches `on_line` in pieces.

        Raises CommandError also where a process of the command survives SIGKILL, and where the host is lost.
        """
        argv = command.argv
        self.refuse_if_stopped(argv[0])
        request = {
            "argv": argv,
            "cwd": str(command.cwd) if command.cwd else None,
            "env": dict(command.env),
            "stdin": command.stdin,
            "timeout": command.timeout,
            "patience": self.patience,
            "grace": self.grace if command.grace is None else command.grace,
            "held": command.until is not None,
        }
        with Output(command.on_line, command.log) as output, self._dialled(command.grace or self.grace) as wire:
            wire.send(json.dumps(request).encode() + b"\n")
            said = self._listen(wire, output, command.until)
        self.refuse_if_stopped(argv[0])
        report = self._report(said, argv)
        return Completed(argv, report["status"], output.text, report["seconds"], report["timed_out"])

    def stop_all(self) -> None:
        """Kill the tree of every command that runs, and refuse new ones; `run` raises Interrupted once it is done.

        It only sets a flag, which every `run` sees within `TICK`: safe in a signal handler and from any thread.
        """
        self._stopped = True

    @contextmanager
    def _dialled(self, grace: float) -> Iterator[Wire]:
        """A supervisor's wire, closed behind a command that has `grace` seconds to end."""
        wire = self._dial()
        try:
            yield wire
        finally:
            wire.close(grace + CLOSING)

    def _listen(self, wire: Wire, output: Output, until: Event | None) -> bytes:
        said = []
        for out, err in wire.chunks():
            if self._stopped or (until is not None and until.is_set()):
                wire.hang_up()
            output.feed(out)
            said.append(err)
        output.finish()
        return b"".join(said)

    def refuse_if_stopped(self, what: str) -> None:
        """Raise Interrupted, naming `what`, after `stop_all`."""
        if self._stopped:
            raise Interrupted(f"{self.name}: {what} was stopped, because orch was told to stop")

    def _report(self, said: bytes, argv: tuple[str, ...]) -> dict[str, Any]:
        """Return the report in what a supervisor said; raise CommandError on a bad one, or on none."""
        before, mark, line = said.partition(supervisor.MARK)
        if not mark or not line.endswith(b"\n"):
            hint = (
                before.decode(errors="replace").strip().rpartition("\n")[2] or "was it killed, or the connection lost?"
            )
            raise CommandError(f"{self.name}: lost {argv[0]}: its supervisor ended without a report: {hint}")
        report: dict[str, Any] = json.loads(line)
        if "error" in report:
            raise CommandError(f"{self.name}: {report['error']}")
        if report["left"]:
            raise CommandError(f"{self.name}: {argv[0]} left processes that cannot be killed: {report['left']}")
        return report
