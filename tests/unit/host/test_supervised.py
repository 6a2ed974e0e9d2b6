# SPDX-License-Identifier: GPL-2.0-only
"""The handling of supervisor reports that a working host does not produce."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import CommandError
from orchestrator.host.base import Command
from orchestrator.host.supervised import SupervisedHost, Wire


class CannedWire:
    """Writes `written` to stderr and ends."""

    def __init__(self, written: bytes) -> None:
        self.written = written

    def send(self, data: bytes) -> None: ...

    def chunks(self) -> Iterator[tuple[bytes, bytes]]:
        yield b"out\n", self.written[:5]
        yield b"", self.written[5:]

    def hang_up(self) -> None: ...

    def close(self, seconds: float) -> None: ...


class CannedHost(SupervisedHost):
    def __init__(self, written: bytes) -> None:
        super().__init__("far")
        self.written = written

    def _dial(self) -> Wire:
        return CannedWire(self.written)

    def put(self, local: Path, remote: Path) -> None: ...

    def get(self, remote: Path, local: Path) -> None: ...


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"", "far: lost make: its supervisor ended without a report: was it killed, or the connection lost?"),
        (b"warning\nsh: python3: not found\n", "far: lost make: its supervisor .*: sh: python3: not found"),
        (b'orch-report:{"status": 0, "time', "far: lost make: its supervisor ended without a report"),
        (b'orch-report:{"status": null, "left": [7, 8]}\n', r"far: make left processes .* cannot be killed: \[7, 8\]"),
        (b'orch-report:{"error": "cannot start make"}\n', "far: cannot start make"),
    ],
)
def test_a_report_that_is_bad_or_missing_is_one_sentence(written: bytes, sentence: str) -> None:
    with pytest.raises(CommandError, match=f"^{sentence}") as caught:
        CannedHost(written).run(Command(("make", "-j2")))
    assert "\n" not in str(caught.value)


def test_what_a_login_shell_says_before_the_report_does_no_harm() -> None:
    report = b'orch-report:{"status": 4, "timed_out": false, "left": [], "seconds": 1.5}\n'
    completed = CannedHost(b"stty: not a tty\n" + report).run(Command(("make",)))
    assert (completed.status, completed.output, completed.seconds) == (4, "out\n", 1.5)
