# SPDX-License-Identifier: GPL-2.0-only
"""Patch series on a toy tree with the real git: success, refusals, and their messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import PatchError
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.kernel.clone import clone
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.patch.diff import hunk_number
from orchestrator.kernel.patch.series import apply, check_series, fit_series, read_patch, read_patches, read_series
from orchestrator.kernel.patch.store import LARGEST
from tests.fakes import FakeHost

DIGESTS = {
    "mapping-order": "4c79f80689087c3c",
    "mm-align": "4c79ba0e81524f02",
    "mremap-pud": "24427a26b17a79dc",
    "no-huge": "93d5222719b446c0",
    "pud-split": "83c07ebe800f8a35",
    "vfio-size": "901184910f8f0018",
    "vfio-thp": "f38c50795716e5cb",
}
"""The digests of the released patches; an intentional change needs a new one."""

LINES = [f"line {number}" for number in range(1, 41)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "mm").mkdir(parents=True)
    (tree / "mm/mmap.c").write_text("\n".join(LINES) + "\n")
    (tree / "Makefile").write_text("VERSION = 7\n")
    return tree


def hunk(number: int, old: str, new: str) -> str:
    """Return a hunk that changes line `number`, with one line of context on each side."""
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
    LocalHost().run(Command(("git", "init", "-q", str(tmp_path))))
    apply(LocalHost(), tree, read_patch(write(tmp_path, diff(hunk(5, "line 5", "five")))), "huge")
    assert "five" in (tree / "mm/mmap.c").read_text()


def test_the_sentence_names_kernel_patch_file_hunk_and_line(tree: Path, tmp_path: Path) -> None:
    patch = read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), hunk(30, "line XX", "thirty"))))
    with pytest.raises(PatchError) as caught:
        check_series(LocalHost(), tree, (patch,), "huge")
    message = str(caught.value)
    assert "kernel 'huge': patch 0001-change.patch does not apply: mm/mmap.c, hunk 2 (line 29)" in message


def test_a_failed_patch_changes_nothing(tree: Path, tmp_path: Path) -> None:
    patch = read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), hunk(30, "line XX", "thirty"))))
    with pytest.raises(PatchError):
        apply(LocalHost(), tree, patch, "huge")
    assert (tree / "mm/mmap.c").read_text() == "\n".join(LINES) + "\n"


def test_a_missing_file_means_another_version(tree: Path, tmp_path: Path) -> None:
    patch = read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), file="mm/vma.c")))
    with pytest.raises(PatchError, match=r"this source has no file mm/vma\.c; the patch is for another version"):
        check_series(LocalHost(), tree, (patch,), "huge")


def test_a_new_file_that_exists_already_is_reported_in_gits_words(tree: Path, tmp_path: Path) -> None:
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
    assert [patch.path.name for patch in read_series(LocalHost(), place)] == ["second.patch", "first.patch"]


def test_the_second_patch_may_depend_on_the_first(tree: Path, tmp_path: Path) -> None:
    place = series(tmp_path, one=diff(hunk(5, "line 5", "five")), two=diff(hunk(5, "five", "fünf")))
    patches = read_series(LocalHost(), place)
    check_series(LocalHost(), tree, patches, "huge")
    assert "line 5" in (tree / "mm/mmap.c").read_text(), "a check writes nothing"
    for patch in patches:
        apply(LocalHost(), tree, patch, "huge")
    assert "fünf" in (tree / "mm/mmap.c").read_text()


def test_the_patch_of_a_series_that_fails_is_the_one_named(tree: Path, tmp_path: Path) -> None:
    place = series(tmp_path, one=diff(hunk(5, "line 5", "five")), two=diff(hunk(5, "line 5", "again")))
    with pytest.raises(PatchError, match=r"patch two\.patch does not apply: mm/mmap\.c, hunk 1 \(line 4\)"):
        check_series(LocalHost(), tree, read_series(LocalHost(), place), "huge")


def test_no_patches_need_no_git() -> None:
    host = FakeHost()
    check_series(host, Path("/nowhere"), (), "base")
    assert not host.calls


def test_a_series_that_names_no_existing_patch_says_so(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("gone.patch\n")
    with pytest.raises(PatchError, match=r"gone\.patch: the series names this patch, but there is no such file"):
        read_series(LocalHost(), tmp_path)


def test_a_directory_without_a_series_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="no patch series here; list the patches"):
        read_series(LocalHost(), tmp_path)


@pytest.mark.parametrize("name", ['"b/\\056\\056/x"', '"b/.\\56/x"', "b/mm/../../x", "b//etc/../../x", "../b/x"])
@pytest.mark.parametrize("how", ["+++ {}\n@@ -0,0 +1 @@\n+x\n", "rename from Makefile\nrename to {}\n"])
def test_names_in_quotes_and_of_renames_are_read_as_git_reads_them(tmp_path: Path, name: str, how: str) -> None:
    text = "diff --git a/x b/x\n" + ("new file mode 100644\n--- /dev/null\n" if "+++" in how else "") + how.format(name)
    with pytest.raises(PatchError, match="outside of the source tree"):
        read_patch(write(tmp_path, text))


@pytest.mark.parametrize("verb", ["copy from", "copy to", "rename old", "rename new"])
def test_no_verb_that_git_knows_leads_out_of_the_tree(tmp_path: Path, verb: str) -> None:
    text = f"diff --git a/x b/x\nsimilarity index 100%\n{verb} /etc/passwd\n"
    with pytest.raises(PatchError, match="'/etc/passwd', which is outside of the source tree"):
        read_patch(write(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".git/hooks/post-checkout", "which is git's own"),
        ("mm/.GIT/config", "which is git's own"),
        ("mm//x", "which is no name of a file"),
        ("./x", "which is no name of a file"),
        ("mm/\x1b[31m", "which is no name of a file"),
    ],
)
def test_names_that_no_kernel_source_has_are_refused(tmp_path: Path, name: str, expected: str) -> None:
    with pytest.raises(PatchError, match=expected):
        read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), file=name)))


def test_the_path_prefix_cannot_be_made_to_vanish(tree: Path, tmp_path: Path) -> None:
    """Without -p1, git guesses the prefix, and a/mm/mmap.c would be a new file.

    It guesses from the first file.
    """
    first = "--- Makefile\n+++ Makefile\n@@ -1 +1 @@\n-VERSION = 7\n+VERSION = 8\n"
    with pytest.raises(PatchError, match="has no a/ or b/ before it"):
        read_patch(write(tmp_path, first + diff(hunk(5, "line 5", "five"))))


def test_nothing_that_is_applied_is_left_out_of_the_digest(tmp_path: Path) -> None:
    first = "--- linux/Makefile\n+++ linux/Makefile\n@@ -1 +1 @@\n-VERSION = 7\n+VERSION = 8\n"
    assert read_patch(write(tmp_path, first)).files == ("Makefile",)
    with pytest.raises(PatchError, match="its first file is not named as git does it"):
        read_patch(write(tmp_path, first + diff(hunk(5, "line 5", "five"))))


def test_lines_that_only_look_like_headers_are_no_headers(tree: Path, tmp_path: Path) -> None:
    (tree / "mm/mmap.c").write_text("line 1\n-- ../x\nline 3\n")
    message = "rename to ../x\nBinary files a/x and b/x differ\nindex 1..2 120000\n"
    text = message + diff("@@ -1,3 +1,3 @@\n line 1\n--- ../x\n+++ ../y\n line 3\n")
    patch = read_patch(write(tmp_path, text))
    assert patch.files == ("mm/mmap.c",)
    apply(LocalHost(), tree, patch, "huge")
    assert (tree / "mm/mmap.c").read_text() == "line 1\n++ ../y\nline 3\n"


def test_a_new_empty_file_and_a_new_mode_are_patches(tree: Path, tmp_path: Path) -> None:
    text = "diff --git a/mm/new.c b/mm/new.c\nnew file mode 100644\nindex 0000000..e69de29\n"
    text += "diff --git a/Makefile b/Makefile\nold mode 100644\nnew mode 100755\n"
    patch = read_patch(write(tmp_path, text))
    assert patch.files == ("mm/new.c", "Makefile")
    apply(LocalHost(), tree, patch, "huge")
    assert (tree / "mm/new.c").read_text() == ""
    assert (tree / "Makefile").stat().st_mode & 0o100


def test_a_patch_does_not_write_through_a_link_of_the_tree(tree: Path, tmp_path: Path) -> None:
    """The tree has links like those in scripts/dtc/include-prefixes."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.c").write_text("\n".join(LINES) + "\n")
    (tree / "links").mkdir()
    (tree / "links/arm").symlink_to(outside)
    patch = read_patch(write(tmp_path, diff(hunk(5, "line 5", "five"), file="links/arm/x.c")))
    with pytest.raises(PatchError, match=r"changes links/arm/x\.c, and links/arm is a symbolic link in this source"):
        check_series(LocalHost(), tree, (patch,), "huge")
    with pytest.raises(PatchError, match="beyond a symbolic link"):
        apply(LocalHost(), tree, patch, "huge")
    assert "five" not in (outside / "x.c").read_text()


