# SPDX-License-Identifier: GPL-2.0-only
"""Signals that end orch: each stops a run as Ctrl-C does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = ("HUP", "QUIT", "TERM", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "PWR", "POLL")
"""The signals that end a process by default (signal(7)).

SIGINT is not among them, because Python handles it; nor are the signals of a faulty program, such as SIGSEGV.
"""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt when one of `ENDING` arrives, for the time of the context.

    A signal that is ignored stays ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.Signals[f"SIG{name}"] for name in ENDING]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])
