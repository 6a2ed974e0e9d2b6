# SPDX-License-Identifier: GPL-2.0-only
"""A host that runs nothing: it gives the answers that a test has planned."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import Interrupted
from orchestrator.host.base import Command, Completed
from orchestrator.host.output import Output


@dataclass(frozen=True)
class Call:
    """What a command was run with."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    timeout: float | None = None
    held: bool = False
    grace: float | None = None


@dataclass(frozen=True)
class Answer:
    """What a planned command leaves behind; as `Completed`, but for what the fake knows itself."""

    output: str = ""
    status: int = 0
    timed_out: bool = False
    seconds: float = 0.0


Match = tuple[str, ...] | Callable[[tuple[str, ...]], bool]
"""The beginning of a command, or a predicate."""
Reply = Answer | BaseException | Callable[[Call], Answer]
"""An answer, an error to raise, or a function that may have side effects, such as files that a build would write."""


class FakeHost:
    """Answers each command by the first entry of `plan` that matches.

    An unplanned command is an AssertionError.  `calls` holds every command in order.  `put` and `get` copy on this
    machine.
    """

    def __init__(self, plan: Sequence[tuple[Match, Reply]] = (), name: str = "fake") -> None:
        self.name = name
        self.plan = list(plan)
        self.calls: list[Call] = []
        self.stopped = False

    def run(self, command: Command) -> Completed:
        """Record the call and give the planned answer, its output also to `on_line` and `log`."""
        argv = command.argv
        self.refuse_if_stopped(argv[0])
        call = Call(
            argv, command.cwd, command.env, command.stdin, command.timeout, command.until is not None, command.grace
        )
        self.calls.append(call)
        answer = self._answer(call)
        with Output(command.on_line, command.log) as output:
            output.feed(answer.output.encode())
            output.finish()
        return Completed(argv, answer.status, output.text, answer.seconds, answer.timed_out)

    def _answer(self, call: Call) -> Answer:
        for match, reply in self.plan:
            if match(call.argv) if callable(match) else call.argv[: len(match)] == match:
                if isinstance(reply, BaseException):
                    raise reply
                return reply(call) if callable(reply) else reply
        raise AssertionError(f"unplanned command: {call.argv}")

    def put(self, local: Path, remote: Path) -> None:
        """Copy a file or tree, with modes."""
        remote.parent.mkdir(parents=True, exist_ok=True)
        if local.is_dir():
            shutil.copytree(local, remote, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(local, remote)

    def get(self, remote: Path, local: Path) -> None:
        """As `put`."""
        self.put(remote, local)

    def stop_all(self) -> None:
        """Refuse every later command."""
        self.stopped = True

    def refuse_if_stopped(self, what: str) -> None:
        """As `Host.refuse_if_stopped`."""
        if self.stopped:
            raise Interrupted(f"{self.name}: {what} was stopped")
