# SPDX-License-Identifier: GPL-2.0-only
"""Ranks of statuses, and changes from the base to a variant.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from orchestrator.result.model import Status


class Change(StrEnum):
    """The change of a check, a case or a row, from base to variant."""

    REGRESSION = "regression"
    FIX = "fix"
    UNCHANGED = "unchanged"
    ADDED = "added"
    REMOVED = "removed"
    INCOMPLETE = "incomplete"
    """One side was skipped, failed because of the infrastructure, or was not run: the change is not known."""


_RANK = {Status.PASS: 2, Status.XPASS: 2, Status.FAIL: 1, Status.XFAIL: 1, Status.TIMEOUT: 0, Status.CRASH: 0}

_WORST_FIRST = (
    Status.CRASH,
    Status.TIMEOUT,
    Status.FAIL,
    Status.ERROR,
    Status.XPASS,
    Status.XFAIL,
    Status.SKIP,
    Status.PASS,
)

_FIRST_WINS = (
    Change.REGRESSION,
    Change.INCOMPLETE,
    Change.FIX,
    Change.REMOVED,
    Change.ADDED,
    Change.UNCHANGED,
)

_Key = TypeVar("_Key", int, tuple[int, int], tuple[tuple[int, int], int])


def rank_of(status: Status | None) -> int | None:
    """Return how good a status is; larger is better.

    Returns None for SKIP, ERROR and "not run" (None), which say nothing about the kernel.
    """
    return _RANK.get(status) if status else None


def is_bad(status: Status | None) -> bool:
    """Whether a status has a rank, and a lower one than PASS."""
    rank = rank_of(status)
    return rank is not None and rank < _RANK[Status.PASS]


def same_rank(before: Status | None, after: Status | None) -> bool:
    """Whether two statuses have a rank, and the same one."""
    return rank_of(before) is not None and rank_of(before) == rank_of(after)


def worst_of(statuses: Iterable[Status]) -> Status | None:
    """Return the worst of `statuses`, or None if there are none."""
    found = set(statuses)
    return next((status for status in _WORST_FIRST if status in found), None)


def change_of_values(before: _Key, after: _Key) -> Change:
    """Return the change from one value to another, of which the larger is better."""
    if before == after:
        return Change.UNCHANGED
    return Change.FIX if after > before else Change.REGRESSION


def change_of_statuses(before: Status | None, after: Status | None) -> Change:
    """Return the change from one status to another.

    It is INCOMPLETE if one of them has no rank.
    """
    ranks = rank_of(before), rank_of(after)
    if ranks[0] is None or ranks[1] is None:
        return Change.INCOMPLETE
    return change_of_values(ranks[0], ranks[1])


def sum_up(changes: Iterable[Change], otherwise: Change) -> Change:
    """Return the change of a whole from the changes of its parts.

    It is `otherwise` if there are none.  REGRESSION comes first.  INCOMPLETE comes before FIX: a variant that was not
    measured completely cannot be called better.
    """
    found = set(changes)
    return next((change for change in _FIRST_WINS if change in found), otherwise)


def new_complaints(base: Mapping[str, str], variant: Mapping[str, str]) -> str:
    """Return a sentence on the new complaints of a guest kernel.

    New are those under the variant only; "" if there are none.  `base` and `variant` are of
    `result.judge.kernel_log.complaints`: complaints, each with its place.
    """
    new = [(what, f" ({where})" if where else "") for what, where in variant.items() if what not in base]
    more = f" and {len(new) - 1} more" if len(new) > 1 else ""
    return f"new in the guest kernel's log: {''.join(new[0])}{more}" if new else ""


def change_of_log(base: Mapping[str, str], variant: Mapping[str, str]) -> Change:
    """Return the change between two logs that both fail.

    Any new complaint is a regression.
    """
    if variant.keys() - base.keys():
        return Change.REGRESSION
    return Change.FIX if base.keys() - variant.keys() else Change.UNCHANGED
