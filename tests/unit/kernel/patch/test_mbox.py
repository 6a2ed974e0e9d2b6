# SPDX-License-Identifier: GPL-2.0-only
"""Mboxes from git, list archives and mailers: their series, in order, among other messages."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Iterable
from pathlib import Path

import pytest

from orchestrator.errors import PatchError
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.kernel.patch.series import apply, check_series, read_patch, read_series

START = "".join(f"line {number}\n" for number in range(1, 10))


def diff(number: int, new: str | None = None, file: str = "mm/mmap.c") -> str:
    """Return a change of line `number`, with the adjacent lines as context."""
    old = f" line {number - 1}\n-line {number}\n+{new or f'new {number}'}\n line {number + 1}\n"
    return f"diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -{number - 1},3 +{number - 1},3 @@\n{old}"


def mail(
    subject: str, body: str | bytes, *, headers: Iterable[str] = (), identity: str = "", sender: str = "mboxrd@z"
) -> bytes:
    """Return a message as an mbox has it."""
    own = [f"Message-ID: <{identity or subject.replace(' ', '')}@a>", *headers]
    lines = [f"From {sender} Thu Jan  1 00:00:00 1970", "From: Ann <ann@example.org>", *own, f"Subject: {subject}"]
    data = body.encode() if isinstance(body, str) else body
    return "\n".join(lines).encode() + b"\n\n" + data + b"\n\n"


def patch(subject: str, number: int, new: str | None = None, **more: str) -> bytes:
    """Return a patch that changes line `number`."""
    return mail(subject, f"Why.\n---\n mm/mmap.c | 2 +-\n\n{diff(number, new)}-- \n2.39.5\n", **more)


def read(tmp_path: Path, *mails: bytes) -> list[str]:
    """Return the lines that the series in `mails` adds; each patch must apply."""
    (tmp_path / "x.mbox").write_bytes(b"".join(mails))
    patches = read_series(LocalHost(), tmp_path / "x.mbox")
    tree = tmp_path / "tree"
    (tree / "mm").mkdir(parents=True, exist_ok=True)
    (tree / "mm/mmap.c").write_text(START)
    for index, one in enumerate(patches):
        kept = tmp_path / f"{index}.patch"
        kept.write_bytes(one.data)
        apply(LocalHost(), tree, read_patch(kept), "huge")
    return [row[1:] for one in patches for row in one.diff.split("\n") if row.startswith("+") and row[1] != "+"]


def refused(tmp_path: Path, *mails: bytes) -> str:
    """Return the error for an mbox of `mails`."""
    (tmp_path / "x.mbox").write_bytes(b"".join(mails))
    with pytest.raises(PatchError) as caught:
        read_series(LocalHost(), tmp_path / "x.mbox")
    return str(caught.value)


COVER = mail("[PATCH 0/3] mm: three", f"What for.\n\n{diff(8)}")
REPLY = mail("Re: [PATCH 2/3] mm: two", f"> {diff(4)}\n\nBetter so:\n\n{diff(4, 'better')}")
THREE = (patch("[PATCH 1/3] mm: one", 2), patch("[PATCH 2/3] mm: two", 4), patch("[PATCH 3/3] mm: three", 6))


def test_a_series_is_read_in_the_order_of_its_numbers_without_cover_letter_and_replies(tmp_path: Path) -> None:
    assert read(tmp_path, REPLY, THREE[2], COVER, THREE[0], THREE[1]) == ["new 2", "new 4", "new 6"]


def test_patches_are_named_as_git_names_them(tmp_path: Path) -> None:
    (tmp_path / "x.mbox").write_bytes(b"".join(THREE))
    names = [one.path.name for one in read_series(LocalHost(), tmp_path / "x.mbox")]
    assert names == ["0001-mm-one.patch", "0002-mm-two.patch", "0003-mm-three.patch"]


def test_the_newest_version_is_taken(tmp_path: Path) -> None:
    again = (patch("[PATCH v2 2/2] mm: two", 4, "v2"), patch("[RFC PATCH v2 1/2] mm: one", 2, "v2 too"))
    assert read(tmp_path, *THREE, *again) == ["v2 too", "v2"]


def test_ten_patches_are_ordered_as_numbers(tmp_path: Path) -> None:
    mails = [
        mail(f"[PATCH {n:02}/11] mm: {n}", diff(2, f"new {n}").replace("line 2", f"new {n - 1}" if n > 1 else "line 2"))
        for n in range(11, 0, -1)
    ]
    assert read(tmp_path, *mails) == [f"new {n}" for n in range(1, 12)]


@pytest.mark.parametrize("tag", ["[RFC][PATCH 1/2]", "[PATCH net-next v1 1/2]", "[PATCH 6.12.y 01/02]", "[patch 1/2]"])
def test_tags_of_all_kinds_are_read(tmp_path: Path, tag: str) -> None:
    second = tag.replace("1/2", "2/2").replace("01/02", "02/02")
    assert read(tmp_path, patch(f"{second} two", 4), patch(f"{tag} one", 2)) == ["new 2", "new 4"]


def test_patches_without_numbers_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, patch("[PATCH] two", 4), patch("[PATCH] one", 2)) == ["new 4", "new 2"]


def test_a_mail_that_was_received_twice_is_one(tmp_path: Path) -> None:
    assert read(tmp_path, *THREE, THREE[1]) == ["new 2", "new 4", "new 6"]


def test_bodies_may_be_encoded(tmp_path: Path) -> None:
    quoted = quopri.encodestring(diff(2, "größer = 1").encode())
    based = base64.encodebytes(diff(4, "kürzer").replace("\n", "\r\n").encode())
    utf8 = "Content-Type: text/plain; charset=utf-8"
    mails = (
        mail("[PATCH 1/2] one", quoted, headers=(utf8, "Content-Transfer-Encoding: quoted-printable")),
        mail("[PATCH 2/2] two", based, headers=(utf8, "Content-Transfer-Encoding: base64")),
    )
    assert read(tmp_path, *mails) == ["größer = 1", "kürzer"]


def test_a_single_encoded_mail_is_decoded_too(tmp_path: Path) -> None:
    quoted = quopri.encodestring(diff(2, "a = 1").encode())
    encoded = mail("[PATCH] one", quoted, headers=("Content-Transfer-Encoding: quoted-printable",))
    assert read(tmp_path, encoded) == ["a = 1"]
    assert read(tmp_path, encoded.split(b"\n", 1)[1]) == ["a = 1"], "as a mailer saves it, without a From line"


@pytest.mark.parametrize("delete", ["", "; delsp=yes"])
@pytest.mark.parametrize("fold", ["; ", ";\n\t"])
def test_lines_that_a_mailer_broke_are_whole_again(tmp_path: Path, delete: str, fold: str) -> None:
    """format=flowed: a leading space is doubled; a space at the end continues a line."""
    whole = f"A long line of the message.\n\n{diff(2, 'a long long line')}-- \n2.39.5\n"
    stuffed = "\n".join(f" {line}" if line.startswith(" ") else line for line in whole.split("\n"))
    broken = stuffed.replace("long line", "long  \nline" if delete else "long \nline")
    header = f"Content-Type: text/plain; charset=utf-8{fold}format=flowed{delete}"
    assert read(tmp_path, mail("[PATCH] one", broken, headers=(header,))) == ["a long long line"]
    (patch_,) = read_series(LocalHost(), tmp_path / "x.mbox")
    assert "\nA long line of the message.\n" in patch_.text


def test_a_patch_may_be_attached(tmp_path: Path) -> None:
    body = (
        "--xx\nContent-Type: text/plain\n\nSee the attachment.\n"
        f"--xx\nContent-Type: text/x-patch; name=a.patch\nContent-Transfer-Encoding: base64\n\n"
        f"{base64.encodebytes(diff(2).encode()).decode()}\n--xx--\n"
    )
    assert read(tmp_path, mail("[PATCH] one", body, headers=('Content-Type: multipart/mixed; boundary="xx"',))) == [
        "new 2"
    ]


def test_line_ends_of_mail_are_taken_off(tmp_path: Path) -> None:
    assert read(tmp_path, b"".join(THREE).replace(b"\n", b"\r\n")) == ["new 2", "new 4", "new 6"]


def test_line_ends_of_a_file_that_has_them_are_kept(tmp_path: Path) -> None:
    text = diff(2).replace(" line 1\n", " line 1\r\n").replace("new 2\n", "new 2\r\n")
    (tmp_path / "x.mbox").write_bytes(mail("[PATCH 1/2] one", text) + patch("[PATCH 2/2] two", 4))
    assert "+new 2\r\n" in read_series(LocalHost(), tmp_path / "x.mbox")[0].text


def test_other_encodings_are_kept_byte_for_byte(tmp_path: Path) -> None:
    latin = mail("[PATCH 1/2] one", diff(2, "Jörg").encode("latin-1"), headers=("Content-Type: text/plain; charset=x",))
    (tmp_path / "x.mbox").write_bytes(latin + patch("[PATCH 2/2] two", 4))
    assert b"+J\xf6rg\n" in read_series(LocalHost(), tmp_path / "x.mbox")[0].data


def test_a_body_may_begin_lines_with_from(tmp_path: Path) -> None:
    words = f"\nFrom here on it is slower.\n\n>From me, escaped.\n\n{diff(2)}"
    assert read(tmp_path, mail("[PATCH 1/2] one", words), patch("[PATCH 2/2] two", 4)) == ["new 2", "new 4"]
    assert "\nFrom me, escaped." in read_series(LocalHost(), tmp_path / "x.mbox")[0].text


def test_what_git_format_patch_prints_is_read_and_has_the_digests_of_its_files(tmp_path: Path) -> None:
    host, repo = LocalHost(), tmp_path / "repo"
    script = f"""set -e; git init -q {repo}; cd {repo}; mkdir mm; printf '{START}' > mm/mmap.c; git add .
    export GIT_AUTHOR_NAME=J GIT_AUTHOR_EMAIL=j@x GIT_COMMITTER_NAME=J GIT_COMMITTER_EMAIL=j@x
    git commit -qm start
    for n in 2 4 6; do sed -i "s/line $n/new $n/" mm/mmap.c; git commit -qam "mm: größer $n"; done
    git format-patch -q --cover-letter --stdout HEAD~3 > ../x.mbox; git format-patch -q -o ../files HEAD~3"""
    assert host.run(Command(("sh", "-c", script))).ok
    patches = read_series(LocalHost(), tmp_path / "x.mbox")
    files = [read_patch(path) for path in sorted((tmp_path / "files").iterdir())]
    assert [one.digest for one in patches] == [one.digest for one in files]
    assert "Subject: [PATCH] mm: größer 2\n" in patches[0].text
    host.run(Command(("git", "-C", str(repo), "checkout", "-q", "HEAD~3")))
    kept = [tmp_path / f"{n}.patch" for n in range(3)]
    for path, one in zip(kept, patches, strict=True):
        path.write_bytes(one.data)
    check_series(host, repo, tuple(read_patch(path) for path in kept), "huge")


def test_one_patch_file_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.patch").write_bytes(patch("[PATCH 3/5] one", 2))
    (read_back,) = read_series(LocalHost(), tmp_path / "x.patch")
    assert read_back.data == (tmp_path / "x.patch").read_bytes()


def test_an_mbox_may_be_listed_in_a_series(tmp_path: Path) -> None:
    (tmp_path / "x.mbox").write_bytes(b"".join(THREE))
    (tmp_path / "y.patch").write_text(diff(8))
    (tmp_path / "series").write_text("y.patch -p1\nx.mbox\n")
    assert [one.path.name[:6] for one in read_series(LocalHost(), tmp_path)] == ["y.patc", "0001-m", "0002-m", "0003-m"]


def test_a_missing_number_is_named(tmp_path: Path) -> None:
    message = refused(tmp_path, THREE[0], THREE[2])
    assert message == f"{tmp_path}/x.mbox: of version 1 of the series, 2/3 is not there; save the whole thread"


def test_two_series_are_not_mixed(tmp_path: Path) -> None:
    other = patch("[PATCH 2/3] vfio: two", 8)
    assert "two patches 2/3 of version 1; an mbox is one series" in refused(tmp_path, *THREE, other)
    assert "patches of several series of version 1" in refused(tmp_path, *THREE, patch("[PATCH 1/2] vfio: one", 8))


def test_an_mbox_without_a_patch_says_so(tmp_path: Path) -> None:
    assert "no patch in the 2 messages there" in refused(tmp_path, COVER, REPLY)


def test_the_message_that_is_refused_is_named(tmp_path: Path) -> None:
    link = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n"
    message = refused(tmp_path, patch("[PATCH 1/2] fine", 2), mail("[PATCH 2/2] not so fine", link))
    assert "x.mbox: 'not so fine': 'new file mode 120000': only plain text files" in message
