# SPDX-License-Identifier: GPL-2.0-only
"""The choice of patches in mailboxes, compared with a table and the real ``b4 am``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.errors import PatchError
from orchestrator.host.base import Command, Host
from orchestrator.kernel.patch.b4 import environment
from orchestrator.kernel.patch.series import Reader
from orchestrator.kernel.patch.subject import read_subject
from tests.unit.kernel.patch.forked_b4 import ForkedB4

ANN, BEN = "Ann <ann@example.org>", "Ben <ben@example.org>"


@dataclass(frozen=True)
class Mail:
    """One message: `new` is the line that it adds, or ""; `at` is its hour."""

    subject: str
    new: str = ""
    id: str = ""
    answers: str = ""
    sender: str = ANN
    at: int = 10
    file: str = "f"
    words: str = "Why.\n"

    def text(self, index: int) -> str:
        """Return the message as in a list archive."""
        name = self.file
        diff = (
            f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-old\n+{self.new}\n-- \n2.43.0\n"
        )
        stat = f"---\n {name} | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\n"
        thread = f"In-Reply-To: <{self.answers}>\n" if self.answers else ""
        return (
            f"From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: {self.sender}\n"
            f"Date: Mon, 2 Nov 2026 {self.at:02}:00:00 +0000\nMessage-ID: <{self.id or f'm{index}@a'}>\n{thread}"
            f"Subject: {self.subject}\n\n{self.words}{stat + diff if self.new else ''}\n\n"
        )


@dataclass(frozen=True)
class Row:
    """A mailbox with `mails`, and the expected result.

    `gives` are the added lines in order, or the text of the refusal.  `b4` is what b4 does if that is wrong: then orch
    does something else.
    """

    name: str
    mails: tuple[Mail, ...]
    gives: tuple[str, ...] | str
    says: str = ""
    b4: str = field(default="")


M = Mail
BOTH = "b4 applies both"
TABLE = [
    Row("one series", (M("[PATCH 1/2] a", "1"), M("[PATCH 2/2] b", "2")), ("1", "2"), "version 1, 2 of 2 patches, 'a'"),
    Row("order of the mailbox", (M("[PATCH 2/2] b", "2"), M("[PATCH 1/2] a", "1")), ("1", "2")),
    Row(
        "list name",
        (M("[Qemu-devel] [PATCH v2 2/2] b", "2"), M("[Qemu-devel] [PATCH v2 1/2] a", "1")),
        ("1", "2"),
        "version 2",
    ),
    Row(
        "list name, missing",
        (M("[l] [PATCH v2 2/3] b", "2"), M("[l] [PATCH v2 1/3] a", "1")),
        "of version 2 of the series, 3/3 is not there",
        b4="warns only",
    ),
    Row(
        "PATCHv3",
        (M("[PATCH v2] a", "2"), M("[PATCHv3] a", "3", at=11)),
        ("3",),
        "version 3, 1 of 1 patch, 'a', from Ann <ann@example.org>; 1 patch left out (version 2)",
    ),
    Row(
        "PATCH1/3",
        (M("[PATCH3/3] c", "3"), M("[PATCH1/3] a", "1"), M("[PATCH2/3] b", "2")),
        ("1", "2", "3"),
        b4="loses one of three",
    ),
    Row(
        "PATCH1/3, missing",
        (M("[PATCH1/3] a", "1"), M("[PATCH3/3] c", "3")),
        "of version 1 of the series, 2/3 is not there",
        b4=BOTH,
    ),
    Row(
        "v2 with a comma",
        (M("[PATCH v2,1/2] a", "1"), M("[PATCH v2,2/2] b", "2")),
        ("1", "2"),
        "version 2",
        b4="takes both for 1/1, in the wrong order",
    ),
    Row("stable tree", (M("[PATCH v6.6 1/2] a", "1"), M("[PATCH v6.6 2/2] b", "2")), ("1", "2"), "version 1, 2 of 2"),
    Row("stable tree, two versions", (M("[PATCH 6.6] a", "1"), M("[PATCH 6.6 v2] a", "2", at=11)), ("2",), "version 2"),
    Row(
        "stable 6.6.y beside v1",
        (M("[PATCH 6.6.y 1/2] a", "1"), M("[PATCH 6.6.y 2/2] b", "2")),
        ("1", "2"),
        "version 1",
    ),
    Row(
        "stable v6.12 is no version 12",
        (M("[PATCH v6.12] a", "1"), M("[PATCH v6.12 v2] a", "2", at=11)),
        ("2",),
        "version 2",
    ),
    Row(
        "RFC with leading zeros",
        tuple(M(f"[RFC PATCH v2 {n:02}/12] p{n}", f"{n}") for n in range(12, 0, -1)),
        tuple(f"{n}" for n in range(1, 13)),
        "12 of 12",
    ),
    Row(
        "a tree's name",
        (M("[PATCH net-next v3 1/2] a", "1"), M("[PATCH net-next v3 2/2] b", "2")),
        ("1", "2"),
        "version 3",
    ),
    Row(
        "version behind the number",
        (M("[PATCH 1/1] a", "1"), M("[PATCH 1/1 v3] a", "3", at=12), M("[PATCH 1/1 v2] a", "2", at=11)),
        ("3",),
        "version 3",
    ),
    Row("version in lower and upper case", (M("[PATCH V2 1/1] a", "2", at=11), M("[patch v1 1/1] a", "1")), ("2",)),
    Row(
        "version behind the title",
        (M("[PATCH 1/1] a", "1"), M("[PATCH 1/1] a v2", "2", at=11)),
        ("2",),
        "version 2",
        b4=BOTH,
    ),
    Row(
        "version behind the title, single", (M("[PATCH] a", "1"), M("[PATCH] a (v2)", "2", at=11)), ("2",), "version 2"
    ),
    Row(
        "version as a word of the title",
        (M("[PATCH 1/2] fix cgroup v1", "1"), M("[PATCH 2/2] fix cgroup v2", "2")),
        ("1", "2"),
    ),
    Row("two tags", (M("[RESEND][PATCH 1/2] a", "1"), M("[RESEND][PATCH 2/2] b", "2")), ("1", "2")),
    Row(
        "patchwork's form",
        (M("[v2,1/2] a", "1"), M("[v2,2/2] b", "2")),
        ("1", "2"),
        "version 2",
        b4="takes both for 1/1",
    ),
    Row(
        "tag behind the title",
        (M("a [PATCH v2 1/1]", "2", at=11), M("a [PATCH 1/1]", "1")),
        ("2",),
        "version 2",
        b4=BOTH,
    ),
    Row(
        "resend",
        (
            M("[PATCH 1/2] a", "1"),
            M("[PATCH 2/2] b", "2"),
            M("[PATCH RESEND 1/2] a", "1", at=11),
            M("[PATCH RESEND 2/2] b", "2", at=11),
        ),
        ("1", "2"),
        "2 of 2",
        b4="mixes them, and misses 4/3",
    ),
    Row(
        "resend that was changed",
        (
            M("[PATCH 1/2] a", "1"),
            M("[PATCH 2/2] b", "2"),
            M("[RESEND PATCH 1/2] a", "one", at=11),
            M("[RESEND PATCH 2/2] b", "2", at=11),
        ),
        ("one", "2"),
        b4="mixes them",
    ),
    Row(
        "partial reroll",
        (M("[PATCH 1/2] a", "1"), M("[PATCH 2/2] b", "2", "p2@a"), M("[PATCH v2 2/2] b", "TWO", answers="p2@a", at=11)),
        ("1", "TWO"),
        "a partial reroll, with 1/2 of version 1",
    ),
    Row(
        "partial reroll twice",
        (
            M("[PATCH 1/2] a", "1", "p1@a"),
            M("[PATCH 2/2] b", "2", "p2@a"),
            M("[PATCH v2 2/2] b", "TWO", "q2@a", answers="p2@a", at=11),
            M("[PATCH v3 1/2] a", "ONE", answers="p1@a", at=12),
        ),
        ("ONE", "TWO"),
        "with 2/2 of version 2",
    ),
    Row(
        "partial reroll below a reply",
        (
            M("[PATCH 1/2] a", "1"),
            M("[PATCH 2/2] b", "2", "p2@a"),
            M("Re: [PATCH 2/2] b", "", "r@a", "p2@a", BEN),
            M("[PATCH v2 2/2] b", "TWO", answers="r@a", at=11),
        ),
        ("1", "TWO"),
    ),
    Row(
        "part of a version, no reroll",
        (M("[PATCH 1/2] a", "1"), M("[PATCH 2/2] b", "2"), M("[PATCH v2 2/2] b", "TWO", at=11)),
        "of version 2 of the series, 1/2 is not there",
        b4="warns only",
    ),
    Row(
        "a reply with a diff",
        (M("[PATCH] a", "1", "p@a"), M("Re: [PATCH] a", "better", answers="p@a", sender=BEN)),
        ("1",),
    ),
    Row(
        "a reply behind the list name",
        (M("[l] [PATCH] a", "1", "p@a"), M("[l] Re: [PATCH] a", "better", answers="p@a", sender=BEN)),
        ("1",),
        b4=BOTH,
    ),
    Row(
        "a reply in another language",
        (
            M("[PATCH] a", "1", "p@a"),
            M("AW: [PATCH] a", "x", answers="p@a", sender=BEN),
            M("SV: [PATCH] a", "y", answers="p@a", sender=BEN),
        ),
        ("1",),
    ),
    Row(
        "a diff without a tag",
        (M("[PATCH] a", "1", "p@a"), M("try this", "x", answers="p@a", sender=BEN)),
        ("1",),
        b4=BOTH,
    ),
    Row(
        "a fix without Re:",
        (M("[PATCH 1/1] a", "1", "p@a"), M("[PATCH] fix it", "x", answers="p@a", sender=BEN)),
        "patches of several series of version 1",
        b4=BOTH,
    ),
    Row("cover letter", (M("[PATCH 0/1] c", "", "c@a"), M("[PATCH 1/1] a", "1", answers="c@a")), ("1",)),
    Row(
        "version of the cover letter only",
        (
            M("[PATCH 0/1] c", "", "c@a"),
            M("[PATCH 1/1] a", "1", answers="c@a"),
            M("[PATCH v2 0/1] c", "", "d@a", at=11),
            M("[PATCH 1/1] a", "2", answers="d@a", at=11),
        ),
        ("2",),
        "version 2",
        b4=BOTH,
    ),
    Row(
        "first missing",
        (M("[PATCH 0/3] c"), M("[PATCH 2/3] b", "2"), M("[PATCH 3/3] c", "3")),
        "1/3 is not there",
        b4="warns only",
    ),
    Row(
        "many missing",
        (M("[PATCH 0/30] c"), M("[PATCH 2/30] b", "2")),
        r"1/30, 3/30, .*9/30, … is not there",
        b4="warns only",
    ),
    Row("the same mail over two lists", (M("[l] [PATCH] a", "1", "p@a"), M("[m] [PATCH] a", "1", "p@a")), ("1",)),
    Row(
        "one id, two patches",
        (M("[PATCH] a", "1", "p@a"), M("[PATCH] a", "2", "p@a")),
        "two messages with the id p@a, and their patches differ",
        b4="takes the first",
    ),
    Row("the same patch twice", (M("[PATCH 1/1] a", "1"), M("[PATCH 1/1] a", "1")), ("1",), b4=BOTH),
    Row(
        "two patches of one number",
        (M("[PATCH 1/1] a", "1"), M("[PATCH 1/1] a", "2")),
        "two patches 1/1 of version 1",
        b4=BOTH,
    ),
    Row(
        "three versions out of order",
        (M("[PATCH v2] a", "2", at=11), M("[PATCH v3] a", "3", at=12), M("[PATCH] a", "1")),
        ("3",),
        "version 3",
    ),
    Row(
        "ten is more than nine", (M("[PATCH v10] a", "10", at=12), M("[PATCH v9] a", "9", at=11)), ("10",), "version 10"
    ),
    Row(
        "the newest first, same time",
        (M("[PATCH v2] a", "2"), M("[PATCH] a", "1")),
        ("2",),
        b4="decides by the place in the box",
    ),
    Row(
        "an older version sent later",
        (M("[PATCH v2] a", "2", at=10), M("[PATCH] a", "1", at=11)),
        "version 1 was sent after version 2",
        b4="takes version 1",
    ),
    Row(
        "retitled, in the thread",
        (M("[PATCH] a", "1", "p@a"), M("[PATCH v2] better a", "2", answers="p@a", at=11)),
        ("2",),
    ),
    Row("retitled, the same file", (M("[PATCH] a", "1"), M("[PATCH v2] better a", "2", at=11)), ("2",)),
    Row(
        "single patches of one author",
        (M("[PATCH] a", "1"), M("[PATCH] b", "2", at=11)),
        ("1", "2"),
        "version 1, 2 of 2",
        b4="takes the last for version 2",
    ),
    Row(
        "single patches, one in two versions",
        (M("[PATCH] a", "1", file="f"), M("[PATCH] b", "2", file="g"), M("[PATCH v2] a", "A", file="f", at=11)),
        ("2", "A"),
        b4="takes version 2 of one, and leaves out the other",
    ),
    Row("sent again without v2", (M("[PATCH] a", "1"), M("[PATCH] a", "2", at=11)), ("2",)),
    Row(
        "two series of two authors",
        (M("[PATCH 1/1] a", "1"), M("[PATCH v2 1/1] b", "2", sender=BEN, file="g", at=11)),
        "patches of several series: 'a', 'b'; an mbox is one series",
        b4="takes the later",
    ),
    Row(
        "two series of one length",
        (M("[PATCH 1/2] a", "1"), M("[PATCH 2/2] b", "2", sender=BEN)),
        "patches of several series of version 1",
        b4="mixes them",
    ),
    Row(
        "one more than the series has",
        (M("[PATCH 1/2] a", "1"), M("[PATCH 2/2] b", "2"), M("[PATCH 3/2] c", "3")),
        ("1", "2", "3"),
    ),
    Row(
        "encoded subject",
        (M("=?utf-8?q?=5BPATCH_v2_1/1=5D_gr=C3=B6=C3=9Fer?=", "2", at=11), M("[PATCH 1/1] x", "1")),
        ("2",),
        "version 2, 1 of 1 patch, 'größer'",
    ),
    Row(
        "encoded sender",
        (
            M("[PATCH] a", "1", sender="=?utf-8?q?J=C3=B6rg?= <j@x>"),
            M("[PATCH v2] a", "2", sender="=?utf-8?q?J=C3=B6rg?= <j@x>", at=11),
        ),
        ("2",),
        "from Jörg <j@x>",
    ),
    Row("folded subject", (M("[PATCH v2\n 1/2] a", "1"), M("[PATCH v2\n\t2/2]\n b", "2")), ("1", "2"), "version 2"),
    Row(
        "escapes in a subject",
        (M("[PATCH v2] \x1b[31mred", "2"), M("[PATCH] \x1b[31mred", "1")),
        ("2",),
        r"'\x1b[31mred'",
        b4="fails at it",
    ),
    Row("a revert", (M('[PATCH 1/2] Revert "a"', "1"), M("[PATCH 2/2] Reapply b", "2")), ("1", "2")),
    Row("no patch", (M("[PATCH 0/2] c"), M("Re: [PATCH 1/2] a", "1")), "no patch in the 2 messages there", b4="none"),
]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with ForkedB4() as forked:
        yield forked


def box(tmp_path: Path, mails: tuple[Mail, ...]) -> Path:
    path = tmp_path / "box.mbox"
    path.write_text("".join(mail.text(index) for index, mail in enumerate(mails)))
    return path


def brought(texts: list[str]) -> tuple[str, ...]:
    """Return the lines that the patches in `texts` add."""
    return tuple(line for text in texts for line in re.findall(r"^\+(?!\+)(.*)$", text, re.MULTILINE))


def chosen(host: Host, path: Path) -> tuple[tuple[str, ...], str]:
    """Return the lines that orch's choice adds, and its description."""
    notes: list[str] = []
    patches = Reader(host, None, notes.append).series(path)
    return brought([patch.diff for patch in patches]), "\n".join(notes)


