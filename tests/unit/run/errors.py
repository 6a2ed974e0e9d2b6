# SPDX-License-Identifier: GPL-2.0-only
"""Errors of every kind that a job or a run can end with."""

from __future__ import annotations

from orchestrator.errors import InfrastructureError


class OddError(Exception):
    """An error that nothing expects, with text that is odd, too."""


ERRORS = (
    ValueError("no such [/dev/vfio/1]"),
    TypeError("\x1b[2J"),
    RecursionError(),
    MemoryError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    ZeroDivisionError(),
    OverflowError("x" * 100_000),
    AssertionError(),
    StopIteration(),
    KeyError("a"),
    OddError("\ud800"),
    OSError(5, "Input/output error"),
    InfrastructureError("one sentence"),
)
