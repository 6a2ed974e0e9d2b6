# SPDX-License-Identifier: GPL-2.0-only
"""The commands that fix a host, for the user that orch runs as."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from orchestrator.doctor.model import Facts, HostFinding

_APT = "apt-get install -y --no-install-recommends"


def as_root(facts: Facts, command: str) -> str:
    """Return `command` run as root.

    It uses sudo if the user is not root, or su if there is no sudo.
    """
    if facts.user.root:
        return command
    if not facts.user.sudo:
        return f"su -c {shlex.quote(command)}"
    simple = not set(command) & set("|&;<>'\"")
    return f"sudo {command}" if simple else f"sudo sh -c {shlex.quote(command)}"


def install(facts: Facts, packages: Iterable[str]) -> str:
    """Return the command that installs Debian's `packages`.

    "" for no packages, and on a host without apt.
    """
    names = sorted(set(packages))
    return as_root(facts, f"{_APT} {' '.join(names)}") if names and facts.apt else ""


def install_all(facts: Facts, findings: Iterable[HostFinding]) -> str:
    """Return one command for the packages of all `findings`; "" for none."""
    return install(facts, (package for finding in findings for package in finding.packages))


def raise_limit(facts: Facts, limit: str, value: str) -> str:
    """Return the command that raises a limit of the user (limits.conf(5)).

    It applies from the next login.
    """
    line = f"{facts.user.name} - {limit} {value}"
    return as_root(facts, f"echo '{line}' >> /etc/security/limits.d/orch.conf")
