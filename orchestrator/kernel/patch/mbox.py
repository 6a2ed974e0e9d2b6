# SPDX-License-Identifier: GPL-2.0-only
"""A reader of the messages in an mbox.

The mbox can be from git format-patch --stdout, from a list archive, or saved by a mailer.  Its messages can be in any
order, encoded, and with replies and a cover letter between them.  Author, date, subject and body of each are kept; the
body byte for byte, as git does not convert a diff either (git mailinfo).
"""

from __future__ import annotations

import email
import re
from dataclasses import dataclass, replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Mail

from orchestrator.kernel.patch.body import DIFF, Body, change_of, read_body, same_change, undated
from orchestrator.kernel.patch.diff import NotAPatch
from orchestrator.kernel.patch.subject import Subject, read_subject

MOST_MESSAGES = 5_000
"""The largest number of messages in an mbox; the longest threads have some hundreds."""
_LARGEST_HEADER = 256 << 10
_DEEPEST = 64
_MOST_PARTS = 500
_LONGEST_FIELD = 20_000

# A line between two messages: it ends with a date, and a blank line is before it.  The lines of git and of list
# archives need no blank line.  Time and year are searched one after the other, so that a long line is read fast.
_FROM = re.compile(
    rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n"
    rb"|^From (?:[0-9a-f]{40,64} Mon Sep 17 00:00:00 2001|mboxrd@z Thu Jan  1 00:00:00 1970)\r?\n",
    re.MULTILINE,
)
_TIME = re.compile(rb"\d:\d\d")
_YEAR = re.compile(rb" \d{4}")
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADERS = re.compile(rb"\A(?:From |[A-Za-z][A-Za-z0-9-]*:[ \t])")
_BLANK = re.compile(rb"\r?\n\r?\n")
_ENCODED = re.compile(
    rb"^(?:Content-Transfer-Encoding:\s*(?:quoted-printable|base64)"
    rb"|Content-Type:\s*(?!text/(?:plain|x-patch|x-diff)\b)\S)",
    re.I | re.M,
)
_FLOWED = re.compile(rb"^Content-Type:[^\n]*(?:\n[ \t][^\n]*)*?format=\"?flowed", re.I | re.M)
_PART = re.compile(rb"^content-type:", re.I | re.M)
_NESTED = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.I | re.M)


@dataclass(frozen=True)
class Post:
    """A message: its parsed subject, its headers and its body.

    `version` is 1 if the subject has none.  `id` is its message id, `answers` are the ids of the messages to which it
    replies, the nearest first.  `trouble` is why its patch cannot be read, as the end of a sentence.  `place` is its
    index in the mailbox, from 0.
    """

    subject: Subject
    author: str
    date: str
    version: int
    id: str
    answers: tuple[str, ...]
    body: bytes
    raw: bytes
    trouble: str = ""
    place: int = 0

    @property
    def title(self) -> str:
        """The subject without its tags."""
        return self.subject.title

    @property
    def number(self) -> int | None:
        """The number of the patch in its series; None if the subject has none."""
        return self.subject.number

    @property
    def total(self) -> int | None:
        """The number of patches in its series; None if the subject has none."""
        return self.subject.total

    @property
    def text(self) -> str:
        """The message as a patch file."""
        head = f"From: {self.author}\nDate: {self.date}\nSubject: [PATCH] {self.title}\n\n"
        return head + self.body.decode(errors="surrogateescape")

    @property
    def name(self) -> str:
        """The name of the patch file, as from git format-patch."""
        return f"{self.number or 1:04}-{slug(self.title)}.patch"

    @property
    def diff(self) -> bytes:
        """The diff of the patch, without message and git's signature, for comparisons."""
        return change_of(self.body)

    @property
    def body_diff(self) -> bytes:
        """The body from the first diff on."""
        first = DIFF.search(self.body)
        return self.body[first.start() :] if first else b""

    @property
    def is_patch(self) -> bool:
        """Whether this is a patch, and not a cover letter or a reply."""
        if self.subject.reply or self.number == 0:
            return False
        return DIFF.search(self.body) is not None or (bool(self.trouble) and self.subject.tagged)


