# SPDX-License-Identifier: GPL-2.0-only
"""The commands that mend a host, ready to be run there by the user that orch runs as."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from orchestrator.doctor.model import Facts, HostFinding

_APT = "apt-get install -y --no-install-recommends"


def as_root(facts: Facts, command: str) -> str:
    """`command` as root: through sudo where the user is none, or su where there is no sudo."""
    if facts.user.root:
        return command
    if not facts.user.sudo:
        return f"su -c {shlex.quote(command)}"
    simple = not set(command) & set("|&;<>'\"")
    return f"sudo {command}" if simple else f"sudo sh -c {shlex.quote(command)}"


def install(facts: Facts, packages: Iterable[str]) -> str:
    """The command that installs Debian's `packages`; "" for none, and on a host without apt."""
    names = sorted(set(packages))
    return as_root(facts, f"{_APT} {' '.join(names)}") if names and facts.apt else ""


def install_all(facts: Facts, findings: Iterable[HostFinding]) -> str:
    """One command for the packages of all `findings`; "" for none."""
    return install(facts, (package for finding in findings for package in finding.packages))


def raise_limit(facts: Facts, limit: str, value: str) -> str:
    """The command that lets the user have more of a resource from the next login on (limits.conf(5))."""
    line = f"{facts.user.name} - {limit} {value}"
    return as_root(facts, f"echo '{line}' >> /etc/security/limits.d/orch.conf")
