# SPDX-License-Identifier: GPL-2.0-only
"""``orch devices`` and ``orch devices restore``; each returns the exit status."""

from __future__ import annotations

import sys

from orchestrator.cli.hosts import connected, find_entry
from orchestrator.cli.options import DevicesOptions
from orchestrator.cli.terminal import screen
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host
from orchestrator.passthrough.messages import describe
from orchestrator.passthrough.restore import give_back
from orchestrator.passthrough.scan import scan
from orchestrator.report import devices as report
from orchestrator.report.text import say, say_json


def show(options: DevicesOptions) -> int:
    """List the PCI functions of the host; changes nothing."""
    with connected(find_entry(options.host, options.hosts)) as host:
        inventory = scan(host)
    if options.json:
        say_json(report.to_json(inventory))
    else:
        stdout = screen()
        say(*report.lines(inventory, stdout.width, stdout.color), color=stdout.color)
    return 0


def restore(options: DevicesOptions) -> int:
    """Return the devices that killed runs left behind to their drivers.

    Raises InfrastructureError if that fails for a function.
    """
    with connected(find_entry(options.host, options.hosts)) as host:
        return restore_on(host)


def restore_on(host: Host) -> int:
    """Do the work of `restore` on `host`."""
    entries = give_back(host)
    for entry in entries:
        if entry["event"] != "stuck":
            say(describe(entry), file=sys.stderr if entry["event"] == "held" else sys.stdout)
    if not entries:
        say("nothing was left behind")
    stuck = [f"{host.name}: {describe(entry)}" for entry in entries if entry["event"] == "stuck"]
    if stuck:
        raise InfrastructureError("\n".join(stuck))
    return 0