def slug(title: str) -> str:
    """Return a subject as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", title).strip("-.")[:52].strip("-.") or "patch"


def needs_decoding(data: bytes) -> bool:
    """Return whether `data` has several messages, or one message with an encoded body."""
    if len(_begins(data)) > 1:
        return True
    start = undated(data[:_LARGEST_HEADER])
    if not _HEADERS.match(start):
        return False
    header = _BLANK.split(start, maxsplit=1)[0]
    return b"\r\n" in header or _ENCODED.search(header) is not None or _FLOWED.search(header) is not None


def posts(data: bytes) -> tuple[Post, ...]:
    """Return the messages in `data`, in order and without duplicates.

    `data` can also be a single message without its From line.
    Raises NotAPatch for more messages than a thread can have, and for two different patches with one message id.
    """
    begins = _begins(data)
    if len(begins) > MOST_MESSAGES:
        raise NotAPatch(f"has {len(begins)} messages, more than {MOST_MESSAGES}; save one thread only")
    parts = [data[a:b] for a, b in zip(begins, [*begins[1:], len(data)], strict=True)] if begins else [data]
    read = [post for part in parts for post in _posts(part)]
    # A mail that was received from two lists counts once.
    distinct: dict[str, Post] = {}
    for index, post in enumerate(read):
        first = distinct.setdefault(post.id or str(index), post)
        if not same_change(first.diff, post.diff):
            raise NotAPatch(f"has two messages with the id {post.id}, and their patches differ; remove one")
    return tuple(replace(post, place=place) for place, post in enumerate(distinct.values()))


def _begins(data: bytes) -> list[int]:
    found = []
    for match in _FROM.finditer(data):
        time = _TIME.search(match[0])
        if time and _YEAR.search(match[0], time.end()):
            found.append(match.start())
    return found


def _posts(raw: bytes) -> list[Post]:
    """Return the message `raw`, or its attached patches if their subjects are tagged."""
    plain = undated(raw)
    plain = plain.partition(b"\n")[2] if plain.startswith(b"From ") else plain
    plain = _ESCAPED.sub(rb"\1", plain)
    header = _BLANK.split(plain, maxsplit=1)[0]
    if len(header) > _LARGEST_HEADER:
        return [_unread(raw, f"has a header of {len(header)} bytes")]
    if b"\r\n" in header:
        plain = plain.replace(b"\r\n", b"\n")
    trouble = _too_much(plain)
    mail = email.message_from_bytes(header if trouble else plain)
    body = Body(b"", trouble=trouble) if trouble else read_body(mail)
    own = _post(mail, raw, body)
    inner = [_post(email.message_from_bytes(part), raw, Body(part)) for part in body.attached]
    if inner and all(post.subject.tagged for post in inner) and (len(inner) > 1 or not own.subject.tagged):
        return inner
    return [own]


def _too_much(plain: bytes) -> str:
    """Return why a mail would take too long to parse; "" if it does not.

    No mailer sends such a mail.
    """
    nested, parts = len(_NESTED.findall(plain)), len(_PART.findall(plain))
    if nested > _DEEPEST:
        return f"has {nested} messages or multiparts inside one another"
    return f"has {parts} parts" if parts > _MOST_PARTS else ""


def _unread(raw: bytes, trouble: str) -> Post:
    return Post(Subject("message", tagged=True), "", "", 1, "", (), b"", raw, trouble)


def _post(mail: Mail, raw: bytes, body: Body) -> Post:
    subject = read_subject(header_text(mail, "Subject"))
    answers = (*_ids(mail, "In-Reply-To"), *reversed(_ids(mail, "References")))
    return Post(
        subject=subject,
        author=header_text(mail, "From"),
        date=header_text(mail, "Date"),
        version=1 if subject.version is None else subject.version,
        id=next(iter(_ids(mail, "Message-ID")), ""),
        answers=tuple(dict.fromkeys(answers)),
        body=body.text,
        raw=raw,
        trouble=body.trouble,
    )


def header_text(mail: Mail, name: str) -> str:
    """Return a header on one line, decoded as far as possible."""
    return decoded(str(mail.get(name, ""))[:_LONGEST_FIELD])


def decoded(raw: str) -> str:
    """Return the value of a header, or a part of it, on one line, decoded as far as possible (RFC 2047)."""
    try:
        text = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, ValueError, TypeError):
        text = raw
    return " ".join(text.encode(errors="replace").decode().split())


def _ids(mail: Mail, name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"<([^<>\s]+)>", str(mail.get(name, ""))))