def test_a_patch_does_not_change_where_a_link_leads(tree: Path, tmp_path: Path) -> None:
    (tree / "link").symlink_to("Makefile")
    end = "\\ No newline at end of file\n"
    text = f"--- a/link\n+++ b/link\n@@ -1 +1 @@\n-Makefile\n{end}+/etc\n{end}"
    patch = read_patch(write(tmp_path, text))
    expected = r"patch 0001-change\.patch changes link, and link is a symbolic link in this source"
    with pytest.raises(PatchError, match=expected):
        check_series(LocalHost(), tree, (patch,), "huge")
    with pytest.raises(PatchError, match=expected):
        fit_series(LocalHost(), tmp_path / "cache", SourceTree("x", "7.3", tree), (patch,), "huge")


def test_the_cache_has_what_was_read_whatever_becomes_of_the_file(tree: Path, tmp_path: Path) -> None:
    path = write(tmp_path, diff(hunk(5, "line 5", "five")), "my odd name;.patch")
    source = SourceTree("x", "7.3", tree)
    (patch,) = read_patches(LocalHost(), tmp_path / "cache", (path,), source, where="s.yaml:3")
    path.write_text("changed meanwhile")
    assert patch.path.parent.parent == tmp_path / "cache/patches"
    assert patch.path.name == "my-odd-name.patch"
    apply(LocalHost(), tree, patch, "huge")
    assert "five" in (tree / "mm/mmap.c").read_text()
    patch.path.write_text("cut")
    path.write_bytes(patch.data)
    (again,) = read_patches(LocalHost(), tmp_path / "cache", (path,), source, where="s.yaml:3")
    assert again.path.read_bytes() == patch.data, "what is damaged in the cache is not used"
    assert not list((tmp_path / "cache/work").iterdir())


