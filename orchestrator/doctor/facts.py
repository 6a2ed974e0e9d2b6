# SPDX-License-Identifier: GPL-2.0-only
"""Get the facts of a host that matter for a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.arch import ARCHES
from orchestrator.doctor.model import Disk, Facts, Kvm, Program, User, Where
from orchestrator.doctor.requirements import LLVM, UPDATE_GRUB, needs
from orchestrator.errors import CommandError
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Host, check
from orchestrator.passthrough.scan import inventory

_SECONDS = 120.0


def ask(host: Host, where: Where) -> Facts:
    """Return the facts of `host`; change nothing there.

    Raises CommandError if the host cannot be asked, or its report cannot be read.
    """
    request = sent(_request(where))
    done = check(
        host.run(Command(program("check"), stdin=request, timeout=_SECONDS)), f"{host.name}: looking at the host"
    )
    try:
        return facts(host.name, where, json.loads(done.output))
    except (ValueError, LookupError, TypeError) as error:
        raise CommandError(f"{host.name}: its report cannot be read: {error}") from error


def _request(where: Where) -> dict[str, Any]:
    """Return the request, with the needs of all architectures.

    The host's architecture is known only from its answer.
    """
    wanted = [need for arch in ARCHES for need in needs(arch)]
    return {
        "programs": {name: [need.ask] for need in wanted for name in need.programs},
        "files": sorted({UPDATE_GRUB, *(name for need in wanted for name in need.files)}),
        "versioned": list(LLVM),
        "places": {name: str(place) for name, place in where.places.items()},
        "path": [str(where.python.parent)] if where.python else [],
    }


def facts(host: str, where: Where, report: Mapping[str, Any]) -> Facts:
    """Return a host's report (`agent.check`) as values.

    Raises LookupError or TypeError if the report is incomplete.
    """
    soft, hard = report["open_files"]
    return Facts(
        host=host,
        system=report["system"],
        kernel=report["kernel"],
        machine=report["machine"],
        cpu=report["cpu"],
        python=report["python"],
        user=User(**report["user"]),
        apt=report["apt"],
        mirror=report["mirror"],
        programs={name: Program(**found) for name, found in report["programs"].items() if found},
        files=frozenset(report["files"]),
        disks={name: Disk(path=Path(where.places[name]), **disk) for name, disk in report["places"].items()},
        memory=report["memory"]["total"],
        available=report["memory"]["available"],
        cores=report["cores"],
        kvm=Kvm(**{**report["kvm"], "modules": tuple(report["kvm"]["modules"])}),
        open_files=(soft, hard),
        vfio_pci=report["vfio_pci"],
        inventory=inventory(host, report["scan"]),
    )
