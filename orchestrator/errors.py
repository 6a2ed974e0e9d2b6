# SPDX-License-Identifier: GPL-2.0-only
"""All errors that orch raises on purpose, and who has to act on each.

    OrchError
    ├── UsageError              the user's input is wrong          exit status 2
    │   ├── ScenarioError       a scenario file (every problem of it at once)
    │   ├── PatchError          a patch that does not apply
    │   └── ConfigError         a kernel option that does not hold
    ├── KernelBuildError        the kernel does not compile         exit status 1
    └── InfrastructureError     this machine, the network, QEMU     exit status 3
        ├── CommandError        a command that orch needs failed
        │   └── DiskFullError   a disk or a quota is full
        └── Interrupted         Ctrl-C or SIGTERM

A message is one sentence in three parts: where, what, and how to fix it.  Only `cli.py` prints messages.
"""

from __future__ import annotations

from dataclasses import dataclass


class OrchError(Exception):
    """The base class of all errors that orch raises on purpose."""

    exit_status = 3


class UsageError(OrchError):
    """An error in the command line or in a user's file; nothing was started."""

    exit_status = 2


@dataclass(frozen=True)
class Problem:
    """One mistake in a file.

    `where` is ``path:line``; `what` describes the mistake and how to fix it.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ScenarioError(UsageError):
    """A scenario that cannot run, with all its problems in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class PatchError(UsageError):
    """A patch that does not apply; the message names kernel, patch, file and hunk."""


class ConfigError(UsageError):
    """Requested kernel options that ``make olddefconfig`` did not keep, each with its dependencies."""


class KernelBuildError(OrchError):
    """A compiler or linker error in the kernel.

    The kernel is at fault, so the result is a failed case and not an ERROR.
    """

    exit_status = 1


class InfrastructureError(OrchError):
    """A failure of the machine: no disk space, no network, no QEMU, a failed command."""


class CommandError(InfrastructureError):
    """A command that orch needs ended with an error."""


class DiskFullError(CommandError):
    """A disk or a quota had no room left, on this machine or on a host; see `host.disk`, which says whose."""


class Interrupted(InfrastructureError):  # noqa: N818 -- a request of the user, not an error
    """A request of the user or the system that orch stop."""

    exit_status = 130
