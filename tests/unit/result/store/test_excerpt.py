# SPDX-License-Identifier: GPL-2.0-only
"""The lines around a piece of evidence, from files that a guest wrote."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from orchestrator.result.store.bounds import LONGEST_LINE
from orchestrator.result.store.excerpt import AFTER, BEFORE, Evidence

PLACE = "boots/k/w/console.log"


def write(run: Path, content: bytes, name: str = PLACE) -> Evidence:
    """Write a file of a run, and return the reader of this run."""
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_bytes(content)
    return Evidence(run)


def lines(count: int) -> bytes:
    return b"".join(b"line %d\n" % at for at in range(1, count + 1))


@pytest.mark.parametrize(
    ("number", "first", "last"),
    [(1, 1, 1 + AFTER), (5, 1, 5 + AFTER), (50, 50 - BEFORE, 50 + AFTER), (99, 99 - BEFORE, 100), (100, 90, 100)],
)
def test_the_lines_around(tmp_path: Path, number: int, first: int, last: int) -> None:
    found = write(tmp_path, lines(100)).excerpt(f"{PLACE}:{number}")
    assert found is not None
    assert found.path == PLACE
    assert [(line.number, line.text) for line in found.lines] == [(at, f"line {at}") for at in range(first, last + 1)]
    assert [line.number for line in found.lines if line.marked] == [number]


@pytest.mark.parametrize(
    "evidence",
    [
        "",
        PLACE,
        f"{PLACE}:0",
        f"{PLACE}:-1",
        f"{PLACE}:101",
        f"{PLACE}:999999999",
        f"{PLACE}:9999999999999",
        f"{PLACE}:x",
        "boots/k/w/none.log:1",
        "boots/k/w:1",
        "../secret:1",
        "boots/../../secret:1",
        "boots/k/w/link.log:1",
        "boots/k/w/fifo:1",
        "boots/k/w/x\0:1",
        "n" * 5000 + ":1",
    ],
)
def test_what_names_no_line_of_a_file_below_the_run(tmp_path: Path, evidence: str) -> None:
    run = tmp_path / "run"
    reader = write(run, lines(100))
    (tmp_path / "secret").write_text("secret\n")
    (run / "boots/k/w/link.log").symlink_to(tmp_path / "secret")
    os.mkfifo(run / "boots/k/w/fifo")
    assert reader.excerpt(evidence) is None
    assert reader.excerpt(f"{tmp_path}/secret:1") is None


def test_of_measurements_one_line_is_enough(tmp_path: Path) -> None:
    found = write(tmp_path, b"{}\n{1}\n{}\n", "m.jsonl").excerpt("m.jsonl:2")
    assert found is not None
    assert [line.text for line in found.lines] == ["{1}"]


@pytest.mark.parametrize(
    ("content", "number", "text"),
    [
        (b"a\r\nb\r\n", 2, "b"),
        (b"a\nlast", 2, "last"),
        (b"a\n\xff\x00b\n", 2, "��b"),
        (b"a\n" + b"x" * 30_000_000, 2, "x" * LONGEST_LINE + "... (30,000,000 characters)"),
        (b"a\x0bb\x85\nc\n", 2, "c"),
    ],
    ids=["CRLF", "no end", "no text", "long", "other separators"],
)
def test_what_a_guest_can_write(tmp_path: Path, content: bytes, number: int, text: str) -> None:
    found = write(tmp_path, content).excerpt(f"{PLACE}:{number}")
    assert found is not None
    assert found.lines[-1].text == text


def test_a_line_of_very_many_is_found_at_once(tmp_path: Path) -> None:
    reader = write(tmp_path, b"\n" * 60_000_000)
    began = time.process_time()
    for number in (2, 30_000_000, 60_000_000):
        found = reader.excerpt(f"{PLACE}:{number}")
        assert found is not None
        assert any(line.marked for line in found.lines)
    assert time.process_time() - began < 3