def test_a_missing_newline_at_the_end_does_not_hide_the_next_patch(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "a.patch").write_text(diff(hunk(5, "line 5", "five")).rstrip("\n"))
    (tmp_path / "b.patch").write_text(diff(hunk(30, "line XX", "thirty")))
    patches = (read_patch(tmp_path / "a.patch"), read_patch(tmp_path / "b.patch"))
    check_series(LocalHost(), tree, patches[:1], "huge")
    with pytest.raises(PatchError, match=r"patch b\.patch does not apply"):
        check_series(LocalHost(), tree, patches, "huge")


def test_a_missing_newline_at_the_end_does_not_fail_the_build_later(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "a.patch").write_text(diff(hunk(5, "line 5", "five")).rstrip("\n"))
    (patch,) = read_patches(
        LocalHost(), tmp_path, (tmp_path / "a.patch",), SourceTree("x", "x", tree), where="s.yaml:3"
    )
    apply(LocalHost(), tree, patch, "huge")
    assert "five" in (tree / "mm/mmap.c").read_text()


def test_a_series_without_a_patch_is_not_taken_for_the_kernel_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("# 0001-mine.patch\n\n")
    with pytest.raises(PatchError, match=r"/series: lists no patch, and the kernel would be built without"):
        read_series(LocalHost(), tmp_path)


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
        "diff --git a/l b/l\nnew file mode 120000 \n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n",
        "diff --git a/l b/l\nnew file mode  \t0120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n",
        "diff --git a/l b/l\ndeleted file mode 120000\n--- a/l\n+++ /dev/null\n@@ -1 +0,0 @@\n-/etc\n",
        "diff --git a/l b/l\nold mode 120000\nnew mode 100644\n",
        "diff --git a/l b/l\nnew file mode 040000\n",
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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x7fELF\xff\xfe", "holds no diff"),
        (b"\x7fELF\0\0", "holds NUL bytes"),
        (diff(hunk(5, "line 5", "a\0b")).encode(), "holds NUL bytes"),
        (b"\x1f\x8b\x08\0abc", "is compressed; unpack it first"),
        (diff("@@ -1,3 +1,3 @@\n line 1\n-line 2\n").encode(), "the hunk at line 4 is broken off or damaged at line 7"),
        (diff("@@ -1,3 +1,3 @@\n line 1\nline 2\n").encode(), "the hunk at line 4 is broken off or damaged at line 6"),
        (b"@@ -1 +1 @@\n-a\n+b\n", "line 1 begins a hunk, and no file is named before it"),
        (diff(hunk(5, "line 5", "five")).replace("\n", "\r\n").encode(), "convert it with dos2unix"),
        (b"diff --cc mm/mmap.c\n--- a/mm/mmap.c\n+++ b/mm/mmap.c\n@@@ -1,1 -1,1 +1,1 @@@\n", "diff of a merge"),
    ],
)
def test_what_is_no_whole_text_patch_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "x.patch").write_bytes(content)
    with pytest.raises(PatchError, match=rf"x\.patch: .*{expected}"):
        read_patch(tmp_path / "x.patch")


