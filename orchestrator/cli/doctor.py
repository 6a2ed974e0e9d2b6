# SPDX-License-Identifier: GPL-2.0-only
"""``orch doctor``: print what a run needs, and what of it this machine or a host lacks."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from orchestrator.cli.hosts import find_entry, open_boot_host
from orchestrator.cli.options import DoctorOptions
from orchestrator.cli.terminal import screen
from orchestrator.doctor.examine import examine
from orchestrator.doctor.hardware import CACHE, TEMPORARY
from orchestrator.doctor.model import State, Where
from orchestrator.errors import InfrastructureError
from orchestrator.host.local import LocalHost
from orchestrator.inventory.model import Entry
from orchestrator.report import doctor as report
from orchestrator.report.text import say, say_json


def here(cache: Path) -> Where:
    """This machine, with its cache in `cache`."""
    return Where(Path(sys.executable), {CACHE: cache, TEMPORARY: Path(tempfile.gettempdir())})


def there(entry: Entry) -> Where:
    """A host of the inventory."""
    return Where(None, {CACHE: entry.directory, TEMPORARY: Path("/tmp")}, entry)


def doctor(options: DoctorOptions) -> int:
    """Examine the host and print what it has and lacks; returns 3 if something that a run needs is missing."""
    entry = find_entry(options.host, options.hosts)
    with open_boot_host(entry, options.cache, LocalHost()) as boot_host:
        where = there(entry) if entry else here(options.cache)
        found = examine(boot_host, where, options.cache, anew=not options.quiet)
    if options.json:
        say_json(report.to_json(found))
    else:
        stdout = screen()
        say(*report.lines(found, stdout.width, stdout.color, quiet=options.quiet), color=stdout.color)
    return InfrastructureError.exit_status if found.state is State.MISSING else 0
