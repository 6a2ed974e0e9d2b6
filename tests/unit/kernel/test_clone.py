# SPDX-License-Identifier: GPL-2.0-only
"""A tree prepared for another's objects: equal files are hard links, others newer than all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kernel.clone import reconcile, share

LONG_AGO = 10**9


def lay(top: Path, files: dict[str, str]) -> Path:
    """Make a tree of old files."""
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return top


def read(top: Path) -> dict[str, str]:
    return {str(path.relative_to(top)): path.read_text() for path in top.rglob("*") if path.is_file()}


OLD = {"Makefile": "one", "mm/mmap.c": "old", "mm/same.c": "same", "mm/gone.c": "gone", "fs/a/b.h": "deep"}
NEW = {"Makefile": "one", "mm/mmap.c": "new", "mm/same.c": "same", "mm/come.c": "come", "fs/a/b.h": "deep"}


def test_equal_files_are_shared_and_others_are_newer(tmp_path: Path) -> None:
    built, tree = lay(tmp_path / "built", OLD), lay(tmp_path / "tree", NEW)
    (built / "build").mkdir()
    (built / "build/mmap.o").write_text("object")
    started = time.time()
    assert reconcile(built, tree) == ("mm/come.c", "mm/gone.c", "mm/mmap.c")
    assert read(tree) == NEW
    assert (tree / "mm/same.c").stat().st_ino == (built / "mm/same.c").stat().st_ino
    assert (tree / "mm/same.c").stat().st_mtime == LONG_AGO
    assert (tree / "mm/mmap.c").stat().st_mtime >= started - 1


def test_no_file_that_others_share_is_written_to(tmp_path: Path) -> None:
    built, pristine = lay(tmp_path / "built", OLD), lay(tmp_path / "pristine", NEW)
    tree = tmp_path / "tree"
    for name in NEW:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(pristine / name, tree / name)
    reconcile(built, tree)
    assert (read(pristine), read(built)) == (NEW, OLD)
    assert all((pristine / name).stat().st_mtime == LONG_AGO for name in NEW)
    assert all((built / name).stat().st_mtime == LONG_AGO for name in OLD)


def test_a_mode_and_a_link_count_as_content(tmp_path: Path) -> None:
    built, tree = lay(tmp_path / "built", {"a.sh": "x", "b": "y"}), lay(tmp_path / "tree", {"a.sh": "x", "b": "y"})
    (tree / "a.sh").chmod(0o755)
    (tree / "b").chmod(0o664)
    (built / "link").symlink_to("a.sh")
    (tree / "link").symlink_to("b")
    (built / "same").symlink_to("b")
    (tree / "same").symlink_to("b")
    assert reconcile(built, tree) == ("a.sh", "link")
    assert (tree / "a.sh").stat().st_mode & 0o777 == 0o755
    assert (tree / "link").readlink() == Path("b")


def test_sharing_links_what_is_equal_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    other, tree = lay(tmp_path / "other", OLD), lay(tmp_path / "tree", NEW)
    share(other, tree)
    assert (read(other), read(tree)) == (OLD, NEW)
    assert (tree / "mm/same.c").stat().st_ino == (other / "mm/same.c").stat().st_ino
    assert (tree / "mm/mmap.c").stat().st_mtime == LONG_AGO


@pytest.mark.parametrize("now", ["file", "directory"])
def test_a_file_can_become_a_directory_and_back(tmp_path: Path, now: str) -> None:
    one, other = {"x": "file"}, {"x/y": "directory"}
    old, new = (other, one) if now == "file" else (one, other)
    built, tree = lay(tmp_path / "built", old), lay(tmp_path / "tree", new)
    assert reconcile(built, tree) == ("x",)
    assert read(tree) == new


NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a"])
TREES = st.dictionaries(NAMES, st.sampled_from(["", "1", "2", "22"]))


@given(old=TREES, new=TREES)
def test_any_tree_keeps_its_content_and_every_difference_is_named(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, str], new: dict[str, str]
) -> None:
    top = tmp_path_factory.mktemp("trees")
    built, tree = lay(top / "built", old), lay(top / "tree", new)
    built.mkdir(exist_ok=True)
    tree.mkdir(exist_ok=True)
    reported = reconcile(built, tree)
    assert (read(built), read(tree)) == (old, new)
    differ = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    assert all(any(name == path or name.startswith(f"{path}/") for path in reported) for name in differ)
    for name, text in new.items():
        if old.get(name) == text:
            assert (tree / name).stat().st_ino == (built / name).stat().st_ino
        elif name in old:
            assert (tree / name).stat().st_mtime > LONG_AGO
