# SPDX-License-Identifier: GPL-2.0-only
"""A run that is stopped leaves no process, and its results can be read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.vm.conftest import ORCH, REPOSITORY, SCENARIO, Finished, orch, virtual_machines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_run_stopped_while_guests_run_leaves_no_process_and_readable_results(
    pud: Finished, tmp_path: Path, number: signal.Signals
) -> None:
    # Tests that run in the background of a shell, or under nohup, have a signal ignored, and would hand that on.
    argv = ["env", "--default-signal=INT,HUP", ORCH, "run", str(SCENARIO), "--results", str(tmp_path)]
    process = subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(virtual_machines(tmp_path)) > 0, 60)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=30)
    wait_for(lambda: not virtual_machines(tmp_path), 5)
    assert process.returncode == (-number if number is signal.SIGKILL else 130)
    record = json.loads((tmp_path / "latest/run.json").read_text())
    assert record["status"] == ("running" if number is signal.SIGKILL else "interrupted")
    shown = orch(tmp_path, "compare")
    assert "INTERRUPTED" in shown.out
    if number is not signal.SIGKILL:
        assert "interrupted" in err
        assert "Traceback" not in err


def wait_for(condition: object, seconds: float) -> None:
    """Wait until `condition` holds; fail after `seconds`."""
    assert callable(condition)
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it did not come true in time"
        sleep(0.1)
