# SPDX-License-Identifier: GPL-2.0-only
"""``orch devices`` and ``orch devices restore``: arguments in, output on stdout, an exit status back."""

from __future__ import annotations

import argparse
import sys

from orchestrator.cli.terminal import width
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host
from orchestrator.passthrough.messages import describe
from orchestrator.passthrough.restore import give_back
from orchestrator.passthrough.scan import scan
from orchestrator.report import devices as report
from orchestrator.report.text import say, say_json


def show(arguments: argparse.Namespace, host: Host, *, color: bool) -> int:
    """List the host's PCI functions; reads only."""
    inventory = scan(host)
    if arguments.json:
        say_json(report.to_json(inventory))
    else:
        say(*report.lines(inventory, width(), color), color=color)
    return 0


def restore(host: Host) -> int:
    """Give back what dead runs left.  Raises InfrastructureError where that fails for a function."""
    told = give_back(host)
    for word in told:
        if word["said"] != "stuck":
            say(describe(word), file=sys.stderr if word["said"] == "held" else sys.stdout)
    if not told:
        say("nothing was left behind")
    stuck = [f"{host.name}: {describe(word)}" for word in told if word["said"] == "stuck"]
    if stuck:
        raise InfrastructureError("\n".join(stuck))
    return 0
