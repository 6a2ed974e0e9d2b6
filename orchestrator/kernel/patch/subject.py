# SPDX-License-Identifier: GPL-2.0-only
"""A parser for subjects of mails: the version of a series, and a patch's number.

It reads a subject as b4 does (LoreSubject in b4's __init__.py).  In addition it reads forms that b4 treats as version 1
or as 1/1: PATCH1/3, v2,1/3, version 2, "[list] Re: [PATCH]", and tags after the title.  `choose._canonical` writes a
subject so that b4 reads the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 2000
"""The number of characters of a subject that are read.

The time for the expressions below grows with its square.
"""

_COUNT = r"\s*(?:\[\d+\]|\(\d+\)|\^\d+)?\s*[:：]"
_REPLY = re.compile(rf"^\s*(?:(?:re|aw|sv|antw|fwd?|回复|答复|转发){_COUNT}|\w{{2,3}}:\s*(?=\[))\s*", re.IGNORECASE)
_REPLY_INSIDE = re.compile(rf"^\s*re{_COUNT}\s*", re.IGNORECASE)
"""A reply mark after a tag such as [PATCH].

Other short words with a colon are the names of subsystems there.
"""
_BRACKET = re.compile(r"^\s*\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\s*")
_LATER = re.compile(r"\[([^\[\]]*\b(?:PATCH|RFC)(?![a-z])[^\[\]]*|(?:v\d+[ ,]+)?\d+/\d+)\]\s*$", re.IGNORECASE)
_BARE = re.compile(r"^\s*(PATCH(?![a-z])[^:\[\]]{0,40}):\s*", re.IGNORECASE)
_IS_TAG = re.compile(r"PATCH|\bRFC\b|\bRFT\b|\bv?\d+/\d+", re.IGNORECASE)
_GLUED = (
    (re.compile(r"(patch|rfc|resend|repost|series)[-_#.,:]*(?=v?\d)", re.IGNORECASE), r"\1 "),
    (re.compile(r"\bv(\d{1,4})[-_.,:;/]+(?=\d+\s*(?:/|of\b))", re.IGNORECASE), r"v\1 "),
    (re.compile(r"(?<=\d)[-_.,:;]*(?=v\d)", re.IGNORECASE), " "),
    (re.compile(r"(?:(?<=\s)|^)[-#(]+(?=v?\d)", re.IGNORECASE), " "),
)
_NUMBER = re.compile(r"(?<![\w./-])(\d{1,4})\s*(?:/|\bof\b)\s*(\d{1,4})(?![\w./])", re.IGNORECASE)
_VERSION = re.compile(
    r"(?<![\w./-])(?:v|version[ .]*|ver[ .]*|rev[ .]*|take[ #]*|try[ #]*)(\d{1,4})(?!\w|\.\d|\.[xy]\b)", re.IGNORECASE
)
_TITLE_VERSION = re.compile(r"^\s*v(\d{1,4})\s*[:,\s-]\s*|[\s,:-]*[(\[]?\bv(\d{1,4})[)\]]?\s*$", re.IGNORECASE)
_RESEND = re.compile(r"\b(?:RESEND|REPOST)", re.IGNORECASE)


@dataclass(frozen=True)
class Subject:
    """The contents of a subject.

    `number`, `total` and `version` are None if the subject has none; `number` is 0 for a cover letter.  `tagged` is
    whether it has a tag of a patch, `title` is the rest without the tags.
    """

    title: str
    tagged: bool = False
    reply: bool = False
    resend: bool = False
    version: int | None = None
    number: int | None = None
    total: int | None = None

    @property
    def bare(self) -> str:
        """The title for comparisons, without a version at its end or its beginning."""
        return " ".join(_TITLE_VERSION.sub("", self.title).casefold().split())

    @property
    def title_version(self) -> int | None:
        """The version at the end or the beginning of the title, or None.

        It can also belong to the title (cgroup v2).
        """
        found = _TITLE_VERSION.search(self.title)
        return int(found[1] or found[2]) if found else None


def read_subject(text: str) -> Subject:
    """Parse the subject `text`, which is decoded and on one line."""
    tags, title, reply = _split(text[:LONGEST])
    tag = " ".join(part for part in tags if _IS_TAG.search(part) or _VERSION.fullmatch(part.strip()))
    for glued, apart in _GLUED:
        tag = glued.sub(apart, tag)
    numbers = _NUMBER.findall(tag)
    versions = _VERSION.findall(tag)
    return Subject(
        title=title,
        tagged=bool(tag) and any(_IS_TAG.search(part) for part in tags),
        reply=reply,
        resend=_RESEND.search(" ".join(tags)) is not None,
        version=int(versions[-1]) if versions else None,
        number=int(numbers[-1][0]) if numbers else None,
        total=int(numbers[-1][1]) if numbers else None,
    )


def _split(text: str) -> tuple[list[str], str, bool]:
    """Return the tags, the title without them, and whether the mail is a reply.

    Re: can be before or after list names.
    """
    tags: list[str] = []
    reply, rest = False, text
    while True:
        inside = any(_IS_TAG.search(tag) for tag in tags)
        if match := (_REPLY_INSIDE if inside else _REPLY).match(rest):
            reply = True
        elif match := _BRACKET.match(rest):
            tags.append(match[1].replace("[", " ").replace("]", " "))
        else:
            break
        rest = rest[match.end() :]
    if not any(_IS_TAG.search(tag) for tag in tags):
        if match := _BARE.match(rest):
            tags.append(match[1])
            rest = rest[match.end() :]
        elif match := _LATER.search(rest):
            tags.append(match[1])
            rest = rest[: match.start()]
    return tags, rest.strip(), reply
