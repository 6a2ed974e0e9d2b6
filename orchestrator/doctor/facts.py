# SPDX-License-Identifier: GPL-2.0-only
"""Ask a host what it has of all that a run needs."""

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
    """What `host` has; changes nothing there.  Raises CommandError where it cannot be asked, or tells nonsense."""
    request = sent(_request(where))
    done = check(
        host.run(Command(program("check"), stdin=request, timeout=_SECONDS)), f"{host.name}: looking at the host"
    )
    try:
        return facts(host.name, where, json.loads(done.output))
    except (ValueError, LookupError, TypeError) as error:
        raise CommandError(f"{host.name}: what it says of itself cannot be read: {error}") from error


def _request(where: Where) -> dict[str, Any]:
    """All that any architecture needs: which it is, the host only tells in its answer."""
    wanted = [need for arch in ARCHES for need in needs(arch)]
    return {
        "programs": {name: [need.ask] for need in wanted for name in need.programs},
        "files": sorted({UPDATE_GRUB, *(name for need in wanted for name in need.files)}),
        "versioned": list(LLVM),
        "places": {name: str(place) for name, place in where.places.items()},
        "path": [str(where.python.parent)] if where.python else [],
    }


def facts(host: str, where: Where, told: Mapping[str, Any]) -> Facts:
    """What a host told (`agent.check`) as values.  Raises LookupError or TypeError where it told less."""
    soft, hard = told["open_files"]
    return Facts(
        host=host,
        system=told["system"],
        kernel=told["kernel"],
        machine=told["machine"],
        cpu=told["cpu"],
        python=told["python"],
        user=User(**told["user"]),
        apt=told["apt"],
        mirror=told["mirror"],
        programs={name: Program(**one) for name, one in told["programs"].items() if one},
        files=frozenset(told["files"]),
        disks={name: Disk(path=Path(where.places[name]), **one) for name, one in told["places"].items()},
        memory=told["memory"]["total"],
        available=told["memory"]["available"],
        cores=told["cores"],
        kvm=Kvm(**told["kvm"]),
        open_files=(soft, hard),
        vfio_pci=told["vfio_pci"],
        inventory=inventory(host, told["scan"]),
    )
