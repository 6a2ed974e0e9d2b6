# SPDX-License-Identifier: GPL-2.0-only
"""What the user is shown to start gdb."""

from __future__ import annotations

import shlex
import struct
from pathlib import Path

import pytest

from orchestrator.kernel.model import KernelBuild
from orchestrator.run.gdb import gdb_lines


def elf(*types: int) -> bytes:
    """Return an ELF file with sections of these types and no content."""
    header = struct.pack("<4sBB34xQ10xHHH", b"\x7fELF", 2, 1, 64, 64, len(types), 0)
    return header + b"".join(struct.pack("<II56x", 0, kind) for kind in types)


WITH_SYMBOLS, STRIPPED = elf(0, 1, 2, 3), elf(0, 1, 3)


def build(directory: Path, image: bytes) -> KernelBuild:
    """Return a build with this image."""
    (directory / "vmlinux").write_bytes(image)
    return KernelBuild("base", "key", directory, "7.3", 1, 1.0, True, "x86_64")


@pytest.mark.parametrize(
    ("place", "target"), [(1234, "target remote 127.0.0.1:1234"), (Path("/run/a b/gdb"), "target remote /run/a b/gdb")]
)
def test_the_command_is_exact(tmp_path: Path, place: Path | int, target: str) -> None:
    made = build(tmp_path, WITH_SYMBOLS)
    first = next(iter(gdb_lines(place, made, {}, None, stopped=False)))
    assert shlex.split(first) == ["gdb:", "gdb", "-ex", target, str(tmp_path / "vmlinux")]


@pytest.mark.parametrize(
    ("image", "config", "expected", "missing"),
    [
        (WITH_SYMBOLS, {}, "no lines and types", "no symbols"),
        (WITH_SYMBOLS, {"DEBUG_INFO": "y"}, "gdb: ", "no lines"),
        (STRIPPED, {"DEBUG_INFO": "y"}, "no symbols", "no lines"),
        (b"MZ", {"DEBUG_INFO": "y"}, "no symbols", "no lines"),
        (b"\x7fELF\x02\x01 and no more", {}, "no symbols", "no lines"),
        (WITH_SYMBOLS[:70], {}, "no symbols", "no lines"),
        (b"", {}, "no symbols", "no lines"),
    ],
)
def test_what_gdb_does_not_know_is_named(
    tmp_path: Path, image: bytes, config: dict[str, str], expected: str, missing: str
) -> None:
    text = "\n".join(gdb_lines(1, build(tmp_path, image), config, Path("/src"), stopped=True))
    assert expected in text
    assert missing not in text
    assert "/src" in text
    assert "stopped before its first instruction" in text


def test_of_a_machine_that_runs(tmp_path: Path) -> None:
    text = "\n".join(gdb_lines(1, build(tmp_path, b""), {}, None, stopped=False))
    assert "The machine runs" in text
    assert "source" not in text
