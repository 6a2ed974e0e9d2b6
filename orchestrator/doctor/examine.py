# SPDX-License-Identifier: GPL-2.0-only
"""Examine a host and return all findings."""

from __future__ import annotations

from pathlib import Path

from orchestrator.doctor.accelerator import accelerator
from orchestrator.doctor.facts import ask
from orchestrator.doctor.fixes import install_all
from orchestrator.doctor.hardware import hardware
from orchestrator.doctor.inventory import promised
from orchestrator.doctor.model import Facts, HostFinding, Report, Where
from orchestrator.doctor.passthrough import passthrough
from orchestrator.doctor.software import software
from orchestrator.machine.boothost.base import BootHost


def examine(boot_host: BootHost, where: Where, cache: Path, *, anew: bool = True) -> Report:
    """Return all findings on the host of `boot_host`.

    `cache` is the cache of this machine, for a kernel to boot; `anew` is the same as in `accelerator`.  Raises
    CommandError if the host cannot be asked.
    """
    facts = ask(boot_host.host, where)
    return report(facts, where, accelerator(boot_host, facts, cache, anew=anew))


def report(facts: Facts, where: Where, booted: HostFinding) -> Report:
    """Return the findings from a host's `facts` and from a boot.

    Pure.
    """
    listed = promised(facts, where.entry) if where.entry else ()
    findings = (*hardware(facts, where), booted, *software(facts, where), *passthrough(facts), *listed)
    system = f"{facts.system}, Linux {facts.kernel} {facts.machine}"
    return Report(facts.host, system, findings, install_all(facts, findings))
