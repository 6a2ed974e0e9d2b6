# SPDX-License-Identifier: GPL-2.0-only
"""Give back what runs left on a host that did not come to their own end."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.errors import CommandError
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Host

_SECONDS = 120.0
"""How long drivers and guests may take to let go of everything."""


def give_back(host: Host, root: str = "/") -> tuple[dict[str, Any], ...]:
    """Give back whatever a dead run left on `host`; what happened to each function, as `agent.lease` tells it.

    Raises CommandError where the host cannot be asked, or does not come to an end.
    """
    done = host.run(Command(program("lease", "restore"), stdin=sent({"root": root}), timeout=_SECONDS))
    try:
        told = tuple(dict(json.loads(line)) for line in done.output.splitlines())
    except (ValueError, TypeError) as error:
        raise CommandError(f"{host.name}: devices cannot be given back: {done.output.strip()[-400:]}") from error
    if done.timed_out:
        raise CommandError(f"{host.name}: devices are not given back after {_SECONDS:.0f} s; dmesg may say why")
    if not done.ok and not any(word["said"] == "stuck" for word in told):
        raise CommandError(f"{host.name}: giving devices back ended with status {done.status}; dmesg may say why")
    return told
