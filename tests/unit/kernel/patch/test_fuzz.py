# SPDX-License-Identifier: GPL-2.0-only
"""Any input is refused in one sentence, or read as git reads it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestrator.errors import PatchError
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.kernel.patch.b4 import asker
from orchestrator.kernel.patch.choose import choose
from orchestrator.kernel.patch.diff import NotAPatch
from orchestrator.kernel.patch.mbox import posts
from orchestrator.kernel.patch.message import threads
from orchestrator.kernel.patch.series import read_series

NAMES = [
    *("a/mm/mmap.c", "b/mm/mmap.c", "a/Makefile", "b/Makefile", "Makefile", "/dev/null", "../x", "a/../x", "/etc/x"),
    *(
        '"a/m\\303\\274"',
        '"b/\\056\\056/x"',
        "a/.git/config",
        "b/x y",
        "a//x",
        "",
        '"a/x',
        "a/x\t2026-11-21",
        "linux/x",
    ),
]
LINES = [
    *(f"diff --git {old} {new}" for old in NAMES[:4] for new in NAMES[:4]),
    *(
        f"{verb} {name}"
        for verb in ("---", "+++", "rename from", "rename to", "copy to", "rename old")
        for name in NAMES
    ),
    *("new file mode 100644", "new file mode 120000", "new file mode 0120000 ", "old mode 160000", "new mode 100755"),
    *("deleted file mode 100644", "deleted file mode 120000", "index 1..2 120000", "index 1..2", "index 1..2 100644"),
    *(
        "@@ -1 +1 @@",
        "@@ -1,2 +1,2 @@",
        "@@ -0,0 +1 @@",
        "@@ -1,9 +1 @@",
        "@@ -1 +0,0 @@",
        "@@ -x +1 @@",
        "@@@ -1 -1 +1 @@@",
    ),
    *(
        "-old",
        "+new",
        " same",
        "",
        "\\ No newline at end of file",
        "-- ",
        "--- a",
        "+++ b",
        "+\r",
        "\0",
        "\xff",
        "\ud800",
    ),
    *("GIT binary patch", "literal 1", "Binary files a/x and b/x differ", "similarity index 100%", "words", "---"),
]
HEADS = [
    *("From a@b Thu Jan  1 00:00:00 1970", "From 0123456789 Mon Sep 17 00:00:00 2001", ">From me", "From here on"),
    *("Subject: [PATCH 1/2] a", "Subject: [PATCH v2 2/2] b", "Subject: Re: [PATCH 1/2] a", "Subject: =?x-odd?q?=ff?="),
    *("Subject: =?utf-8?b?!!!?=", "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable"),
    *("Content-Type: multipart/mixed; boundary=x", "--x", "--x--", "Content-Type: text/plain; charset=odd", "=C3=BC="),
    *("Content-Type: message/rfc822", "Message-ID: <a@a>", "In-Reply-To: <b@a>", "References: <a@a> <b@a>", "Date: x"),
    *("From: \xff <a@a>", "Subject:", "Content-Type: ;;;", "Content-Type: text/plain; charset*=''%ff"),
]
WHOLE = [
    ["diff --git a/mm/mmap.c b/mm/mmap.c", "--- a/mm/mmap.c", "+++ b/mm/mmap.c", "@@ -1 +1 @@", "-old", "+new"],
    ["diff --git a/x b/x", "new file mode 100644", "--- /dev/null", "+++ b/x", "@@ -0,0 +1 @@", "+new"],
    ["diff --git a/x b/y", "similarity index 100%", "rename from x", "rename to y"],
    ["--- a/Makefile", "+++ b/Makefile", "@@ -1,2 +1,2 @@", "-old", "+new", " same"],
]


def joined(blocks: list[list[str]], end: str) -> bytes:
    return (end.join(line for block in blocks for line in block) + end).encode("utf-8", "surrogatepass")


def blocks(*more: list[str]) -> st.SearchStrategy[list[list[str]]]:
    """Return texts of whole changes, single lines of changes and other blocks, in any order."""
    single = st.sampled_from(LINES + [line for lines in more for line in lines]).map(lambda line: [line])
    return st.lists(st.one_of(single, st.sampled_from(WHOLE)), max_size=14)


ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n"])


TWO_HALVES = b"diff --git a/mm/mmap.c a/mm/mmap.c\n" + b"rename from a/mm/mmap.c\n" * 2
HALF_A_RENAME = b"diff --git a/mm/mmap.c a/mm/mmap.c\n" * 2 + b"rename from a/mm/mmap.c\n"


@given(st.one_of(st.binary(max_size=200), st.builds(joined, blocks(HEADS, HEADS, [""] * 20), ENDS)))
@settings(max_examples=1500, deadline=None)
def test_no_file_makes_anything_but_patches_or_one_sentence(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "x.mbox")
        path.write_bytes(data)
        try:
            patches = read_series(LocalHost(), path)
        except PatchError as error:
            message = str(error)
            assert message.isprintable(), "one line, and no bytes that a terminal obeys"
            message.encode()
            return
    for patch in patches:
        assert patch.files
        assert patch.digest
        assert not any(".." in file.split("/") or file.startswith("/") for file in patch.files)


@given(st.builds(joined, blocks(HEADS, [""] * 20), ENDS))
@settings(max_examples=600, deadline=None)
def test_any_bytes_are_messages(data: bytes) -> None:
    try:
        found = posts(data)
    except NotAPatch:
        return
    assert all(post.raw in data for post in found)
    assert len(threads(found, "a@a")) <= len(found)
    try:
        chosen = choose(found, "x.mbox", asker(LocalHost())).patches
    except PatchError:
        return
    assert all(post.is_patch for post in chosen)


@given(st.builds(joined, blocks(), ENDS))
@example(HALF_A_RENAME)
@example(TWO_HALVES)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_git_sees_no_file_link_or_binary_that_we_did_not_see(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "x.patch")
        path.write_bytes(data)
        try:
            (patch,) = read_series(LocalHost(), path)
        except PatchError:
            return
        argv = ("git", "-C", place, "apply", "-p1", "--numstat", "--summary", "-z", path.name)
        done = LocalHost().run(Command(argv, env={"GIT_DIR": "/nonexistent", "LC_ALL": "C"}))
    if done.ok:
        assert "mode 12" not in done.output
        assert "mode 16" not in done.output
        assert "-\t-\t" not in done.output
        for line in done.output.split("\0"):
            if line[:1].isdigit() and line.count("\t") == 2:
                assert line.rpartition("\t")[2] in patch.files
