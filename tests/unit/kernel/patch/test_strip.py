# SPDX-License-Identifier: GPL-2.0-only
"""Patches without a/ and b/: applied if the tree shows how, else refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import PatchError
from orchestrator.host.local import LocalHost
from orchestrator.kernel.model import Patch, SourceTree
from orchestrator.kernel.patch.series import apply, check_series, read_patches

OLD = "@@ -1 +1 @@\n-old\n+new\n"
NEW = "@@ -0,0 +1 @@\n+new\n"
REMOVED = "@@ -1 +0,0 @@\n-old\n"
EPOCH = "1970-01-01 00:00:00.000000000 +0000"
DAY = "2026-11-27 08:08:12.184874246 +0000"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name in (
        "drivers/vfio/a.c",
        "drivers/vfio/pci/core.c",
        "mm/mmap.c",
        "Makefile",
        "mm/Makefile",
        "lib/lib/x.c",
        "lib/x.c",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("old\n")
    return tree


def git(old: str, new: str, hunk: str = OLD, extra: str = "") -> str:
    """Return a change in git's format, with these names before and after."""
    minus, plus = ("/dev/null" if hunk == NEW else old), ("/dev/null" if hunk == REMOVED else new)
    return f"diff --git {old} {new}\n{extra}--- {minus}\n+++ {plus}\n{hunk}"


def plain(old: str, new: str, hunk: str = OLD) -> str:
    """Return a change in the format of diff -ruN."""
    times = (EPOCH if hunk == NEW else DAY), (EPOCH if hunk == REMOVED else DAY)
    return f"diff -ruN {old} {new}\n--- {old}\t{times[0]}\n+++ {new}\t{times[1]}\n{hunk}"


def read(tmp_path: Path, *texts: str) -> tuple[Patch, ...]:
    """Return the patches with these texts: one series, which must apply to the tree."""
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.patch").write_text(f"Subject: [PATCH] x\n\nWhy.\n---\n{text}")
    host, tree = LocalHost(), SourceTree("x", "7.3", tmp_path / "tree")
    paths = tuple(tmp_path / f"{number}.patch" for number in range(len(texts)))
    patches = read_patches(host, tmp_path / "cache", paths, tree, where="s.yaml:3")
    check_series(host, tree.path, patches, "huge")
    for patch in patches:
        apply(host, tree.path, patch, "huge")
    return patches


APPLIES = {
    "as usual": (git("a/mm/mmap.c", "b/mm/mmap.c"), ["mm/mmap.c"]),
    "no prefix": (git("drivers/vfio/a.c", "drivers/vfio/a.c"), ["drivers/vfio/a.c"]),
    "no prefix, index and work tree": (git("i/drivers/vfio/a.c", "w/drivers/vfio/a.c"), ["drivers/vfio/a.c"]),
    "commit and work tree": (git("c/drivers/vfio/a.c", "w/drivers/vfio/a.c"), ["drivers/vfio/a.c"]),
    "object": (git("o/mm/mmap.c", "w/mm/mmap.c"), ["mm/mmap.c"]),
    "reversed prefixes": (git("b/mm/mmap.c", "a/mm/mmap.c"), ["mm/mmap.c"]),
    "no prefix, at the top": (git("Makefile", "Makefile"), ["Makefile"]),
    "no prefix, two files": (git("mm/mmap.c", "mm/mmap.c") + git("Makefile", "Makefile"), ["mm/mmap.c", "Makefile"]),
    "no prefix, same name below": (
        git("mm/Makefile", "mm/Makefile") + git("mm/mmap.c", "mm/mmap.c"),
        ["mm/Makefile", "mm/mmap.c"],
    ),
    "no prefix, new file": (
        git("drivers/vfio/n.c", "drivers/vfio/n.c", NEW, "new file mode 100644\n"),
        ["drivers/vfio/n.c"],
    ),
    "no prefix, new directory": (
        git("drivers/n/n.c", "drivers/n/n.c", NEW, "new file mode 100644\n"),
        ["drivers/n/n.c"],
    ),
    "no prefix, new empty file": (
        "diff --git mm/e.c mm/e.c\nnew file mode 100644\nindex 0000000..e69de29\n",
        ["mm/e.c"],
    ),
    "no prefix, file taken away": (git("mm/mmap.c", "mm/mmap.c", REMOVED, "deleted file mode 100644\n"), ["mm/mmap.c"]),
    "no prefix, mode only": ("diff --git mm/mmap.c mm/mmap.c\nold mode 100644\nnew mode 100755\n", ["mm/mmap.c"]),
    "no prefix, renamed": (
        "diff --git mm/mmap.c mm/m.c\nsimilarity index 100%\nrename from mm/mmap.c\nrename to mm/m.c\n",
        ["mm/mmap.c", "mm/m.c"],
    ),
    "no prefix, without git": ("--- mm/mmap.c\n+++ mm/mmap.c\n" + OLD, ["mm/mmap.c"]),
    "renamed, index and work tree": (
        "diff --git i/mm/mmap.c w/mm/m.c\nsimilarity index 100%\nrename from mm/mmap.c\nrename to mm/m.c\n",
        ["mm/mmap.c", "mm/m.c"],
    ),
    "renamed, as usual": (
        "diff --git a/mm/mmap.c b/mm/m.c\nsimilarity index 100%\nrename from mm/mmap.c\nrename to mm/m.c\n",
        ["mm/mmap.c", "mm/m.c"],
    ),
    "two directories": (plain("linux-old/drivers/vfio/a.c", "linux-new/drivers/vfio/a.c"), ["drivers/vfio/a.c"]),
    "two directories, new file": (plain("linux-old/mm/n.c", "linux-new/mm/n.c", NEW), ["mm/n.c"]),
    "two directories, file taken away": (plain("linux.orig/mm/mmap.c", "linux/mm/mmap.c", REMOVED), ["mm/mmap.c"]),
    "two directories, at the top": (
        plain("linux-7.3/Makefile", "linux/Makefile") + plain("linux-7.3/mm/mmap.c", "linux/mm/mmap.c"),
        ["Makefile", "mm/mmap.c"],
    ),
    "diff -u of a file": (plain("mm/mmap.c", "mm/mmap.c"), ["mm/mmap.c"]),
}


