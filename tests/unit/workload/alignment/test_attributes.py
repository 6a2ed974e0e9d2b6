# SPDX-License-Identifier: GPL-2.0-only
"""Attributes of entries, compared with those that vfio-pci requests."""

from __future__ import annotations

import pytest

from orchestrator.workload.alignment.attributes import hold_attributes

ENTRIES = {"entries_pte": 511, "entries_pmd": 512, "entries_pud": 1}
NONE = {"entries_cached": 0, "entries_executable": 0, "entries_global": 0, "entries_kernel": 0}
RIGHT = ENTRIES | NONE | {"asked_writable": 1, "entries_writable": 1024}


def wrong(numbers: dict[str, int]) -> list[str]:
    held = hold_attributes(numbers)
    assert held is not None
    return [str(one) for one in held if not one.agrees]


def without(*names: str) -> dict[str, int]:
    return {name: value for name, value in RIGHT.items() if name not in names}


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        (RIGHT, []),
        (RIGHT | {"asked_writable": 0, "entries_writable": 0}, []),
        # arm64, where only what was written to is writable
        (without("asked_writable", "entries_writable"), []),
        (RIGHT | {"entries_cached": 512}, ["entries_cached: measured 512, predicted 0"]),
        (RIGHT | {"entries_executable": 1}, ["entries_executable: measured 1, predicted 0"]),
        (RIGHT | {"entries_global": 1}, ["entries_global: measured 1, predicted 0"]),
        (RIGHT | {"entries_kernel": 1}, ["entries_kernel: measured 1, predicted 0"]),
        (RIGHT | {"entries_writable": 1023}, ["entries_writable: measured 1023, predicted 1024"]),
        (RIGHT | {"asked_writable": 0}, ["entries_writable: measured 1024, predicted 0"]),
        (RIGHT | {"entries_cached": -1}, ["entries_cached: measured -1, predicted 0"]),
        # A guest that died between two lines
        (without("entries_global"), ["entries_global: measured none, predicted 0"]),
        (without("entries_writable"), ["entries_writable: measured none, predicted 1024"]),
        (without("asked_writable"), ["entries_writable: measured 1024, predicted 0"]),
    ],
)
def test_each_attribute_is_held_against_what_was_asked_for(numbers: dict[str, int], found: list[str]) -> None:
    assert wrong(numbers) == found


def test_nothing_is_held_where_no_entries_were_read() -> None:
    assert hold_attributes(without("entries_pmd")) is None
    assert hold_attributes(ENTRIES) is None