def of_b4(host: Host, path: Path, work: Path) -> tuple[str, ...]:
    """Return the lines that the choice of the real b4 adds."""
    (work / "home").mkdir(parents=True)
    argv = (sys.executable, "-P", "-m", "b4.command", "--no-interactive", "--no-stdin", "--offline-mode")
    output = ("-c", "b4.attestation-policy=off", "am", "-m", str(path), "-o", str(work), "-n", "out.mbx", "--no-cover")
    host.run(Command((*argv, *output), cwd=work, env=environment(work / "home"), timeout=60))
    made = work / "out.mbx"
    return brought([made.read_text()]) if made.exists() else ()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_right_patches_are_taken_and_named(host: Host, tmp_path: Path, row: Row) -> None:
    path = box(tmp_path, row.mails)
    if isinstance(row.gives, str):
        with pytest.raises(PatchError, match=row.gives) as caught:
            chosen(host, path)
        assert str(caught.value).isprintable()
        return
    lines, notes = chosen(host, path)
    assert lines == row.gives
    assert row.says in notes
    assert notes.startswith("box.mbox: version ")
    assert notes.isprintable()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_b4_takes_the_same_or_is_known_to_be_wrong(host: Host, tmp_path: Path, row: Row) -> None:
    lines = of_b4(host, box(tmp_path, row.mails), tmp_path / "b4")
    if row.b4:
        assert lines != row.gives, f"b4 has changed: not '{row.b4}' any more"
    else:
        assert lines == row.gives


