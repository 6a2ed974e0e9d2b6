# SPDX-License-Identifier: GPL-2.0-only
"""User files that are not regular or far too large give one sentence at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from orchestrator.errors import ConfigError, ScenarioError
from orchestrator.inventory.load import load_hosts
from orchestrator.kernel.config.fragments import required, wishes
from orchestrator.scenario.load import load


def a_link(path: Path, target: str) -> None:
    path.symlink_to(target)


def a_link_to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("f"))
    path.symlink_to("f")


def of_size(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, "it is a FIFO, not a file"),
    "link to a fifo": (a_link_to_a_fifo, "it is a FIFO, not a file"),
    "zero": (lambda path: a_link(path, "/dev/zero"), "it is a device, not a file"),
    "terminal": (lambda path: a_link(path, "/dev/ptmx"), "it is a device, not a file"),
    "directory": (Path.mkdir, "it is a directory, not a file"),
    "socket": (a_socket, "it is a socket, not a file"),
    "loop": (lambda path: a_link(path, path.name), "Too many levels of symbolic links"),
    "nothing": (lambda path: a_link(path, "none"), "No such file or directory"),
    "sparse": (lambda path: of_size(path, 1 << 40), "it is larger than "),
}


@pytest.mark.parametrize(("make", "why"), ODD.values(), ids=ODD)
def test_what_is_no_text_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    path = tmp_path / "a.yaml"
    make(path)
    started = monotonic()
    with pytest.raises(ScenarioError, match=why) as refused:
        load(path)
    assert len(str(refused.value).splitlines()) == 1
    for read in (lambda: required((path,), ()), lambda: wishes((path,))):
        with pytest.raises(ConfigError, match=why):
            read()
    if path.exists():
        with pytest.raises(ScenarioError, match=why):
            load_hosts(path)
    assert monotonic() - started < 2


LARGE = {
    "keys": b"".join(b"key%d: value\n" % number for number in range(5_000)) * 1_000,
    "brackets": b"[" * 200_000,
    "braces": b"{a: " * 60_000,
    "a word": b"a" * 250_000,
    "blanks": b" " * 250_000,
    "a number": b"name: " + b"9" * 200_000,
    "anchors": b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 9)) for n in range(12)),
    "nulls": b"\0" * 1000,
    "utf-16": "name: a\n".encode("utf-16"),
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_a_file_that_is_large_or_deep_or_no_text_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    started = monotonic()
    with pytest.raises(ScenarioError) as refused:
        load(path)
    assert monotonic() - started < 10
    assert len(str(refused.value)) < 2000
