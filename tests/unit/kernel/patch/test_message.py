# SPDX-License-Identifier: GPL-2.0-only
"""Series by message id, with the real b4 on made mboxes: version, trailers, isolation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from orchestrator.errors import OrchError, PatchError, UsageError
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.kernel.model import Patch, SourceTree
from orchestrator.kernel.patch.mbox import posts
from orchestrator.kernel.patch.message import of_message, threads
from orchestrator.kernel.patch.series import fit_series, read_patches
from orchestrator.scenario.sources import Message
from tests.fakes import Answer, FakeHost

ANN = "Ann Author <ann@example.org>"
RITA = "Rita Reviewer <rita@example.org>"
THEO = "Theo Tester <theo@example.org>"


def mail(subject: str, identity: str, body: str, sender: str = ANN, answers: tuple[str, ...] = ()) -> str:
    """Return a message as in a list archive."""
    references = " ".join(f"<{answer}>" for answer in answers)
    thread = f"In-Reply-To: <{answers[-1]}>\nReferences: {references}\n" if answers else ""
    return (
        f"From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: {sender}\nTo: linux-mm@example.org\n"
        f"Date: Mon, 2 Nov 2026 10:00:00 +0000\nMessage-ID: <{identity}>\n{thread}Subject: {subject}\n\n{body}\n\n"
    )


def patch(version: int, number: int, old: str, new: str) -> str:
    """Return patch `number` of two, a reply to the cover letter of its version."""
    tag = f"[PATCH {number}/2]" if version == 1 else f"[PATCH v{version} {number}/2]"
    stat = " mm/mmap.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n"
    change = f"@@ -1,3 +1,3 @@\n line 1\n-{old}\n+{new}\n line 3\n"
    body = (
        f"Why it is so.\n\nSigned-off-by: {ANN}\n---\n{stat}\n"
        f"diff --git a/mm/mmap.c b/mm/mmap.c\nindex 1111111..2222222 100644\n--- a/mm/mmap.c\n+++ b/mm/mmap.c\n{change}"
        "-- \n2.39.5"
    )
    return mail(f"{tag} mm: change {number}", f"v{version}-{number}@a", body, answers=(f"v{version}-0@a",))


def cover(version: int) -> str:
    tag = "[PATCH 0/2]" if version == 1 else f"[PATCH v{version} 0/2]"
    stat = " mm/mmap.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n"
    return mail(
        f"{tag} mm: a series", f"v{version}-0@a", f"What it is for.\n\n{ANN} (2):\n  one\n  two\n\n{stat}\n-- \n2.39.5"
    )


def reply(version: int, number: int, identity: str, body: str, sender: str) -> str:
    answers = (f"v{version}-0@a",) + ((f"v{version}-{number}@a",) if number else ())
    return mail(f"Re: [PATCH {number}/2] mm: change {number}", identity, body, sender, answers)


FIRST = (
    cover(1) + patch(1, 2, "1st", "two") + patch(1, 1, "line 2", "1st")
    + reply(1, 1, "r1@r", f"> +1st\n\nGood.\n\nAcked-by: {RITA}", RITA)
    + reply(1, 2, "r2@r", f"No.\n\nNacked-by: {RITA}", RITA)
)  # fmt: skip
SECOND = (
    cover(2) + patch(2, 1, "line 2", "1st") + patch(2, 2, "1st", "2nd")
    + reply(2, 2, "r3@r", f"Better.\n\nReviewed-by: {RITA}", RITA)
    + reply(2, 0, "r4@r", f"Works.\n\nTested-by: {THEO}", THEO)
)  # fmt: skip
OTHER = mail(
    "[PATCH v7 1/1] vfio: something else", "o@o", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", THEO
)


@pytest.fixture
def mbox(tmp_path: Path) -> Path:
    path = tmp_path / "thread.mbox"
    path.write_text(FIRST + OTHER + SECOND)
    return path


def read(tmp_path: Path, message: Message) -> tuple[Patch, ...]:
    tree = SourceTree("x", "7.3", tmp_path / "tree")
    return read_patches(LocalHost(), tmp_path / "cache", (message,), tree, where="s.yaml:3")


def test_the_newest_version_of_a_series_comes_with_its_trailers(tmp_path: Path, mbox: Path) -> None:
    one, two = read(tmp_path, Message("v1-1@a", mbox=mbox))
    assert "+1st\n" in one.diff
    assert "+2nd\n" in two.diff
    assert f"Signed-off-by: {ANN}\nAcked-by: {RITA}\nTested-by: {THEO}\n---\n" in one.text, "that of v1 is carried over"
    assert f"Signed-off-by: {ANN}\nReviewed-by: {RITA}\nTested-by: {THEO}\n---\n" in two.text
    assert [patch.path.name for patch in (one, two)] == ["0001-mm-change-1.patch", "0002-mm-change-2.patch"]


def test_the_series_applies(tmp_path: Path, mbox: Path) -> None:
    (tmp_path / "tree/mm").mkdir(parents=True)
    (tmp_path / "tree/mm/mmap.c").write_text("line 1\nline 2\nline 3\n")
    patches = read(tmp_path, Message("v2-2@a", mbox=mbox))
    tree = SourceTree("x", "7.3", tmp_path / "tree")
    assert fit_series(LocalHost(), tmp_path / "cache", tree, patches, "huge") == patches


@pytest.mark.parametrize("identity", ["v2-0@a", "v1-2@a", "r4@r"])
def test_any_mail_of_any_version_names_the_series_and_the_version_can_be_given(
    tmp_path: Path, mbox: Path, identity: str
) -> None:
    _, two = read(tmp_path, Message(identity, 1, mbox))
    assert "+two\n" in two.diff
    assert f"Nacked-by: {RITA}\n" in two.text


def test_the_trailers_play_no_part_in_the_digest(tmp_path: Path, mbox: Path) -> None:
    with_trailers = read(tmp_path, Message("v2-0@a", mbox=mbox))
    mbox.write_text(cover(2) + patch(2, 1, "line 2", "1st") + patch(2, 2, "1st", "2nd"))
    without = read(tmp_path, Message("v2-0@a", mbox=mbox))
    assert [p.digest for p in with_trailers] == [p.digest for p in without]
    assert [p.text for p in with_trailers] != [p.text for p in without]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message("v2-0@a", 5), "there is no version 5 of the series; there is version 1, 2"),
        (Message("gone@a"), "is not in .*thread.mbox; save the whole thread there"),
        (Message("--version"), "is no message id"),
        (Message("two words"), "is no message id"),
    ],
)
def test_what_is_missing_is_reported_in_one_sentence(
    tmp_path: Path, mbox: Path, message: Message, expected: str
) -> None:
    with pytest.raises(UsageError, match=rf"^s\.yaml:3: message .*{expected}") as caught:
        read(tmp_path, Message(message.id, message.version, mbox))
    assert "\n" not in str(caught.value)


def test_a_thread_with_a_patch_missing_says_which(tmp_path: Path, mbox: Path) -> None:
    mbox.write_text(cover(2) + patch(2, 2, "1st", "2nd"))
    with pytest.raises(PatchError, match=r"^s\.yaml:3: message v2-0@a: of version 2 of the series, 1/2 is not there"):
        read(tmp_path, Message("v2-0@a", mbox=mbox))


def test_a_thread_without_a_patch_says_so(tmp_path: Path, mbox: Path) -> None:
    mbox.write_text(mail("[PATCH 0/2] mm: a series", "v1-0@a", "Words."))
    with pytest.raises(UsageError, match=r"^s\.yaml:3: message v1-0@a: no patch in the one message there"):
        read(tmp_path, Message("v1-0@a", mbox=mbox))


def test_a_missing_mbox_says_so(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match=r"gone\.mbox: cannot be read as a patch: No such file"):
        read(tmp_path, Message("v1-0@a", mbox=tmp_path / "gone.mbox"))


def test_other_series_in_the_mbox_are_left_alone(mbox: Path) -> None:
    found = posts(mbox.read_bytes())
    assert {post.id for post in threads(found, "o@o")} == {"o@o"}
    assert {post.id for post in threads(found, "r1@r")} == {post.id for post in found} - {"o@o"}
    assert threads(found, "gone@a") == ()


def test_answers_that_answer_each_other_are_no_endless_circle() -> None:
    circle = mail("Re: a", "a@a", "x", answers=("b@a",)) + mail("Re: b", "b@a", "y", answers=("a@a",))
    assert len(threads(posts(circle.encode()), "a@a")) == 2


def checksum(directory: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.rglob("*") if p.is_file()}


def test_b4_sees_and_touches_nothing_of_the_users(tmp_path: Path, mbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "linux").mkdir(parents=True)
    host = LocalHost()
    assert host.run(Command(("git", "init", "-q", str(home / "linux")))).ok
    (home / "linux/.b4-config").write_text("[b4]\n\tam-perpatch-check-cmd = touch spoilt\n\tlinkmask = none\n")
    (home / ".gitconfig").write_text(
        "[b4]\n\tlinkmask = none\n\tsave-maildirs = yes\n[user]\n\tname = U\n\temail = u@u\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "b4.linkmask")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "none")
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.chdir(home / "linux")
    before, thread = checksum(home), mbox.read_bytes()
    assert len(read(tmp_path, Message("v2-0@a", mbox=mbox))) == 2
    assert checksum(home) == before
    assert mbox.read_bytes() == thread
    assert not list((tmp_path / "cache/work").iterdir())


def test_without_an_mbox_the_thread_and_newer_versions_are_fetched(tmp_path: Path) -> None:
    host = FakeHost([((), Answer("Looking up x@y\nCRITICAL: no route to host\n", status=1))])
    with pytest.raises(OrchError) as caught:
        of_message(host, Message("x@y", 2), tmp_path, "s.yaml:3")
    assert caught.value.exit_status == 3
    expected = "s.yaml:3: message x@y: b4 cannot fetch it: no route to host; without a network, save the thread"
    assert str(caught.value).startswith(expected)
    argv = host.calls[0].argv
    assert argv[argv.index("mbox") :][:3] == ("mbox", "-c", "-C")
    assert argv[-1] == "x@y"
    assert "b4.attestation-policy=off" in argv
    assert "--offline-mode" not in argv


def test_a_message_that_the_archive_does_not_have_is_the_users_mistake(tmp_path: Path) -> None:
    output = "Could not retrieve thread: Server returned an error: 404\n"
    host = FakeHost([((), Answer(output, status=1))])
    with pytest.raises(UsageError, match="b4 finds no such series: Could not retrieve thread"):
        of_message(host, Message("x@y"), tmp_path, "s.yaml:3")
