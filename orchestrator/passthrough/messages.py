# SPDX-License-Identifier: GPL-2.0-only
"""The events of `agent.lease` as text for users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.passthrough.check import holder_words
from orchestrator.passthrough.model import Lease


def describe(message: Mapping[str, Any]) -> str:
    """Return a message of `agent.lease` as short text; "" if users need not see it."""
    address, what = message.get("address", ""), message["event"]
    if what == "waiting":
        return f"{address} waits for {_holder(message)}"
    if what == "held":
        return f"{address} is leased by {_holder(message)}, which gives it back"
    if what in ("stuck", "failed"):
        return f"{address}: {message['why']}"
    if what == "restored":
        return f"{address} is back at {message['driver'] or 'no driver, as before'}"
    return {
        "taken": f"{address} is bound to vfio-pci",
        "removed": f"{address} was removed; nothing to give back",
        "replaced": f"{address} is another device now, {message.get('ids')}, which is left alone",
    }.get(what, "")


def left_words(message: Mapping[str, Any]) -> str:
    """Return a message about a function that an ended run left, as text.

    The function was then to be given back.
    """
    if message["event"] == "restored":
        return f"{message['address']}: restored, left by a run that has ended"
    if message["event"] == "stuck":
        return f"{message['address']}: left by a run that has ended, and not given back: {message['why']}"
    return describe(message)


def _holder(message: Mapping[str, Any]) -> str:
    known = {name: value for name, value in message["holder"].items() if name in Lease.__dataclass_fields__}
    return holder_words(Lease(**known))
