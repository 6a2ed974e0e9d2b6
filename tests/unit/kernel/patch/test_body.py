# SPDX-License-Identifier: GPL-2.0-only
"""Patches in the forms in which mailers send them: attached, with HTML, signed, or missing."""

from __future__ import annotations

import base64
import quopri
from email.message import EmailMessage
from pathlib import Path

import pytest

from orchestrator.errors import PatchError
from orchestrator.host.local import LocalHost
from orchestrator.kernel.patch.series import read_series

DIFF = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new = größer\n-- \n2.43.0\n\n"
OTHER = DIFF.replace("a/f", "a/g").replace("b/f", "b/g")
PROSE = "Hi, patch attached.\n"


def formatted(subject: str, diff: str) -> str:
    """Return a file as git format-patch writes it."""
    return f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nFrom: A <a@x>\nSubject: {subject}\n\n---\n{diff}"


def part(data: str, kind: str = "text/plain", name: str = "", encoding: str = "base64") -> str:
    """Return one part of a mail; `name` makes it an attachment."""
    raw = data.encode()
    body = base64.encodebytes(raw) if encoding == "base64" else quopri.encodestring(raw) if encoding[0] == "q" else raw
    called = f'; name="{name}"\nContent-Disposition: attachment; filename="{name}"' if name else "; charset=utf-8"
    return f"Content-Type: {kind}{called}\nContent-Transfer-Encoding: {encoding}\n\n{body.decode()}"


def mail(*parts: str, kind: str = "mixed", subject: str = "[PATCH] f: fix") -> str:
    """Return a mail with these parts."""
    head = f"From: A <a@x>\nMessage-ID: <1@x>\nSubject: {subject}\nMIME-Version: 1.0\n"
    return f'{head}Content-Type: multipart/{kind}; boundary="BB"\n\n--BB\n' + "\n--BB\n".join(parts) + "\n--BB--\n"


def inner(*parts: str, kind: str) -> str:
    """Return a part that has parts."""
    return f'Content-Type: multipart/{kind}; boundary="CC"\n\n--CC\n' + "\n--CC\n".join(parts) + "\n--CC--\n"


