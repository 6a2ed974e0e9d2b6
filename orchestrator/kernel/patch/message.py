# SPDX-License-Identifier: GPL-2.0-only
"""A series on a mailing list, by a message id, with the trailers of replies.

b4 chooses its version and adds the trailers.

b4 runs in a separate directory, without the user's configuration, cache and git, and without a check of signatures.
From a local mbox it works without network.  The diff of a patch is taken from the mail byte for byte; only the message
of the patch is from b4.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import InfrastructureError, OrchError, PatchError, UsageError
from orchestrator.host.base import Command, Completed, Host
from orchestrator.host.full import failure
from orchestrator.kernel.patch.b4 import asker, environment
from orchestrator.kernel.patch.body import DIFF
from orchestrator.kernel.patch.choose import Choice, choose
from orchestrator.kernel.patch.diff import NotAPatch, printable
from orchestrator.kernel.patch.mbox import Post, posts
from orchestrator.kernel.patch.store import contents
from orchestrator.kernel.patch.threads import thread_roots
from orchestrator.scenario.sources import Message

_SECONDS = 300.0
_NOT_THERE = ("Unable to find revision", "No patches found", "No messages found", "Server returned an error: 404")
_ERRORS = (*_NOT_THERE, "CRITICAL:", "ERROR:", "Could not ")
_QUIETLY = ("--no-interactive", "--no-stdin", "-c", "b4.attestation-policy=off")


@dataclass(frozen=True)
class _B4:
    """b4 in the empty directory `work`; its errors begin with `label`."""

    host: Host
    work: Path
    label: str

    def run(self, *args: str, made: Path, fetches: bool) -> bytes:
        """Run b4, and return the content of the file `made` that it writes.

        Raises UsageError or InfrastructureError.
        """
        argv = (sys.executable, "-P", "-m", "b4.command", *_QUIETLY, *args)
        done = self.host.run(Command(argv, cwd=self.work, env=environment(self.work / "home"), timeout=_SECONDS))
        if not done.ok or not made.exists():
            raise _failed(done, self.label, fetches=fetches)
        return made.read_bytes()


def of_message(host: Host, wanted: Message, work: Path, where: str) -> tuple[Choice, str]:
    """Return the series, with ordered patches and their trailers, and its name for messages.

    `work` is an empty directory.  Raises UsageError or PatchError, with `where`, for a message, a version or a patch
    that does not exist, InfrastructureError if the archive cannot be reached.
    """
    label = label_of(wanted, where)
    thread = read_thread(host, wanted, work, where)
    choice = choose(thread, label, asker(host), wanted.version)
    return replace(choice, patches=_with_trailers(_B4(host, work, label), thread, choice)), label


def label_of(wanted: Message, where: str) -> str:
    """Return the name of a message for errors.  Raises UsageError, with `where`, for what is no message id."""
    label = f"{where}: message {printable(wanted.id)}"
    if wanted.id.startswith("-") or not wanted.id.isprintable() or " " in wanted.id or not wanted.id:
        raise UsageError(f"{label}: is no message id")
    return label


def read_thread(host: Host, wanted: Message, work: Path, where: str) -> tuple[Post, ...]:
    """Return the messages of the thread of `wanted`, and of other versions; raises as `of_message`."""
    label = label_of(wanted, where)
    try:
        found = posts(contents(wanted.mbox) if wanted.mbox else fetch_thread(host, wanted, work, where))
    except NotAPatch as error:
        raise PatchError(f"{label}: {wanted.mbox or 'its thread'} {error}") from None
    thread = threads(found, wanted.id)
    if not thread:
        raise UsageError(f"{label}: is not in {wanted.mbox or 'its thread'}; save the whole thread there")
    return thread


def fetch_thread(host: Host, wanted: Message, work: Path, where: str) -> bytes:
    """Return the thread of `wanted` from the list's archive, as an mbox; raises as `of_message`."""
    return _fetched(_B4(host, work, label_of(wanted, where)), wanted.id)


def _fetched(b4: _B4, identity: str) -> bytes:
    """Fetch the thread from the list's archive, and newer versions, which are often separate threads."""
    made = b4.work / "fetched/thread.mbx"
    return b4.run("mbox", "-c", "-C", "-o", str(made.parent), "-n", made.name, identity, made=made, fetches=True)


