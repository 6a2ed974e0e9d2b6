# SPDX-License-Identifier: GPL-2.0-only
"""The guest's root: made once per busybox, completely or not at all."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.host.local import LocalHost
from orchestrator.kernel.cache.files import manifest_of
from orchestrator.kernel.cache.sealed import broken_seal
from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE
from orchestrator.machine.rootfs import busybox as rootfs
from orchestrator.machine.rootfs.busybox import guest_root
from tests.fakes import Answer, FakeHost


@pytest.fixture
def busybox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a script that lists applets as busybox does."""
    program = tmp_path / "usr/busybox"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf 'busybox\\nsh\\nmount\\n['\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", {"busybox": str(program)}.get)
    return program


def test_the_root_has_busybox_its_applets_and_every_mount_point(busybox: Path, tmp_path: Path) -> None:
    root = guest_root(LocalHost(), tmp_path / "cache")
    assert (root / "bin/busybox").read_bytes() == busybox.read_bytes()
    assert (root / "bin/busybox").stat().st_mode & stat.S_IXUSR
    assert {path.name for path in (root / "bin").iterdir() if path.is_symlink()} == {"sh", "mount", "["}
    assert (root / "bin/sh").readlink() == Path("busybox")
    for place in ("proc", "sys", "dev", "run", "tmp", "etc", "lib/modules", "var", GUEST_SHARE, GUEST_PROGRAM):
        assert (root / place.lstrip("/")).is_dir(), place
    assert (root / "etc/passwd").read_text().startswith("root:")


def test_the_root_is_made_once(busybox: Path, tmp_path: Path) -> None:
    host = FakeHost([((str(busybox), "--list"), Answer("sh\n"))])
    assert guest_root(host, tmp_path / "cache") == guest_root(host, tmp_path / "cache")
    assert len(host.calls) == 1


def test_another_busybox_gets_another_root(busybox: Path, tmp_path: Path) -> None:
    before = guest_root(LocalHost(), tmp_path / "cache")
    busybox.write_text("#!/bin/sh\necho sh\n")
    assert guest_root(LocalHost(), tmp_path / "cache") != before


def test_a_busybox_that_does_not_run_leaves_no_root(busybox: Path, tmp_path: Path) -> None:
    host = FakeHost([((str(busybox),), Answer("Exec format error\n", 126))])
    with pytest.raises(CommandError, match="listing busybox's applets"):
        guest_root(host, tmp_path / "cache")
    again = FakeHost([((str(busybox),), Answer("sh\n"))])
    assert (guest_root(again, tmp_path / "cache") / "bin/sh").is_symlink()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Create Debian's programs for another architecture."""
    made = {name: tmp_path / "arm64" / name for name in ("busybox", "bash")}
    (tmp_path / "arm64").mkdir()
    for name, path in made.items():
        path.write_text(f"arm64 {name}")
    monkeypatch.setattr(rootfs, "fetch_programs", lambda *_: made)
    return made


def test_a_guest_of_another_architecture_gets_its_own_busybox_and_a_bash(
    busybox: Path, programs: dict[str, Path], tmp_path: Path
) -> None:
    root = guest_root(LocalHost(), tmp_path / "cache", arch="arm64")
    assert (root / "bin/busybox").read_text() == "arm64 busybox"
    assert (root / "bin/bash").read_text() == "arm64 bash"
    assert (root / "bin/mount").readlink() == Path("busybox")
    assert (root / "usr/bin/env").readlink() == Path("/bin/busybox")
    assert root != guest_root(LocalHost(), tmp_path / "cache")
    programs["bash"].write_text("a newer one")
    assert root != guest_root(LocalHost(), tmp_path / "cache", arch="arm64")


def test_a_missing_busybox_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(InfrastructureError, match="busybox-static"):
        guest_root(FakeHost(), tmp_path)


def other_link(root: Path) -> None:
    (root / "bin/sh").unlink()
    (root / "bin/sh").symlink_to("mount")


def fifo(root: Path) -> None:
    (root / "bin/busybox").unlink()
    os.mkfifo(root / "bin/busybox")


def nothing_recorded(root: Path) -> None:
    manifest_of(root).unlink()
    (root / "bin/busybox").write_bytes(b"")


def cut_record(root: Path) -> None:
    manifest_of(root).write_bytes(manifest_of(root).read_bytes()[:-9])
    (root / "bin/busybox").write_bytes(b"")


def strange_record(root: Path) -> None:
    manifest_of(root).write_bytes(gzip.compress(b'{"bin/busybox": 7}'))


@pytest.mark.parametrize(
    "damage",
    [
        lambda root: (root / "bin/busybox").write_bytes(b""),
        lambda root: (root / "bin/busybox").write_bytes((root / "bin/busybox").read_bytes()[:-1]),
        lambda root: (root / "bin/busybox").write_bytes((root / "bin/busybox").read_bytes()[:-1] + b"x"),
        lambda root: (root / "bin/busybox").unlink(),
        lambda root: (root / "bin/busybox").chmod(0o644),
        lambda root: (root / "bin/mount").unlink(),
        lambda root: (root / "bin/new").symlink_to("busybox"),
        lambda root: (root / "etc/passwd").write_text(""),
        lambda root: (root / "tmp").rmdir(),
        lambda root: (root / "tmp").chmod(0),
        lambda root: shutil.rmtree(root / "bin"),
        shutil.rmtree,
        other_link,
        fifo,
        nothing_recorded,
        cut_record,
        strange_record,
    ],
)
def test_a_root_that_is_broken_is_made_again(busybox: Path, tmp_path: Path, damage: Callable[[Path], object]) -> None:
    root = guest_root(LocalHost(), tmp_path / "cache")
    damage(root)
    assert broken_seal(root)
    assert guest_root(LocalHost(), tmp_path / "cache") == root
    assert broken_seal(root) == ""
    assert (root / "bin/busybox").read_bytes() == busybox.read_bytes()
    assert (root / "bin/sh").readlink() == Path("busybox")


def test_what_virtme_leaves_in_the_root_is_no_damage(busybox: Path, tmp_path: Path) -> None:
    root = guest_root(LocalHost(), tmp_path / "cache")
    (root / "virtme-init-abc").write_text("exit")
    assert broken_seal(root) == ""
