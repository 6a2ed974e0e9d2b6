# SPDX-License-Identifier: GPL-2.0-only
"""``orch doctor``: arguments in, output on stdout, an exit status back."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from orchestrator.cli.terminal import width
from orchestrator.doctor.examine import examine
from orchestrator.doctor.hardware import CACHE, TEMPORARY
from orchestrator.doctor.model import State, Where
from orchestrator.errors import InfrastructureError
from orchestrator.inventory.model import Entry
from orchestrator.machine.boothost.base import BootHost
from orchestrator.report import doctor as report
from orchestrator.report.text import say, say_json


def here(cache: Path) -> Where:
    """This machine, whose cache is `cache`."""
    return Where(Path(sys.executable), {CACHE: cache, TEMPORARY: Path(tempfile.gettempdir())})


def there(entry: Entry) -> Where:
    """A host of the inventory."""
    return Where(None, {CACHE: entry.directory, TEMPORARY: Path("/tmp")}, entry)


def doctor(arguments: argparse.Namespace, boot_host: BootHost, where: Where, *, color: bool) -> int:
    """Say what the host of `boot_host` has and lacks of all that a run needs there; 3 where something is missing."""
    found = examine(boot_host, where, arguments.cache.absolute(), anew=not arguments.quiet)
    if arguments.json:
        say_json(report.to_json(found))
    else:
        say(*report.lines(found, width(), color, quiet=arguments.quiet), color=color)
    return InfrastructureError.exit_status if found.state is State.MISSING else 0