TEXT, HTML = part(PROSE), part(f"<html><pre>{DIFF}</pre></html>", "text/html")
OCTET = part(DIFF, "application/octet-stream", "0001-fix.patch")
READ = {
    "octet-stream, base64": (mail(TEXT, OCTET), ["f"]),
    "octet-stream, quoted": (mail(TEXT, part(DIFF, "application/octet-stream", "f.diff", "quoted-printable")), ["f"]),
    "octet-stream, bare": (mail(TEXT, part(DIFF, "application/octet-stream", "f.diff", "8bit")), ["f"]),
    "octet-stream alone": (part(DIFF, "application/octet-stream", "f.patch").join(["Subject: [PATCH] f\n", ""]), ["f"]),
    "octet-stream without a name": (mail(TEXT, part(DIFF, "application/octet-stream")), ["f"]),
    "x-patch inline": (mail(TEXT, part(DIFF, "text/x-patch", "f.patch", "8bit")), ["f"]),
    "x-diff": (mail(TEXT, part(DIFF, "text/x-diff", "f.diff")), ["f"]),
    "application/x-patch": (mail(TEXT, part(DIFF, "application/x-patch", "f.diff")), ["f"]),
    "named as text": (mail(TEXT, part(DIFF, "text/plain", "f.txt")), ["f"]),
    "alternative with HTML": (mail(part(DIFF), HTML, kind="alternative"), ["f"]),
    "attached beside an alternative": (mail(inner(TEXT, part("<p>Hi", "text/html"), kind="alternative"), OCTET), ["f"]),
    "signed": (
        mail(
            part(DIFF, encoding="quoted-printable"),
            part("-----BEGIN", "application/pgp-signature", "s.asc"),
            kind="signed",
        ),
        ["f"],
    ),
    "signed, attached": (
        mail(inner(TEXT, OCTET, kind="mixed"), part("x", "application/pgp-signature"), kind="signed"),
        ["f"],
    ),
    "footer of a list": (mail(part(DIFF), part("____\nlist@x\n", encoding="7bit")), ["f"]),
    "in the mail and as a file": (mail(part(f"Hi.\n{DIFF}"), OCTET), ["f"]),
    "with a picture": (mail(TEXT, part("\0\1PNG", "image/png", "a.png"), OCTET), ["f"]),
    "files of git, numbered": (
        mail(
            TEXT,
            part(formatted("[PATCH 2/2] b", OTHER), "text/x-patch", "2.patch"),
            part(formatted("[PATCH 1/2] a", DIFF), "text/x-patch", "1.patch"),
            subject="two",
        ),
        ["f", "g"],
    ),
    "one file of git": (
        mail(TEXT, part(formatted("[PATCH] a", DIFF), "application/octet-stream", "1.patch"), subject="fix"),
        ["f"],
    ),
    "CRLF": (mail(TEXT, OCTET).replace("\n", "\r\n"), ["f"]),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("suffix", [".eml", ".mbox", ".patch"])
def test_a_patch_is_found_in_the_mail(tmp_path: Path, name: str, suffix: str) -> None:
    text, files = READ[name]
    (tmp_path / f"x{suffix}").write_bytes(text.encode())
    patches = read_series(LocalHost(), tmp_path / f"x{suffix}")
    assert [file for patch in patches for file in patch.files] == files
    assert all("+new = größer\n" in patch.diff for patch in patches)
    assert "PNG" not in patches[0].text


REFUSED = {
    "HTML only": (f"Subject: [PATCH] f\n{HTML}", "has its patch as HTML only, which changes its text"),
    "HTML beside prose": (mail(TEXT, HTML, kind="alternative"), "has its patch as HTML only"),
    "no diff": (mail(TEXT, TEXT), "no patch in the one message there"),
    "encrypted": (
        mail(
            part("Version: 1", "application/pgp-encrypted"),
            part("xx", "application/octet-stream", "e.asc"),
            kind="encrypted",
        ),
        "no patch in the one message",
    ),
    "two patches": (
        mail(TEXT, OCTET, part(OTHER, "text/x-patch", "g.patch")),
        "has 2 different patches in one mail; save each as a file",
    ),
    "damaged base64": (
        mail(
            TEXT,
            OCTET.replace(base64.encodebytes(DIFF.encode()).decode(), base64.encodebytes(DIFF.encode()).decode()[:90]),
        ),
        "broken off|no diff|no patch",
    ),
    "binary": (
        mail(
            TEXT,
            part(
                "diff --git a/f b/f\nindex 1..2 100644\nGIT binary patch\nliteral 1\nIcmZQz\n",
                "text/x-patch",
                "f.patch",
            ),
        ),
        "only plain text files can be patched",
    ),
    "a file of git missing": (
        mail(
            TEXT,
            part(formatted("[PATCH 1/3] a", DIFF), "text/x-patch", "1.patch"),
            part(formatted("[PATCH 3/3] c", OTHER), "text/x-patch", "3.patch"),
            subject="two",
        ),
        "2/3 is not there",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mail_without_a_patch_that_can_be_read_says_why(tmp_path: Path, name: str) -> None:
    text, expected = REFUSED[name]
    (tmp_path / "x.eml").write_bytes(text.encode())
    with pytest.raises(PatchError, match=expected) as caught:
        read_series(LocalHost(), tmp_path / "x.eml")
    assert str(caught.value).isprintable()


def test_latin_1_stays_byte_for_byte(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "[PATCH] f"
    message.set_content(DIFF, charset="latin-1", cte="quoted-printable")
    (tmp_path / "x.eml").write_bytes(bytes(message))
    (patch,) = read_series(LocalHost(), tmp_path / "x.eml")
    assert "+new = größer\n".encode("latin-1") in patch.data
