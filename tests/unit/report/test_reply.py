# SPDX-License-Identifier: GPL-2.0-only
"""A reply to a thread: read back by Python's parser; its headers are those of the thread and no others."""

from __future__ import annotations

import email
import email.policy
import os
import subprocess
from email.message import EmailMessage
from pathlib import Path

import pytest

from orchestrator.kernel.patch.mbox import posts
from orchestrator.report.reply import reply_to

COVER = """From mboxrd@z Thu Jan  1 00:00:00 1970
From: =?utf-8?q?J=C3=BCrgen_=C3=9Cnal?= <j@example.org>
To: kvm@example.org, "Doe, John" <john@example.org>
Cc: linux-mm@example.org,
 =?utf-8?q?Zo=C3=AB=2C_A?= <zoe@example.org>, J@example.org, kvm@example.org
Subject: [PATCH v2 0/3] vfio: align the mmap of a BAR
Message-ID: <cover.1@example.org>
In-Reply-To: <v1.1@example.org>
References: <v0.1@example.org> <v1.1@example.org>
Date: Sat, 28 Nov 2026 09:00:00 +0000

Hello.
"""
HEADERS = {
    "From",
    "To",
    "Cc",
    "Subject",
    "In-Reply-To",
    "References",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
}


def reply(mail: str, text: str = "The text.\n", sender: str = "") -> EmailMessage:
    """Return the reply to `mail`, as it is read back."""
    (post,) = posts(mail.encode(errors="surrogateescape"))
    message = reply_to(post, text, sender)
    parsed = email.message_from_bytes(message.encode(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def test_it_goes_to_the_author_and_all_others_once() -> None:
    found = reply(COVER)
    assert [str(one) for one in found["To"].addresses] == ["Jürgen Ünal <j@example.org>"]
    assert [(one.display_name, one.addr_spec) for one in found["Cc"].addresses] == [
        ("", "kvm@example.org"),
        ("Doe, John", "john@example.org"),
        ("", "linux-mm@example.org"),
        ("Zoë, A", "zoe@example.org"),
    ]


def test_it_is_in_the_thread() -> None:
    found = reply(COVER)
    assert found["Subject"] == "Re: [PATCH v2 0/3] vfio: align the mmap of a BAR"
    assert found["In-Reply-To"] == "<cover.1@example.org>"
    assert found["References"].split() == ["<v0.1@example.org>", "<v1.1@example.org>", "<cover.1@example.org>"]


def test_no_name_has_a_character_that_acts() -> None:
    found = reply(COVER.replace("=?utf-8?q?Zo=C3=AB=2C_A?=", "=?utf-8?q?Zo=E2=80=AE=1B=5B31m?="))
    assert [one.display_name for one in found["Cc"].addresses if one.username == "zoe"] == ["Zo\\u202e\\x1b[31m"]


def test_git_send_email_takes_it_unchanged(tmp_path: Path) -> None:
    """Recipients and thread are read from the message; --dry-run sends nothing."""
    (post,) = posts(COVER.encode())
    file = tmp_path / "reply.eml"
    file.write_text(reply_to(post, "The text.\n", "A Tester <t@example.org>"))
    known = {"NAME": "A Tester", "EMAIL": "t@example.org"}
    who = {f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in known.items()}
    environment = {**os.environ, **who, "HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": "/dev/null"}
    argv = ("git", "send-email", "--dry-run", "--no-smtp-auth", "--confirm=never", str(file))
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    headers = email.message_from_string(done.stdout.partition("\nFrom: ")[2].join(("From: ", "")))
    assert headers["From"] == "A Tester <t@example.org>"
    assert headers["In-Reply-To"] == "<cover.1@example.org>"
    assert "cover.1@example.org" in headers["References"]
    assert headers["Subject"] == "Re: [PATCH v2 0/3] vfio: align the mmap of a BAR"
    assert "<john@example.org>" in headers["Cc"]
    assert "<j@example.org>" in headers["To"]


def test_mutt_takes_it_unchanged(tmp_path: Path) -> None:
    """mutt reads the message as a draft (-H), and gives it to its sendmail."""
    (post,) = posts(COVER.encode())
    file, sent = tmp_path / "reply.eml", tmp_path / "sent.eml"
    file.write_text(reply_to(post, "The text.\n", "A Tester <t@example.org>"))
    script = tmp_path / "sendmail"
    script.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/recipients\ncat >{sent}\n')
    script.chmod(0o755)
    settings = f'set sendmail="{script}"; set copy=no; set sendmail_wait=0; set charset=utf-8'
    argv = ("mutt", "-n", "-F", "/dev/null", "-e", settings, "-H", str(file))
    environment = {**os.environ, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = email.message_from_bytes(sent.read_bytes(), policy=email.policy.default)
    assert found["In-Reply-To"] == "<cover.1@example.org>"
    assert found["References"].split()[-1] == "<cover.1@example.org>"
    assert found["Subject"] == "Re: [PATCH v2 0/3] vfio: align the mmap of a BAR"
    assert found.get_content() == "The text.\n"
    assert {"j@example.org", "john@example.org", "zoe@example.org"} <= set(
        (tmp_path / "recipients").read_text().split()
    )


def test_a_reply_to_a_reply_has_one_re() -> None:
    assert reply(COVER.replace("[PATCH v2", "Re: [PATCH v2"))["Subject"].startswith("Re: [PATCH v2 0/3]")


def test_the_sender_is_only_that_of_the_user() -> None:
    assert reply(COVER)["From"] is None
    assert str(reply(COVER, sender="A Tester <t@example.org>")["From"]) == "A Tester <t@example.org>"


def test_the_text_is_unchanged() -> None:
    text = "* new maps ...\n\n case   base\n.\nFrom here on\n-- \nünïcode \\\n" + "x" * 71 + "\n"
    found = reply(COVER, text)
    assert found.get_content() == text
    assert found["Content-Transfer-Encoding"] == "8bit"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[PATCH v2 0/3] vfio", "[PATCH v2 0/3] vfio=?utf-8?q?=0D=0ABcc=3A_evil=40example=2Eorg?="),
        ("[PATCH v2 0/3] vfio", "[PATCH v2 0/3] vfio\rBcc: evil@example.org"),
        ("[PATCH v2 0/3] vfio", "[PATCH v2 0/3] vfio\x00\x1b[31m"),
        ("John", "John\rBcc: evil@example.org"),
        ("=?utf-8?q?Zo=C3=AB=2C_A?=", "=?utf-8?q?Zo=0D=0ABcc=3A_evil=40example=2Eorg?="),
        ("=?utf-8?q?J=C3=BCrgen_=C3=9Cnal?=", "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5vcmc=?="),
        ("zoe@example.org", "zoe@example.org>, <\tevil"),
        ("<cover.1@example.org>", "<cover.1@example.org\rBcc:evil@example.org>"),
        ("<v0.1@example.org>", "<v0.1@example.org\u202e>"),
        ("vfio: align", "x" * 5000),
        ("Cc: linux-mm@example.org,", "Cc: " + ", ".join(f"a{n}@example.org" for n in range(5000)) + ","),
        ("<v0.1@example.org>", " ".join(f"<{n}@example.org>" for n in range(3000))),
    ],
)
def test_no_content_becomes_a_header(old: str, new: str) -> None:
    assert old in COVER
    found = reply(COVER.replace(old, new), sender="A Tester <t@example.org>")
    assert set(found.keys()) <= HEADERS
    assert len(found.keys()) == len(set(found.keys()))
    assert found.get_content() == "The text.\n"
    assert len(found.as_bytes()) < 60_000
    # A parser that takes a bare CR for the end of a line finds no Cc.
    recipients = [one.addr_spec for name in ("To", "Cc") if found[name] for one in found[name].addresses]
    assert "evil@example.org" not in recipients
