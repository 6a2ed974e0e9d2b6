# SPDX-License-Identifier: GPL-2.0-only
"""Everything that can go wrong, and whose fault it is.

    OrchError
    ├── UsageError              the user's input is wrong          exit status 2
    │   ├── ScenarioError       a scenario file (every problem of it at once)
    │   ├── PatchError          a patch that does not apply
    │   └── ConfigError         a kernel option that does not hold
    ├── KernelBuildError        the kernel does not compile         exit status 1
    └── InfrastructureError     this machine, the network, QEMU     exit status 3
        ├── CommandError        a command that orch needs failed
        └── Interrupted         Ctrl-C or SIGTERM

A message is one sentence in three parts: where, what, and how to mend it.  Only `cli.py` prints one.
"""

from __future__ import annotations

from dataclasses import dataclass


class OrchError(Exception):
    """The root: catch this to catch all that orch raises on purpose."""

    exit_status = 3


class UsageError(OrchError):
    """The command line or a file that the user wrote is wrong; nothing was started."""

    exit_status = 2


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: `where` is ``path:line``, `what` says what is wrong and how to mend it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ScenarioError(UsageError):
    """A scenario that cannot be run; carries every problem found, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class PatchError(UsageError):
    """A patch that does not apply; the message names kernel, patch, file and hunk."""


class ConfigError(UsageError):
    """Requested kernel options that did not survive ``make olddefconfig``; names each and its dependencies."""


class KernelBuildError(OrchError):
    """The compiler or linker refused the kernel: the kernel's fault, so a failed case and not an ERROR."""

    exit_status = 1


class InfrastructureError(OrchError):
    """The machine under orch failed: no disk, no network, no QEMU, a command that broke."""


class CommandError(InfrastructureError):
    """A command that orch needs exited with an error."""


class Interrupted(InfrastructureError):  # noqa: N818 -- it is the user's wish, not an error
    """The user or the system asked orch to stop."""

    exit_status = 130
