# SPDX-License-Identifier: GPL-2.0-only
"""A series as its reviewer has it: its patches, its mails, and what a report says about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import PatchError
from orchestrator.host.base import Host
from orchestrator.kernel.cache.store import mark_used, write_whole
from orchestrator.kernel.model import Patch
from orchestrator.kernel.patch.b4 import asker
from orchestrator.kernel.patch.choose import Choice, choose
from orchestrator.kernel.patch.diff import NotAPatch
from orchestrator.kernel.patch.mbox import Post, posts
from orchestrator.kernel.patch.message import fetch_thread, label_of, read_thread
from orchestrator.kernel.patch.series import MAILBOXES, Reader
from orchestrator.kernel.patch.store import contents, keep, workplace
from orchestrator.scenario.sources import Message


@dataclass(frozen=True)
class Reviewed:
    """A series under review.

    `source` names it in a scenario.  `first` is its cover letter, else its first patch; None if it is no mail.
    `letters` are the texts of its cover letter.  `messages` are the ids of its mails.  `about` says what was chosen, in
    one line.
    """

    source: Path | Message
    patches: tuple[Patch, ...]
    first: Post | None = None
    letters: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    about: str = ""

    @property
    def title(self) -> str:
        """The subject of the series without its tags; the name of the file if it has none."""
        first = self.first or posts(self.patches[0].data)[0]
        return first.title or self.patches[0].path.stem

    @property
    def version(self) -> int:
        """The version of the series."""
        return self.first.version if self.first else 1

    @property
    def message_id(self) -> str:
        """The message id of `first`; "" if it is no mail, or was never sent."""
        return self.first.id if self.first else ""


def read_reviewed(host: Host, cache: Path, wanted: Path | Message, where: str) -> Reviewed:
    """Read the series at a path, or of a message; a thread that is fetched is kept in the cache.

    Raises PatchError or UsageError, with `where`, for what does not exist or is no series, InfrastructureError if the
    archive cannot be reached.
    """
    if isinstance(wanted, Message):
        return _of_message(host, cache, wanted, where)
    reader = Reader(host)
    if wanted.is_dir():
        return Reviewed(wanted, _kept(cache, reader.series(wanted)))
    data = contents(wanted)
    try:
        found = posts(data)
    except NotAPatch as error:
        raise PatchError(f"{wanted}: {error}") from None
    alone = wanted.suffix.lower() not in MAILBOXES
    if alone and len(found) == 1 and not found[0].subject.tagged:
        return Reviewed(wanted, _kept(cache, reader.series(wanted)))
    choice = choose(found, str(wanted), asker(host), alone=alone)
    return _reviewed(wanted, found, choice, _kept(cache, reader.patches(choice.patches, str(wanted))))


def _of_message(host: Host, cache: Path, wanted: Message, where: str) -> Reviewed:
    label = label_of(wanted, where)
    with workplace(cache) as work:
        if wanted.mbox is None:
            data = fetch_thread(host, wanted, work, where)
            kept = cache / "patches" / hashlib.sha256(data).hexdigest()[:32] / "thread.mbox"
            write_whole(kept, data)
            mark_used(kept.parent)
            wanted = Message(wanted.id, wanted.version, kept)
        found = read_thread(host, wanted, work, where)
        choice = choose(found, label, asker(host), wanted.version)
    return _reviewed(wanted, found, choice, _kept(cache, Reader(host).patches(choice.patches, label)))


def _reviewed(source: Path | Message, found: tuple[Post, ...], choice: Choice, patches: tuple[Patch, ...]) -> Reviewed:
    cover = _cover(found, choice)
    letters = (cover.body.decode(errors="surrogateescape"),) if cover else ()
    mails = (cover, *choice.patches) if cover else choice.patches
    messages = tuple(post.id for post in mails if post.id)
    return Reviewed(source, patches, mails[0], letters, messages, choice.describe())


def _cover(found: tuple[Post, ...], choice: Choice) -> Post | None:
    """Return the cover letter of the chosen version: its patches are replies to it, or it has their author."""
    version = max(post.version for post in choice.patches)
    letters = [post for post in found if post.number == 0 and not post.subject.reply and post.version == version]
    answered = {answer for post in choice.patches for answer in post.answers}
    authors = {post.author for post in choice.patches}
    by_thread = next((post for post in letters if post.id in answered), None)
    return by_thread or next((post for post in letters if post.author in authors), None)


def _kept(cache: Path, patches: tuple[Patch, ...]) -> tuple[Patch, ...]:
    return tuple(keep(cache, patch) for patch in patches)
