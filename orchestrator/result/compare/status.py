# SPDX-License-Identifier: GPL-2.0-only
"""What may become of a case between the base and a variant, and what does of a guest kernel's log.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Change(StrEnum):
    """A check's, or a row's, verdict between the base and a variant."""

    REGRESSION = "regression"
    FIX = "fix"
    UNCHANGED = "unchanged"
    ADDED = "added"
    REMOVED = "removed"
    INCOMPLETE = "incomplete"
    """One side was skipped, failed for the infrastructure's fault, or was not run: nothing can be said."""


def new_complaints(base: Mapping[str, str], variant: Mapping[str, str]) -> str:
    """A sentence on what a guest kernel complained of under the variant only, and where; "" where that is nothing."""
    new = [(what, f" ({where})" if where else "") for what, where in variant.items() if what not in base]
    more = f" and {len(new) - 1} more" if len(new) > 1 else ""
    return f"new in the guest kernel's log: {''.join(new[0])}{more}" if new else ""


def change_of_log(base: Mapping[str, str], variant: Mapping[str, str]) -> Change:
    """The change between two logs that both fail: a new complaint is a regression, whatever else is gone."""
    if variant.keys() - base.keys():
        return Change.REGRESSION
    return Change.FIX if base.keys() - variant.keys() else Change.UNCHANGED
