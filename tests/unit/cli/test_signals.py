# SPDX-License-Identifier: GPL-2.0-only
"""Signals that end orch: each stops a run as Ctrl-C does."""

from __future__ import annotations

import os
import signal
from time import sleep

import pytest

from orchestrator.cli.signals import ENDING, interruptible


@pytest.mark.parametrize("name", ENDING)
def test_every_signal_that_would_end_orch_ends_the_run_in_order(name: str) -> None:
    number = signal.Signals[f"SIG{name}"]
    before = signal.signal(number, signal.SIG_DFL)  # nohup(1) and the shell's & have these tests ignore some
    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            os.kill(os.getpid(), number)
            sleep(5)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup(1)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            sleep(0.1)
    finally:
        signal.signal(signal.SIGHUP, before)
