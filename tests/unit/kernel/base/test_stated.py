# SPDX-License-Identifier: GPL-2.0-only
"""What a series states about its base."""

from __future__ import annotations

import pytest

from orchestrator.kernel.base.git_fit import version_of
from orchestrator.kernel.base.stated import ABSENT, stated_by

C40 = "0123456789" * 4
CHANGE = """diff --git a/mm/mmap.c b/mm/mmap.c
index 1111111..2222222 100644
--- a/mm/mmap.c
+++ b/mm/mmap.c
@@ -1 +1 @@
-a
+b
"""
AGAIN = CHANGE.replace("1111111..2222222", "2222222..3333333")
NEW = """diff --git a/mm/new.c b/mm/new.c
new file mode 100644
index 0000000..4444444
--- /dev/null
+++ b/mm/new.c
@@ -0,0 +1 @@
+a
"""
REMOVED = """diff --git a/mm/old.c b/mm/old.c
deleted file mode 100644
index 5555555..0000000
--- a/mm/old.c
+++ /dev/null
@@ -1 +0,0 @@
-a
"""
RENAMED = """diff --git a/mm/from.c b/mm/to.c
similarity index 90%
rename from mm/from.c
rename to mm/to.c
index 6666666..7777777 100644
--- a/mm/from.c
+++ b/mm/to.c
@@ -1 +1 @@
-a
+b
"""
PLAIN = """--- a/mm/mmap.c
+++ b/mm/mmap.c
@@ -1 +1 @@
-a
+b
"""
MODE = """diff --git a/scripts/x b/scripts/x
old mode 100644
new mode 100755
"""


@pytest.mark.parametrize(
    ("patches", "blobs"),
    [
        ([CHANGE], {"mm/mmap.c": "1111111"}),
        ([CHANGE, AGAIN], {"mm/mmap.c": "1111111"}),
        ([CHANGE + NEW], {"mm/mmap.c": "1111111", "mm/new.c": ABSENT}),
        ([NEW, NEW.replace("new file mode 100644\n", "").replace("0000000..4444444", "4444444..8888888 100644")],
         {"mm/new.c": ABSENT}),
        ([REMOVED], {"mm/old.c": "5555555"}),
        ([REMOVED, NEW.replace("new.c", "old.c")], {"mm/old.c": "5555555"}),
        ([RENAMED], {"mm/from.c": "6666666", "mm/to.c": ABSENT}),
        ([PLAIN], {}),
        ([MODE], {}),
        ([CHANGE.replace("1111111..2222222", "x..y")], {}),
        (["index 1111111..2222222 100644\n" + CHANGE], {"mm/mmap.c": "1111111"}),
        ([f"diff --git is what git writes\n\n{CHANGE}"], {"mm/mmap.c": "1111111"}),
    ],
)  # fmt: skip
def test_the_blob_ids_are_those_of_the_files_before_the_series(patches: list[str], blobs: dict[str, str]) -> None:
    assert stated_by(patches).blobs == blobs


@pytest.mark.parametrize(
    ("mail", "commits"),
    [
        (f"{CHANGE}\nbase-commit: {C40}\n-- \n2.39.5\n", (C40,)),
        (f"{CHANGE}\nbase-commit: {C40}\r\n", (C40,)),
        (f"{CHANGE}\nbase-commit: {C40[:39]}\n", ()),
        (f"> base-commit: {C40}\n{CHANGE}", ()),
        (CHANGE.replace("+b", f"+base-commit: {C40}"), ()),
        (f"{CHANGE}\nbase-commit: {'a' * 64}\n", ("a" * 64,)),
    ],
)
def test_the_trailer_of_the_base_is_a_line_of_its_own(mail: str, commits: tuple[str, ...]) -> None:
    assert stated_by([mail]).commits == commits
    assert stated_by([CHANGE], [mail]).commits == commits


def test_prerequisites_keep_their_order() -> None:
    ids = ("b" * 40, "a" * 40)
    letter = f"base-commit: {C40}\n" + "".join(f"prerequisite-patch-id: {one}\n" for one in ids)
    assert stated_by([CHANGE], [letter]).prerequisites == ids


def test_all_files_are_named_also_without_blob_ids() -> None:
    assert stated_by([CHANGE + NEW, PLAIN, MODE]).files == ("mm/mmap.c", "mm/new.c", "scripts/x")


@pytest.mark.parametrize(
    ("makefile", "version"),
    [
        ("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n", (7, 3, 4, 1000)),
        ("VERSION = 7\nPATCHLEVEL = 4\nSUBLEVEL = 0\nEXTRAVERSION = -rc2\n", (7, 4, 0, 2)),
        ("VERSION = 6\nPATCHLEVEL = x\nSUBLEVEL = 1\nEXTRAVERSION = -dev\n", (6, 0, 1, 1000)),
        ("all:\n", ()),
        ("", ()),
    ],
)
def test_the_version_of_a_kernel_is_that_of_its_makefile(makefile: str, version: tuple[int, ...]) -> None:
    assert version_of(makefile) == version
