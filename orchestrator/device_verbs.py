# SPDX-License-Identifier: GPL-2.0-only
"""``orch devices`` and ``orch devices restore``: arguments in, output on stdout, an exit status back."""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from orchestrator.device.lend import give_back
from orchestrator.device.model import Lease
from orchestrator.device.scan import scan
from orchestrator.device.verdict import holder_words
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host
from orchestrator.report import devices as report


def show(arguments: argparse.Namespace, host: Host, *, color: bool) -> int:
    """List the host's PCI functions; reads only."""
    inventory = scan(host)
    if arguments.json:
        print(json.dumps(report.to_json(inventory), indent=2))
    else:
        width = max(shutil.get_terminal_size((80, 24)).columns, 80)
        print(*report.lines(inventory, width, color), sep="\n")
    return 0


def restore(host: Host) -> int:
    """Give back what dead runs left.  Raises InfrastructureError where that fails for a function."""
    stuck = []
    told = give_back(host)
    for word in told:
        if word["said"] == "restored":
            print(f"{word['address']} is back at {word['driver'] or 'no driver, as before'}")
        elif word["said"] == "held":
            known = {name: value for name, value in word["holder"].items() if name in Lease.__dataclass_fields__}
            print(
                f"{word['address']} is leased by {holder_words(Lease(**known))}, which gives it back", file=sys.stderr
            )
        else:
            stuck.append(f"{host.name}: {word['address']}: {word['why']}")
    if not told:
        print("nothing was left behind")
    if stuck:
        raise InfrastructureError("\n".join(stuck))
    return 0
