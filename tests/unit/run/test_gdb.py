# SPDX-License-Identifier: GPL-2.0-only
"""What the user is shown to start gdb."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from orchestrator.kernel.model import KernelBuild
from orchestrator.run.gdb import gdb_lines


def build(directory: Path, image: bytes) -> KernelBuild:
    """Return a build with this image."""
    (directory / "vmlinux").write_bytes(image)
    return KernelBuild("base", "key", directory, "7.3", 1, 1.0, True, "x86_64")


@pytest.mark.parametrize(
    ("place", "target"), [(1234, "target remote 127.0.0.1:1234"), (Path("/run/a b/gdb"), "target remote /run/a b/gdb")]
)
def test_the_command_is_exact(tmp_path: Path, place: Path | int, target: str) -> None:
    made = build(tmp_path, b"\x7fELF...")
    first = next(iter(gdb_lines(place, made, {}, None, stopped=False)))
    assert shlex.split(first) == ["gdb:", "gdb", "-ex", target, str(tmp_path / "vmlinux")]


@pytest.mark.parametrize(
    ("image", "config", "expected", "missing"),
    [
        (b"\x7fELF", {}, "no lines and types", "no symbols"),
        (b"\x7fELF", {"DEBUG_INFO": "y"}, "gdb: ", "no lines"),
        (b"MZ", {"DEBUG_INFO": "y"}, "no symbols", "vmlinux'"),
    ],
)
def test_what_gdb_does_not_know_is_said(
    tmp_path: Path, image: bytes, config: dict[str, str], expected: str, missing: str
) -> None:
    text = "\n".join(gdb_lines(1, build(tmp_path, image), config, Path("/src"), stopped=True))
    assert expected in text
    assert missing not in text
    assert "/src" in text
    assert "stopped before its first instruction" in text


def test_a_machine_that_runs_is_said_to_run(tmp_path: Path) -> None:
    text = "\n".join(gdb_lines(1, build(tmp_path, b""), {}, None, stopped=False))
    assert "The machine runs" in text
    assert "source" not in text