def test_a_gigantic_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "x.patch").open("wb") as file:
        file.truncate(LARGEST * 1000)
    with pytest.raises(PatchError, match="more than 100 MiB"):
        read_patch(tmp_path / "x.patch")


def test_a_patch_in_another_encoding_is_applied_byte_for_byte(tree: Path, tmp_path: Path) -> None:
    (tree / "mm/mmap.c").write_bytes("line 1\n/* J\xf6rg */\nline 3\n".encode("latin-1"))
    text = diff("@@ -1,3 +1,3 @@\n line 1\n-/* J\xf6rg */\n+/* J\xfcrgen */\n line 3\n")
    (tmp_path / "x.patch").write_bytes(f"From: J\xf6rg\n\n{text}".encode("latin-1"))
    patch = read_patch(tmp_path / "x.patch")
    assert patch.data == (tmp_path / "x.patch").read_bytes()
    check_series(LocalHost(), tree, (patch,), "huge")
    apply(LocalHost(), tree, patch, "huge")
    assert (tree / "mm/mmap.c").read_bytes() == "line 1\n/* J\xfcrgen */\nline 3\n".encode("latin-1")
    other = tmp_path / "y.patch"
    other.write_bytes(patch.data.replace(b"\xfc", b"\xfd"))
    assert read_patch(other).digest != patch.digest


def test_a_patch_of_a_file_with_dos_line_ends_is_applied(tree: Path, tmp_path: Path) -> None:
    (tree / "mm/mmap.c").write_bytes(b"line 1\r\nline 2\r\nline 3\r\n")
    text = diff("@@ -1,3 +1,3 @@\n line 1\r\n-line 2\r\n+two\r\n line 3\r\n")
    (tmp_path / "x.patch").write_bytes(text.encode())
    apply(LocalHost(), tree, read_patch(tmp_path / "x.patch"), "huge")
    assert (tree / "mm/mmap.c").read_bytes() == b"line 1\r\ntwo\r\nline 3\r\n"


def test_the_digests_of_orchs_own_patches_are_as_ever() -> None:
    folder = Path(__file__).parents[4] / "kernels/patches"
    digests = {path.parent.name: read_patch(path).digest[:16] for path in folder.glob("*/*.patch")}
    assert DIGESTS.items() <= digests.items(), "they are in the keys of everybody's cache"


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
        read_series(LocalHost(), tmp_path)
