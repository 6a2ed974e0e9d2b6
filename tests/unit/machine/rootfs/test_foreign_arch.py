# SPDX-License-Identifier: GPL-2.0-only
"""Programs of another architecture: fetched once from Debian, completely or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import CommandError
from orchestrator.kernel import apt
from orchestrator.machine.rootfs.foreign_arch import fetch_programs
from tests.fakes import Answer, Call, FakeHost, Match, Reply

FILES = {"busybox-static": "usr/bin/busybox", "bash-static": "usr/bin/bash-static"}


def show(call: Call) -> Answer:
    assert "APT::Architecture=arm64" in call.argv
    return Answer(f"Package: {call.argv[-1]}\nVersion: 1\nArchitecture: arm64\nSHA256: {call.argv[-1]}\n")


def download(call: Call) -> Answer:
    assert call.cwd is not None
    (call.cwd / f"{call.argv[-1].partition('=')[0]}_1_arm64.deb").touch()
    return Answer()


def unpack(call: Call) -> Answer:
    program = Path(call.argv[3]) / FILES[Path(call.argv[3]).name]
    program.parent.mkdir(parents=True)
    program.write_text(program.name)
    (program.parent / "aaa-link").symlink_to(program.name)
    return Answer()


def a_host(**instead: Reply) -> FakeHost:
    def verb(name: str) -> Match:
        return lambda argv: name in argv

    known: dict[str, Reply] = {
        "indextargets": Answer("https://mirror.example/debian|Debian|Debian\n"),
        "update": Answer(),
        "show": show,
        "download": download,
        "dpkg-deb": unpack,
    }
    return FakeHost([(verb(name), reply) for name, reply in (known | instead).items()])


@pytest.fixture(autouse=True)
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keyring.gpg").touch()
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "keyring.gpg")


def test_the_programs_come_from_a_signed_suite_of_that_architecture(tmp_path: Path) -> None:
    programs = fetch_programs(a_host(), tmp_path, "arm64")
    assert {name: path.read_text() for name, path in programs.items()} == {"busybox": "busybox", "bash": "bash-static"}
    listed = (tmp_path / "apt/trixie-arm64/sources.list").read_text()
    assert listed.startswith(f"deb [arch=arm64 signed-by={tmp_path}/keyring.gpg] https://mirror.example/debian trixie")


def test_they_are_fetched_once(tmp_path: Path) -> None:
    assert fetch_programs(a_host(), tmp_path, "arm64") == fetch_programs(FakeHost(), tmp_path, "arm64")


def test_a_failed_fetch_leaves_nothing_that_passes_for_a_program(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"unpacking busybox-static_1_arm64\.deb"):
        fetch_programs(a_host(**{"dpkg-deb": Answer("no space left", 2)}), tmp_path, "arm64")
    assert fetch_programs(a_host(), tmp_path, "arm64")["busybox"].read_text() == "busybox"


@pytest.mark.parametrize("damage", [lambda path: path.write_text(""), Path.unlink])
def test_programs_that_are_broken_are_fetched_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    damage(fetch_programs(a_host(), tmp_path, "arm64")["bash"])
    assert fetch_programs(a_host(), tmp_path, "arm64")["bash"].read_text() == "bash-static"
