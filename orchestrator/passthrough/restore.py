# SPDX-License-Identifier: GPL-2.0-only
"""Give back functions that ended runs left on a host."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.errors import CommandError
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Host

_SECONDS = 120.0
"""Seconds that drivers and guests may take to release everything."""


def give_back(host: Host, root: str = "/") -> tuple[dict[str, Any], ...]:
    """Give back all functions that ended runs left on `host`; return the messages.

    The messages are those of `agent.lease`, one for each function.  Raises CommandError if the host cannot be asked, or
    does not finish.
    """
    done = host.run(Command(program("lease", "restore"), stdin=sent({"root": root}), timeout=_SECONDS))
    try:
        messages = tuple(dict(json.loads(line)) for line in done.output.splitlines())
    except (ValueError, TypeError) as error:
        raise CommandError(f"{host.name}: devices cannot be given back: {done.output.strip()[-400:]}") from error
    if done.timed_out:
        raise CommandError(f"{host.name}: devices are not given back after {_SECONDS:.0f} s; dmesg may show why")
    if not done.ok and not any(message["event"] == "stuck" for message in messages):
        raise CommandError(f"{host.name}: giving devices back ended with status {done.status}; dmesg may show why")
    return messages