def _with_trailers(b4: _B4, thread: tuple[Post, ...], choice: Choice) -> tuple[Post, ...]:
    """Return the patches of `choice` with b4's messages, which have the trailers of replies."""
    chosen = {post.place: post for post in (*choice.patches, *choice.left)}
    plain = (_plain(post, chosen) for post in thread if not post.is_patch or post.place in chosen)
    (b4.work / "thread.mbox").write_bytes(b"".join(plain))
    made = b4.work / "out/series.mbx"
    version = max(post.version for post in choice.patches)
    output = ("-o", str(made.parent), "-n", made.name, "--no-cover", "--no-cache", "-v", str(version))
    mailbox = str(b4.work / "thread.mbox")
    done = {
        post.id: post
        for post in posts(b4.run("--offline-mode", "am", "-m", mailbox, *output, made=made, fetches=False))
    }
    lacking = next((post for post in choice.patches if _identity(post) not in done), None)
    if lacking or len(done) != len(choice.patches):
        what = f"'{printable(lacking.title)[:80]}'" if lacking else f"{len(choice.patches)} patches"
        raise PatchError(
            f"{b4.label}: b4 chooses another series from this thread, without {what}; name an mbox with it alone"
        )
    return tuple(replace(post, body=_message(done[_identity(post)]) + post.body_diff) for post in choice.patches)


def _message(post: Post) -> bytes:
    first = DIFF.search(post.body)
    return post.body[: first.start()] if first else post.body


def _identity(post: Post) -> str:
    return post.id or f"{post.place}@orch"


def _plain(post: Post, chosen: dict[int, Post]) -> bytes:
    """Return `post` as an mbox entry whose place in the series b4 cannot misread."""
    own = chosen.get(post.place, post)
    number = f" {own.number}/{max(own.total or 0, own.number)}" if own.number is not None else ""
    reply = own.subject.reply or (own.number != 0 and post.place not in chosen)
    lines = [
        "From mboxrd@z Thu Jan  1 00:00:00 1970",
        f"From: {own.author}",
        f"Date: {own.date}",
        f"Message-ID: <{_identity(own)}>",
        f"Subject: {'Re: ' if reply else ''}[PATCH RESEND v{own.version}{number}] {own.title}",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 8bit",
    ]
    if own.answers:
        lines += [f"In-Reply-To: <{own.answers[0]}>", f"References: {' '.join(f'<{name}>' for name in own.answers)}"]
    head = "\n".join(line.replace("\n", " ") for line in lines).encode(errors="replace")
    return head + b"\n\n" + _utf8(own.body).replace(b"\nFrom ", b"\n>From ").rstrip(b"\n") + b"\n\n"


def _utf8(body: bytes) -> bytes:
    """Return `body` in UTF-8, the only encoding that b4 can expect here."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1").encode()
    return body


def _failed(done: Completed, label: str, *, fetches: bool) -> OrchError:
    lines = [line.strip() for line in done.output.splitlines() if line.strip() and line.strip() != "---"]
    reason = next((line for line in lines if line.startswith(_ERRORS)), lines[-1] if lines else f"status {done.status}")
    reason = printable(reason.removeprefix("CRITICAL: "))[:160]
    if done.timed_out:
        reason = f"no answer in {done.seconds:.0f} s"
    if not fetches or any(mark in done.output for mark in _NOT_THERE):
        return failure(f"{label}: b4 finds no such series: {reason}", done.output, UsageError)
    remedy = "without a network, save the thread and name it with 'mbox'"
    return failure(f"{label}: b4 cannot fetch it: {reason}; {remedy}", done.output, InfrastructureError)


def threads(found: tuple[Post, ...], wanted: str) -> tuple[Post, ...]:
    """Return the messages of the thread with the id `wanted`, and of other versions' threads.

    Another version has the same author, and the same title on its cover letter or its patches.
    """
    roots = thread_roots(found)
    own = next((roots[post.place] for post in found if post.id == wanted), None)
    if own is None:
        return ()
    titles: dict[object, set[tuple[str, str]]] = {}
    for post in found:
        if post.subject.tagged and not post.subject.reply and (post.number in (0, None) or post.is_patch):
            titles.setdefault(roots[post.place], set()).add((post.author, post.subject.bare))
    related = {root for root, names in titles.items() if names & titles.get(own, set())} | {own}
    return tuple(post for post in found if roots[post.place] in related)