SUBJECTS = [
    *("[PATCH] a", "[PATCHv3] a", "[PATCHv2 1/3] a", "[PATCH v6.6] a", "[PATCH 6.6 v2 1/3] a", "[PATCH 6.6.y] a"),
    *("[PATCH v6.6.y v2 1/3] a", "[PATCH RESEND 1/2] a", "[RESEND][PATCH v4 02/12] a", "[RFC v2 1/2] a", "[RFC] a"),
    *("[Qemu-devel] [PATCH v2 2/3] a", "Re: [PATCH v2 1/2] a", "[PATCH 1/2 v3] a", "[v2 PATCH 1/3] a", "[PATCH V2] a"),
    *(
        "[PATCH] [v2] a",
        "[v2] [PATCH 1/2] a",
        "[PATCH 1/3] a v2",
        "[PATCH] a (v2)",
        "[PATCH v2] cgroup v2",
        "RE: [PATCH] a",
    ),
    *(
        "[PATCH v2 6/5] a",
        "AW: [PATCH 1/2] a",
        "[PATCH for-6.13/block 1/2] a",
        "[PATCH 5.10/5.15 1/2] a",
        "[PATCH 5.10] a",
    ),
    *("[PATCH AUTOSEL 6.6 12/14] a", "[PATCH v2.1 1/3] a", "[[PATCH] 1/2] a", "mm: fix [1/2] thing", "[GIT PULL] a"),
    *("[PATCH iproute2/net v2 1/2] a", "[PATCH 1/2] [media] a", "[PATCH -next v2] a", "[PATCH mm-unstable v2 1/2] a"),
    *(
        "[PATCH bpf-next v2 0/3] a",
        "[PATCHSET v2 0/3] a",
        "[PATCH v3 1/2]a",
        "[PATCH 1/2] mm: [x] a",
        "a",
        "",
        "[",
        "[]",
    ),
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_subjects_are_read_as_b4_reads_them(subject: str) -> None:
    b4 = pytest.importorskip("b4")
    own, other = read_subject(subject), b4.LoreSubject(subject)
    number = 1 if own.number is None else own.number
    read = (own.reply, own.version or 1, number, own.total or 1, own.resend)
    assert read == (other.reply, other.revision, other.counter, other.expected, other.resend)


@pytest.mark.parametrize(
    ("subject", "version", "number", "total"),
    [
        ("[PATCH1/3] a", None, 1, 3),
        ("[PATCH,v2,1/3] a", 2, 1, 3),
        ("[PATCH 1/3v2] a", 2, 1, 3),
        ("[PATCH-v2 1/3] a", 2, 1, 3),
        ("[PATCH (v2) 1/3] a", 2, 1, 3),
        ("[PATCH 1 of 3] a", None, 1, 3),
        ("[PATCH v2 1 / 2] a", 2, 1, 2),
        ("[PATCH take 2] a", 2, None, None),
        ("[PATCH version 3 1/2] a", 3, 1, 2),
        ("PATCH v2 1/2: a", 2, 1, 2),
        ("a [PATCH v2 1/2]", 2, 1, 2),
    ],
)
def test_forms_that_b4_does_not_know_are_read(subject: str, version: int | None, number: int, total: int) -> None:
    read = read_subject(subject)
    assert (read.version, read.number, read.total, read.title) == (version, number, total, "a")


BOXES = Path(__file__).parents[2] / "data/mail"
"""Mailboxes as they were sent: `SAMPLES` has the added lines of each, or the refusal."""
SAMPLES: dict[str, tuple[tuple[str, ...] | str, str]] = {
    "innerreply.mbox": (("new",), "version 1, 1 of 1 patch, 'vfio: a', from A Dev <a@example.org>"),
    "list-both.mbox": (("/* v2 end of one */", "/* v2 of two */"), "version 2, 2 of 2 patches, 'vfio: say one'"),
    "nospace.mbox": ("of version 1 of the series, 2/3 is not there; save the whole thread", ""),
    "octet.eml": (("new",), "version 1, 1 of 1 patch, 'vfio: fix', from A Dev"),
    "order.mbox": (("mid", "new"), "version 2, 2 of 2 patches, 'vfio: a'"),
    "partial.mbox": (("one", "TWO"), "version 2, 2 of 2 patches, 'vfio: a'"),
    "resend.mbox": (("one", "one"), "version 1, 2 of 2 patches, 'vfio: a'"),
    "single.mbox": (("two",), "version 2, 1 of 1 patch, 'vfio: place it'"),
    "v1v3.mbox": (("THREE", "THREE"), "version 3, 2 of 2 patches, 'vfio: a'"),
    "v2-and-patchv3.mbox": (("/* v2 end of one */", "/* v2 of two */"), "version 3, 2 of 2 patches, 'vfio: say one'"),
    "versions.mbox": (("v2",), "version 2, 1 of 1 patch, 'vfio: a'"),
}
B4_IS_WRONG = {"innerreply.mbox", "nospace.mbox", "octet.eml", "resend.mbox"}
"""Samples of which b4 applies a reply, two of three patches, nothing, or a mixture."""


def test_every_sample_has_its_row() -> None:
    assert {path.name for path in BOXES.iterdir()} == SAMPLES.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_give_what_they_are_meant_to(host: Host, name: str) -> None:
    gives, says = SAMPLES[name]
    if isinstance(gives, str):
        with pytest.raises(PatchError, match=gives):
            chosen(host, BOXES / name)
        return
    lines, notes = chosen(host, BOXES / name)
    assert lines == gives
    assert f"{name}: {says}" in notes


@pytest.mark.parametrize("name", SAMPLES)
def test_b4_takes_the_same_of_the_samples(host: Host, tmp_path: Path, name: str) -> None:
    text = (BOXES / name).read_text()
    for number in range(text.count("\nSubject: ") - text.count("\nMessage-ID: ")):
        # b4 ignores mails without an id, such as those from git format-patch.
        text = re.sub(r"(?m)(?<=^)(From [0-9a-f]{40} .*\n)(?=From: )", rf"\1Message-ID: <{number}@a>\n", text, count=1)
    (tmp_path / name).write_text(text)
    same = of_b4(host, tmp_path / name, tmp_path / "b4") == SAMPLES[name][0]
    assert same != (name in B4_IS_WRONG)


def test_a_patch_of_a_series_alone_is_taken_from_a_file_and_not_from_a_mailbox(host: Host, tmp_path: Path) -> None:
    mail = Mail("[PATCH 2/3] b", "2").text(0)
    for name in ("one.eml", "one.patch"):
        (tmp_path / name).write_text(mail.replace("\nSubject", "\nContent-Type: multipart/x\nSubject", 1))
    (tmp_path / "one.eml").write_text(mail.replace("Subject", "Content-Transfer-Encoding: quoted-printable\nSubject"))
    assert chosen(host, tmp_path / "one.eml") == (("2",), f"one.eml: version 1, patch 2 of 3 alone, 'b', from {ANN}")
    with pytest.raises(PatchError, match="1/3, 3/3 is not there"):
        chosen(host, box(tmp_path, (Mail("[PATCH 2/3] b", "2"),)))