@pytest.mark.parametrize("name", APPLIES)
def test_a_patch_applies_as_it_is_meant(tree: Path, tmp_path: Path, name: str) -> None:
    text, files = APPLIES[name]
    (patch,) = read(tmp_path, text)
    assert list(patch.files) == files
    assert "Why.\n" in patch.text
    for file in files:
        path = tree / file
        assert not path.exists() or path.read_text() != "old\n" or "mode" in name or "renamed" in name


def test_how_the_names_are_written_does_not_change_the_build(tree: Path, tmp_path: Path) -> None:
    texts = (git("a/mm/mmap.c", "b/mm/mmap.c"), git("mm/mmap.c", "mm/mmap.c"), git("i/mm/mmap.c", "w/mm/mmap.c"))
    digests = set()
    for text in texts:
        (tree / "mm/mmap.c").write_text("old\n")
        digests.add(read(tmp_path, text)[0].digest)
    assert len(digests) == 1


def test_a_file_that_an_earlier_patch_made_is_there(tree: Path, tmp_path: Path) -> None:
    new = git("drivers/n/n.c", "drivers/n/n.c", NEW, "new file mode 100644\n")
    edit = git("drivers/n/n.c", "drivers/n/n.c", "@@ -1 +1 @@\n-new\n+newer\n")
    read(tmp_path, new, edit)
    assert (tree / "drivers/n/n.c").read_text() == "newer\n"


REFUSED = {
    "both ways": (
        git("lib/lib/x.c", "lib/lib/x.c"),
        "names 'lib/lib/x.c' without a/ or b/, which can be in the source with and without 'lib/'",
    ),
    "neither way": (
        git("x/none.c", "x/none.c"),
        "names 'x/none.c', and its names do not fit this source, with or without their first directory",
    ),
    "two directories too many": (
        plain("x/linux-old/mm/mmap.c", "x/linux-new/mm/mmap.c"),
        r"names 'x/linux-old/mm/mmap.c', which is in this source with 2 directories less \(-p2\)",
    ),
    "made in a subdirectory, no prefix": (
        git("pci/core.c", "pci/core.c"),
        "names 'pci/core.c', which is in drivers/vfio/ of this source",
    ),
    "made in a subdirectory": (
        git("a/pci/core.c", "b/pci/core.c"),
        "this source has pci/core.c in drivers/vfio/; make the patch at the top of the source",
    ),
    "mixed": (
        git("mm/mmap.c", "mm/mmap.c") + git("a/Makefile", "b/Makefile"),
        "and its names do not fit this source, with or without",
    ),
    "out of the tree": (git("../mm/mmap.c", "../mm/mmap.c"), "'../mm/mmap.c', which is outside of the source tree"),
    "out of the tree behind a directory": (
        plain("linux/../../x.c", "linux/../../x.c"),
        "which is outside of the source tree",
    ),
    "from the root": (
        plain("/usr/src/linux/mm/mmap.c", "/usr/src/linux/mm/mmap.c"),
        "which is outside of the source tree",
    ),
    "git's own": (git(".git/config", ".git/config"), "which is git's own"),
    "without -N": (
        plain("old/mm/mmap.c", "new/mm/mmap.c") + "Only in new/mm: n.c\n",
        "lacks a file: 'Only in new/mm: n.c'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_known_is_refused_with_the_cause(tree: Path, tmp_path: Path, name: str) -> None:
    text, expected = REFUSED[name]
    with pytest.raises(PatchError, match=expected) as caught:
        read(tmp_path, text)
    assert str(caught.value).isprintable()
    assert all(path.read_text() == "old\n" for path in tree.rglob("*") if path.is_file())
