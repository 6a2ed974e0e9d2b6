# SPDX-License-Identifier: GPL-2.0-only
"""What the keeper's programs on a host say of its functions (see `agent.lease`), for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.passthrough.check import holder_words
from orchestrator.passthrough.model import Lease


def describe(word: Mapping[str, Any]) -> str:
    """One word of theirs as a few words; "" for one that nobody needs to be told."""
    address, what = word.get("address", ""), word["said"]
    if what == "waiting":
        return f"{address} waits for {_holder(word)}"
    if what == "held":
        return f"{address} is leased by {_holder(word)}, which gives it back"
    if what in ("stuck", "failed"):
        return f"{address}: {word['why']}"
    if what == "restored":
        return f"{address} is back at {word['driver'] or 'no driver, as before'}"
    return {
        "taken": f"{address} is bound to vfio-pci",
        "gone": f"{address} is gone; nothing to give back",
        "replaced": f"{address} is another device now, {word.get('ids')}, which is left alone",
    }.get(what, "")


def left_words(word: Mapping[str, Any]) -> str:
    """The same of what a run left that died, and that was then to be given back."""
    if word["said"] == "restored":
        return f"{word['address']}: restored, left by a run that died"
    if word["said"] == "stuck":
        return f"{word['address']}: left by a run that died, and not given back: {word['why']}"
    return describe(word)


def _holder(word: Mapping[str, Any]) -> str:
    known = {name: value for name, value in word["holder"].items() if name in Lease.__dataclass_fields__}
    return holder_words(Lease(**known))
