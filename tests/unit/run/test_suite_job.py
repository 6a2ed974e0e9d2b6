# SPDX-License-Identifier: GPL-2.0-only
"""The job of a suite: what a command brings along."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.run.boot_job import copy_files


def test_files_and_directories_are_kept_with_their_modes(tmp_path: Path) -> None:
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/deep/tool").write_text("x")
    (tmp_path / "data/deep/tool").chmod(0o755)
    (tmp_path / "data/link").symlink_to("deep/tool")
    (tmp_path / "test.sh").write_text("y")
    (tmp_path / "test.sh").chmod(0o700)
    place = copy_files((tmp_path / "test.sh", tmp_path / "data"), tmp_path / "files")
    assert (place / "test.sh").stat().st_mode & 0o777 == 0o700
    assert (place / "data/deep/tool").stat().st_mode & 0o777 == 0o755
    assert (place / "data/link").readlink() == Path("deep/tool")


def test_nothing_to_bring_along_is_an_empty_directory(tmp_path: Path) -> None:
    assert list(copy_files((), tmp_path / "files").iterdir()) == []


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        copy_files((tmp_path / "gone",), tmp_path / "files")
