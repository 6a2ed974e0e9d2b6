# SPDX-License-Identifier: GPL-2.0-only
"""The choice of the series to apply from a mailbox: its newest version, complete.

b4's library chooses among versions (`kernel.patch.b4`).  In some cases b4 would apply something that the sender did not
mean.  They are refused here, or corrected in the input of b4: a missing patch, two patches with one number, two series
in one mailbox, a reply with a diff, an older version that was sent last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from orchestrator.errors import PatchError
from orchestrator.kernel.patch.body import same_change
from orchestrator.kernel.patch.diff import printable
from orchestrator.kernel.patch.mbox import Post
from orchestrator.kernel.patch.threads import units_of

_MOST_VERSIONS = 100
_ONE_SERIES = "an mbox is one series, so make it several files"

Mails = list[dict[str, str | bool]]


@dataclass(frozen=True)
class Answer:
    """The choice of b4: a version, and the ids of its patches by number.

    `older` are the ids of those that are from the version before.
    """

    version: int | None
    patches: tuple[str | None, ...]
    older: tuple[str, ...]


Ask = Callable[[Mails, int | None], Answer]
"""Lets b4 choose the newest version among mails, or the given version."""


@dataclass(frozen=True)
class Choice:
    """The patches to apply, in order.

    `older` are those of them that are from an older version (a partial reroll).  `left` are the patches that are not
    applied: other versions, and patches of other senders.
    """

    patches: tuple[Post, ...]
    older: tuple[Post, ...] = ()
    left: tuple[Post, ...] = ()

    def describe(self) -> str:
        """Describe the choice in one line: version, patches, senders, and what was left out."""
        first = self.patches[0]
        version = max(post.version for post in self.patches)
        authors = sorted({printable(post.author) for post in self.patches if post.author})
        numbers = [post.number for post in self.patches if post.number is not None]
        total = max([post.total or 0 for post in self.patches] + numbers, default=0)
        what = f"{len(self.patches)} of {_patches(max(total, len(self.patches)))}"
        if len(self.patches) == 1 and total > 1:
            what = f"patch {first.number} of {total} alone"
        line = f"version {version}, {what}, '{printable(first.title)[:80]}'"
        line += f", from {', '.join(authors[:3])[:160] or 'an unknown sender'}"
        if self.older:
            kept = ", ".join(f"{post.number}/{post.total} of version {post.version}" for post in self.older[:8])
            line += f"; a partial reroll, with {kept}"
        if self.left:
            others = sorted({post.version for post in self.left if post.version != version})
            named = f" (version {', '.join(map(str, others[:8]))})" if others else ""
            line += f"; {_patches(len(self.left))} left out{named}"
        return line


def _patches(count: int) -> str:
    return f"{count} patch{'' if count == 1 else 'es'}"


def choose(found: tuple[Post, ...], label: str, ask: Ask, version: int | None = None, *, alone: bool = False) -> Choice:
    """Choose the patches of the only series in `found`: of `version`, or of the newest.

    If `alone` is set, a single message is applied alone, even if its subject says that it belongs to a series.
    Single patches without numbers are all applied, in the order of the mailbox, each in its newest version.
    Raises PatchError, which begins with `label`, if there is no series or more than one, or if a patch is missing.
    """
    patches = [post for post in found if post.is_patch]
    if not patches:
        trouble = next((post.trouble for post in found if post.trouble and not post.subject.reply), "")
        raise PatchError(f"{label}: {trouble or _no_patch(len(found))}")
    if alone and len(found) == 1:
        return Choice((_readable(patches[0], label),))
    if any(post.subject.tagged for post in patches):
        patches = [post for post in patches if post.subject.tagged]
    settled = _settled(found, patches)
    patches = _once([settled[post.place] for post in patches], label)
    units = units_of(patches, found)
    if len(units) > 1 and any(post.number is not None for post in patches):
        raise PatchError(f"{label}: {_several(units)}; {_ONE_SERIES}")
    chosen = [_of_unit(unit, found, settled, label, ask, version) for unit in units]
    applied = [post for choice in chosen for post in choice.patches]
    if applied[0].number is None:
        applied.sort(key=lambda post: post.place)
    older = tuple(post for choice in chosen for post in choice.older)
    for post in applied:
        _readable(post, label)
    used = {post.place for post in applied}
    return Choice(tuple(applied), older, tuple(post for post in patches if post.place not in used))


def _no_patch(count: int) -> str:
    messages = "one message" if count == 1 else f"{count} messages"
    return f"no patch in the {messages} there; save the thread with its patches"


def _several(units: list[list[Post]]) -> str:
    versions = {post.version for unit in units for post in unit}
    of = f" of version {versions.pop()}" if len(versions) == 1 else ""
    names = [f"'{printable(unit[0].title)[:60]}'" for unit in units[:4]]
    return f"patches of several series{of}: {', '.join(names)}{', …' if len(units) > 4 else ''}"


def _readable(post: Post, label: str) -> Post:
    if post.trouble:
        raise PatchError(f"{label}: '{printable(post.title)[:80]}' {post.trouble}")
    return post


def _settled(found: tuple[Post, ...], patches: list[Post]) -> dict[int, Post]:
    """Return `patches`, by the place of each, with their versions completed.

    A patch without a version gets that of its cover letter or its title.
    """
    by_id = {post.id: post for post in found if post.id}
    titles: dict[tuple[str, int | None, int | None], set[int | None]] = defaultdict(set)
    for post in patches:
        if post.subject.version is None:
            titles[post.subject.bare, post.number, post.total].add(post.subject.title_version)
    settled = {}
    for post in patches:
        version = post.version
        above = by_id.get(post.answers[0]) if post.answers else None
        if post.subject.version is None and above and _leads(above, post):
            version = above.version
        elif post.subject.version is None and len(titles[post.subject.bare, post.number, post.total]) > 1:
            version = post.subject.title_version or 1
        settled[post.place] = replace(post, version=version)
    return settled


def _leads(above: Post, post: Post) -> bool:
    """Return whether `above` is the cover letter of `post`, or patch 1 of its series."""
    numbered = above.number == 0 or (above.number == 1 and above.is_patch and post.number not in (None, 1))
    return numbered and above.total == post.total and above.author == post.author and not above.subject.reply


def _once(patches: list[Post], label: str) -> list[Post]:
    """Return `patches` without those sent twice; a patch with a new subject stays."""
    kept: dict[tuple[int, int | None, int | None, str], Post] = {}
    for post in patches:
        key = post.version, post.number, post.total, post.subject.bare
        first = kept.get(key)
        if first is None or _replaces(post, first, label):
            kept[key] = post
    chosen = {post.place for post in kept.values()}
    return [post for post in patches if post.place in chosen]


def _replaces(post: Post, first: Post, label: str) -> bool:
    """Return whether `post` replaces `first`, which has the same version, number and title.

    Raises PatchError, with `label`, if they differ and nothing shows which one is meant.
    """
    if same_change(post.diff, first.diff) or post.subject.resend != first.subject.resend:
        return post.subject.resend and not first.subject.resend
    # As in b4: of a single patch that was sent again without v2, the later one is meant.
    if post.number is None and post.author == first.author and _date(post) != _date(first):
        return _date(post) > _date(first)
    which = f"{post.number}/{post.total}" if post.number is not None else f"'{printable(post.title)[:60]}'"
    raise PatchError(f"{label}: two patches {which} of version {post.version}; {_ONE_SERIES}")


def _date(post: Post) -> datetime:
    """Return when `post` was sent; 1970, which decides nothing, if that cannot be read."""
    try:
        date = parsedate_to_datetime(post.date[:100])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return datetime(1970, 1, 1, tzinfo=UTC)


def _of_unit(
    unit: list[Post], found: tuple[Post, ...], settled: dict[int, Post], label: str, ask: Ask, version: int | None
) -> Choice:
    """Choose the patches to apply of one series, of which `unit` has all versions."""
    versions = {post.version for post in unit}
    newest = max(versions) if version is None else version
    answer = None
    if len(versions) > _MOST_VERSIONS:
        raise PatchError(
            f"{label}: has {len(versions)} versions of a series, more than {_MOST_VERSIONS}; save one thread"
        )
    if versions != {newest}:
        mails = _mails(unit, found, settled)
        answer = ask([mail for mail, _ in mails.values()], version)
        if answer.version is None:
            raise PatchError(f"{label}: there is no version {newest} of the series; there is {_listed(versions)}")
        if answer.version != newest:
            raise PatchError(
                f"{label}: version {answer.version} was sent after version {newest}, so b4 takes the older number; "
                f"remove one of them, or name the version with 'message', 'mbox' and 'version'"
            )
        by_id = {str(mail["id"]): post for mail, post in mails.values() if post is not None}
        older = tuple(by_id[name] for name in answer.older if name in by_id)
    else:
        older = ()
    chosen = [post for post in unit if post.version == newest]
    return Choice(_in_order([*chosen, *older], newest, label), older)


def _listed(versions: set[int]) -> str:
    return "version " + ", ".join(str(number) for number in sorted(versions)[:8])


def _mails(
    unit: list[Post], found: tuple[Post, ...], settled: dict[int, Post]
) -> dict[int, tuple[dict[str, str | bool], Post | None]]:
    """Return the input of b4: the patches of `unit`, and the messages that connect them.

    They are in the order of the versions, so that the higher number is the later one if the dates are equal.
    """
    by_id = {post.id: post for post in found if post.id}
    own = {post.place: post for post in unit}
    mails: dict[int, tuple[dict[str, str | bool], Post | None]] = {}
    messages = _upward(unit, by_id)
    for message in messages:
        patch = own.get(message.place)
        post = patch or settled.get(message.place, message)
        above = next((f"{by_id[name].place}@orch" for name in post.answers if name in by_id), "")
        mail: dict[str, str | bool] = {
            "id": f"{message.place}@orch",
            "subject": _canonical(post, reply=patch is None and post.number != 0),
            "from": "a@orch",
            "date": format_datetime(_date(post)),
            "answers": above,
            "patch": patch is not None,
        }
        mails[message.place] = mail, patch
    order = sorted((settled.get(post.place, post).version, post.place) for post in messages)
    return {place: mails[place] for _, place in order}


def _upward(unit: list[Post], by_id: dict[str, Post]) -> list[Post]:
    """Return `unit`, and all messages to which it replies, directly or indirectly."""
    wanted = {post.place: post for post in unit}
    todo = list(unit)
    while todo:
        above = [by_id[name] for name in todo.pop().answers if name in by_id][:1]
        todo += [post for post in above if post.place not in wanted]
        wanted |= {post.place: post for post in above if post.place not in wanted}
    return list(wanted.values())


def _canonical(post: Post, *, reply: bool) -> str:
    """Return the subject of `post` in a form that b4 reads correctly."""
    number = f" {post.number}/{max(post.total or 0, post.number)}" if post.number is not None else ""
    return f"{'Re: ' if reply else ''}[PATCH RESEND v{post.version}{number}] x"


def _in_order(chosen: list[Post], version: int, label: str) -> tuple[Post, ...]:
    """Return `chosen`, the patches of one version, in the order of their numbers.

    Raises PatchError if one is missing or there twice.
    """
    numbers = [post.number for post in chosen if post.number is not None]
    if not numbers:
        return tuple(chosen)
    totals = {post.total for post in chosen if (post.number or 0) <= (post.total or 0)}
    if len(numbers) < len(chosen) or len(totals) > 1:
        raise PatchError(f"{label}: patches of several series of version {version}; {_ONE_SERIES}")
    total = max([*(total or 0 for total in totals), *numbers])
    twice = next((n for n in sorted(numbers) if numbers.count(n) > 1), None)
    if twice is not None:
        raise PatchError(f"{label}: two patches {twice}/{total} of version {version}; {_ONE_SERIES}")
    missing = [f"{n}/{total}" for n in range(1, total + 1) if n not in set(numbers)]
    if missing:
        some = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
        raise PatchError(f"{label}: of version {version} of the series, {some} is not there; save the whole thread")
    return tuple(sorted(chosen, key=lambda post: post.number or 0))
