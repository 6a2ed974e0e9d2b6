# SPDX-License-Identifier: GPL-2.0-only
"""Patch series on a toy tree with the real git: what applies, what is refused, and how that is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import PatchError
from orchestrator.host.local import LocalHost
from orchestrator.kernel.build import clone
from orchestrator.kernel.patches import apply, check_series, hunk_number, read_patch, read_series
from tests.fakes import FakeHost

LINES = [f"line {number}" for number in range(1, 41)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "mm").mkdir(parents=True)
    (tree / "mm/mmap.c").write_text("\n".join(LINES) + "\n")
    (tree / "Makefile").write_text("VERSION = 7\n")
    return tree


def hunk(number: int, old: str, new: str) -> str:
    """A hunk that changes line `number`, with one line of context on each side."""
    return f"@@ -{number - 1},3 +{number - 1},3 @@\n line {number - 1}\n-{old}\n+{new}\n line {number + 1}\n"


def diff(*hunks: str, file: str = "mm/mmap.c") -> str:
    return f"diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n" + "".join(hunks)


def write(tmp_path: Path, text: str, name: str = "0001-change.patch") -> Path:
    path = tmp_path / name
    path.write_text(f"Subject: [PATCH] change\n\n---\n mm/mmap.c | 2 +-\n\n{text}-- \n2.39\n")
    return path


def test_a_patch_is_applied(tree: Path, tmp_path: Path) -> None:
    patch = read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), hunk(30, "line 30", "thirty"))))
    apply(LocalHost(), tree, patch, "huge")
    text = (tree / "mm/mmap.c").read_text()
    assert "five" in text
    assert "thirty" in text
    assert patch.files == ("mm/mmap.c",)


def test_a_tree_inside_somebodys_checkout_is_patched_all_the_same(tree: Path, tmp_path: Path) -> None:
    LocalHost().run(("git", "init", "-q", str(tmp_path)))
    apply(LocalHost(), tree, read_patch(write(tmp_path, diff(hunk(5, "line 5", "five")))), "huge")
    assert "five" in (tree / "mm/mmap.c").read_text()


def test_the_sentence_names_kernel_patch_file_hunk_and_line(tree: Path, tmp_path: Path) -> None:
    patch = read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), hunk(30, "line XX", "thirty"))))
    with pytest.raises(PatchError) as caught:
        check_series(LocalHost(), tree, (patch,), "huge")
    told = str(caught.value)
    assert "kernel 'huge': patch 0001-change.patch does not apply: mm/mmap.c, hunk 2 (line 29)" in told


def test_a_failed_patch_changes_nothing(tree: Path, tmp_path: Path) -> None:
    patch = read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), hunk(30, "line XX", "thirty"))))
    with pytest.raises(PatchError):
        apply(LocalHost(), tree, patch, "huge")
    assert (tree / "mm/mmap.c").read_text() == "\n".join(LINES) + "\n"


def test_a_missing_file_means_another_version(tree: Path, tmp_path: Path) -> None:
    patch = read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), file="mm/vma.c")))
    with pytest.raises(PatchError, match=r"this source has no file mm/vma\.c; the patch is for another version"):
        check_series(LocalHost(), tree, (patch,), "huge")


def test_a_new_file_that_exists_already_is_told_in_gits_words(tree: Path, tmp_path: Path) -> None:
    new = "diff --git a/Makefile b/Makefile\nnew file mode 100644\n--- /dev/null\n+++ b/Makefile\n@@ -0,0 +1 @@\n+x\n"
    with pytest.raises(PatchError, match="Makefile: already exists"):
        check_series(LocalHost(), tree, (read_patch(write(tmp_path, new)),), "huge")


def series(tmp_path: Path, **patches: str) -> Path:
    place = tmp_path / "series.d"
    place.mkdir()
    for name, text in patches.items():
        write(place, text, f"{name}.patch")
    listed = "".join(f"{name}.patch  # why\n" for name in patches)
    (place / "series").write_text(f"# the order\n\n{listed}")
    return place


def test_a_series_is_read_in_its_order_without_comments(tmp_path: Path) -> None:
    place = series(tmp_path, second=diff(hunk(5, "a", "b")), first=diff(hunk(5, "b", "c")))
    assert [patch.path.name for patch in read_series(place)] == ["second.patch", "first.patch"]


def test_the_second_patch_may_depend_on_the_first(tree: Path, tmp_path: Path) -> None:
    place = series(tmp_path, one=diff(hunk(5, "line 5", "five")), two=diff(hunk(5, "five", "fünf")))
    patches = read_series(place)
    check_series(LocalHost(), tree, patches, "huge")
    assert "line 5" in (tree / "mm/mmap.c").read_text(), "a check writes nothing"
    for patch in patches:
        apply(LocalHost(), tree, patch, "huge")
    assert "fünf" in (tree / "mm/mmap.c").read_text()


def test_the_patch_of_a_series_that_fails_is_the_one_named(tree: Path, tmp_path: Path) -> None:
    place = series(tmp_path, one=diff(hunk(5, "line 5", "five")), two=diff(hunk(5, "line 5", "again")))
    with pytest.raises(PatchError, match=r"patch two\.patch does not apply: mm/mmap\.c, hunk 1 \(line 4\)"):
        check_series(LocalHost(), tree, read_series(place), "huge")


def test_no_patches_need_no_git() -> None:
    host = FakeHost()
    check_series(host, Path("/nowhere"), (), "base")
    assert not host.calls


def test_a_series_that_names_no_existing_patch_says_so(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("gone.patch\n")
    with pytest.raises(PatchError, match=r"gone\.patch: the series names this patch, but there is no such file"):
        read_series(tmp_path)


def test_a_directory_without_a_series_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="no patch series here; list the patches"):
        read_series(tmp_path)


@pytest.mark.parametrize("file", ["../outside.c", "mm/../../outside.c"])
def test_a_patch_that_reaches_outside_of_the_tree_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(PatchError, match=r"outside of the source tree"):
        read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), file=file)))


@pytest.mark.parametrize(
    "header", ["--- /etc/passwd\n+++ /etc/passwd\n", "--- ../../etc/passwd\n+++ ../../etc/passwd\n"]
)
def test_one_bad_file_among_good_ones_is_refused(tmp_path: Path, header: str) -> None:
    text = diff(hunk(5, "line 5", "five")) + header + "@@ -1,1 +1,1 @@\n-a\n+b\n"
    with pytest.raises(PatchError, match=r"'(/|\.\.)\S*passwd', which is outside"):
        read_patch(write(tmp_path, text))


def test_a_rename_out_of_the_tree_is_refused(tmp_path: Path) -> None:
    text = "diff --git a/Makefile b/../Makefile\nsimilarity index 100%\nrename from Makefile\nrename to ../Makefile\n"
    with pytest.raises(PatchError, match="outside of the source tree"):
        read_patch(write(tmp_path, text))


def test_a_pure_rename_is_a_patch_and_names_both_files(tree: Path, tmp_path: Path) -> None:
    text = "diff --git a/mm/mmap.c b/mm/vma.c\nsimilarity index 100%\nrename from mm/mmap.c\nrename to mm/vma.c\n"
    patch = read_patch(write(tmp_path, text))
    assert set(patch.files) == {"mm/mmap.c", "mm/vma.c"}
    apply(LocalHost(), tree, patch, "huge")
    assert (tree / "mm/vma.c").exists()


@pytest.mark.parametrize(
    "text",
    [
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n",
        "diff --git a/l b/l\nindex 123..456 120000\n--- a/l\n+++ b/l\n@@ -1 +1 @@\n-x\n+/etc\n",
        "diff --git a/l b/l\nnew file mode 160000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+Subproject\n",
        "diff --git a/l b/l\nindex 123..456 100644\nGIT binary patch\nliteral 1\n",
        diff(hunk(5, "line 5", "five")) + "diff --git a/l b/l\nBinary files a/l and b/l differ\n",
    ],
)
def test_links_and_binaries_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PatchError, match="no links and no binaries"):
        read_patch(write(tmp_path, text))


@pytest.mark.parametrize("content", [b"", b"Subject: only words\n\n--- \n", b"\n"])
def test_a_file_without_a_diff_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.patch").write_bytes(content)
    with pytest.raises(PatchError, match=r"x\.patch: holds no diff; a patch is made by 'git format-patch'"):
        read_patch(tmp_path / "x.patch")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.patch").write_bytes(b"\x7fELF\xff\xfe")
    with pytest.raises(PatchError, match=r"x\.patch: cannot be read as a patch"):
        read_patch(tmp_path / "x.patch")


def test_a_clone_is_patched_without_writing_through_to_its_origin(tree: Path, tmp_path: Path) -> None:
    origin = (tree / "mm/mmap.c").read_text()
    clone(LocalHost(), tree, tmp_path / "clone")
    assert (tmp_path / "clone/mm/mmap.c").samefile(tree / "mm/mmap.c"), "the clone is of hard links"
    text = diff(hunk(5, "line 5", "five")) + (
        "diff --git a/mm/new.c b/mm/new.c\nnew file mode 100644\n--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+x\n"
        "diff --git a/Makefile b/Makefile\ndeleted file mode 100644\n--- a/Makefile\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-VERSION = 7\n"
    )
    apply(LocalHost(), tmp_path / "clone", read_patch(write(tmp_path, text)), "huge")
    assert "five" in (tmp_path / "clone/mm/mmap.c").read_text()
    assert (tree / "mm/mmap.c").read_text() == origin
    assert (tree / "Makefile").exists()
    assert [path.name for path in (tree / "mm").iterdir()] == ["mmap.c"]


def test_a_patched_file_is_newer_than_what_was_built_from_it(tree: Path, tmp_path: Path) -> None:
    os.utime(tree / "mm/mmap.c", (10**9, 10**9))
    apply(LocalHost(), tree, read_patch(write(tmp_path, diff(hunk(5, "line 5", "five")))), "huge")
    assert (tree / "mm/mmap.c").stat().st_mtime > 10**9


def test_hunks_are_counted_per_file() -> None:
    text = diff(hunk(5, "a", "b"), hunk(9, "a", "b"), file="one.c") + diff(hunk(7, "a", "b"), hunk(9, "a", "b"))
    assert hunk_number(text, "mm/mmap.c", 8) == 2
    assert hunk_number(text, "one.c", 8) == 2
    assert hunk_number(text, "one.c", 6) == 0


def test_a_series_file_with_other_bytes_is_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "series").write_bytes(b"# by J\xf6rg\ngone.patch\n")
    with pytest.raises(PatchError, match=r"gone\.patch"):
        read_series(tmp_path)
