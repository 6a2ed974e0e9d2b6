# SPDX-License-Identifier: GPL-2.0-only
"""Look at a host and judge all of it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.doctor.accelerator import accelerator
from orchestrator.doctor.facts import ask
from orchestrator.doctor.hardware import hardware
from orchestrator.doctor.inventory import promised
from orchestrator.doctor.mend import install_all
from orchestrator.doctor.model import Facts, HostFinding, Report, Where
from orchestrator.doctor.passthrough import passthrough
from orchestrator.doctor.software import software
from orchestrator.machine.boothost.base import BootHost


def examine(boot_host: BootHost, where: Where, cache: Path, *, anew: bool = True) -> Report:
    """All findings on the host of `boot_host`; `cache` is that of this machine, for a kernel to boot, and `anew` as for
    `accelerator`.

    Raises CommandError where the host cannot be asked at all.
    """
    facts = ask(boot_host.host, where)
    return report(facts, where, accelerator(boot_host, facts, cache, anew=anew))


def report(facts: Facts, where: Where, booted: HostFinding) -> Report:
    """The findings on a host that told `facts`, and where a boot told `booted`.  Pure."""
    said = promised(facts, where.entry) if where.entry else ()
    findings = (*hardware(facts, where), booted, *software(facts, where), *passthrough(facts), *said)
    system = f"{facts.system}, Linux {facts.kernel} {facts.machine}"
    return Report(facts.host, system, findings, install_all(facts, findings))
