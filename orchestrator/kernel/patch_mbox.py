# SPDX-License-Identifier: GPL-2.0-only
"""The patches in an mbox: as git format-patch --stdout writes it, as list archives give it out, as mailers save it.

The messages come in any order, with replies and a cover letter between them, and may be encoded.  What is kept of each
is its author, date, subject, and its body byte for byte: git does not convert a diff either (git mailinfo).
"""

from __future__ import annotations

import email
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Mail

from orchestrator.errors import PatchError

# What git mailsplit, too, takes for the line between two messages: a date at its end, and a blank line before it.
_FROM = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\d\d?:\d\d(?::\d\d)?[^\n]* \d{4}[^\n]*\n")
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADERS = re.compile(rb"\A(?:From |[A-Za-z][A-Za-z0-9-]*:[ \t])")
_ENCODED = re.compile(
    rb"^(?:Content-Transfer-Encoding:\s*(?:quoted-printable|base64)"
    rb"|Content-Type:(?:\s*multipart/|(?:[^\n]|\n[ \t])*format=\"?flowed))",
    re.I | re.M,
)
_TAG = re.compile(r"^\s*\[([^\]]*(?:\bPATCH|\bRFC\b|\b\d+/\d+)[^\]]*)\]\s*", re.IGNORECASE)
_NUMBER = re.compile(r"\b(\d{1,4})/(\d{1,4})\b")
_VERSION = re.compile(r"\bv(\d{1,4})\b", re.IGNORECASE)
_REPLY = re.compile(r"^\s*(?:re|aw|fwd?|sv|antw)\s*(?:\[\d+\])?:", re.IGNORECASE)

_DIFF = re.compile(rb"^(?:diff --git |--- [^\n]+\n\+\+\+ [^\n]+\n@@ -)", re.MULTILINE)


@dataclass(frozen=True)
class Post:
    """A message: what its subject says of its place in a series, and its body.

    `number` of `total` is None where there is none, 0 for a cover letter; `title` is the subject without its tags;
    `id` and `answers` are the message ids of itself and of those that it answers.
    """

    title: str
    author: str
    date: str
    tagged: bool
    reply: bool
    version: int
    number: int | None
    total: int | None
    id: str
    answers: tuple[str, ...]
    body: bytes
    raw: bytes

    @property
    def text(self) -> str:
        """The message as a patch file."""
        head = f"From: {self.author}\nDate: {self.date}\nSubject: [PATCH] {self.title}\n\n"
        return head + self.body.decode(errors="surrogateescape")

    @property
    def name(self) -> str:
        """The name of that file, as git format-patch gives it."""
        return f"{self.number or 1:04}-{slug(self.title)}.patch"

    @property
    def is_patch(self) -> bool:
        """Whether this is a patch of a series, and neither its cover letter nor an answer."""
        return not self.reply and self.number != 0 and _DIFF.search(self.body) is not None


def slug(title: str) -> str:
    """A subject as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", title).strip("-.")[:52].strip("-.") or "patch"


def needs_decoding(data: bytes) -> bool:
    """Whether `data` is several messages, or one whose body is not there as it is to be applied."""
    if not _HEADERS.match(data):
        return False
    header = re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0]
    return len(_FROM.findall(data)) > 1 or b"\r\n" in header or _ENCODED.search(header) is not None


def posts(data: bytes) -> tuple[Post, ...]:
    """The messages in `data`, in order, each once; one message without its From line counts as well."""
    begins = [match.start() for match in _FROM.finditer(data)]
    parts = [data[a:b] for a, b in zip(begins, [*begins[1:], len(data)], strict=True)] if begins else [data]
    read = [_post(part) for part in parts]
    # A mail that came over two lists is one.
    return tuple({post.id or str(index): post for index, post in reversed(list(enumerate(read)))}.values())[::-1]


def series(found: tuple[Post, ...], label: str) -> tuple[Post, ...]:
    """The patches of the newest version of the one series in `found`, in order.

    Raises PatchError, which begins with `label`, where there is none, more than one, or where a patch of it is missing.
    """
    patches = [post for post in found if post.is_patch]
    if not patches:
        raise PatchError(f"{label}: no patch in the {len(found)} messages there; save the thread with its patches")
    if any(post.tagged for post in patches):
        patches = [post for post in patches if post.tagged]
    newest = max(post.version for post in patches)
    chosen = [post for post in patches if post.version == newest]
    totals = {post.total for post in chosen}
    if totals == {None}:
        return tuple(chosen)
    numbers = [post.number for post in chosen]
    twice = next((n for n in numbers if numbers.count(n) > 1), None)
    if len(totals) > 1 or twice is not None:
        told = f"two patches {twice}/{chosen[0].total}" if len(totals) == 1 else "patches of several series"
        raise PatchError(f"{label}: {told} of version {newest}; an mbox is one series, so make it several files")
    total = chosen[0].total or 0
    missing = [f"{n}/{total}" for n in range(1, total + 1) if n not in numbers]
    if missing:
        some = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
        raise PatchError(f"{label}: of version {newest} of the series, {some} is not there; save the whole thread")
    return tuple(sorted(chosen, key=lambda post: post.number or 0))


def _post(raw: bytes) -> Post:
    plain = _FROM.sub(b"", raw, count=1) if raw.startswith(b"From ") else raw
    plain = _ESCAPED.sub(rb"\1", plain)
    if b"\r\n" in plain.split(b"\n\n")[0].split(b"\r\n\r\n")[0]:
        plain = plain.replace(b"\r\n", b"\n")
    mail = email.message_from_bytes(plain)
    subject = _header(mail, "Subject")
    tag, title, reply = _subject(subject)
    number = _NUMBER.search(tag)
    version = _VERSION.search(tag)
    return Post(
        title=title,
        author=_header(mail, "From"),
        date=_header(mail, "Date"),
        tagged=bool(tag),
        reply=reply,
        version=int(version[1]) if version else 1,
        number=int(number[1]) if number else None,
        total=int(number[2]) if number else None,
        id=next(iter(_ids(mail, "Message-ID")), ""),
        answers=(*_ids(mail, "In-Reply-To"), *_ids(mail, "References")),
        body=_body(mail),
        raw=raw,
    )


def _subject(subject: str) -> tuple[str, str, bool]:
    """What the tags such as [PATCH v2 1/5] say, what comes after them, and whether the mail is an answer."""
    reply = _REPLY.match(subject) is not None
    tag, rest = "", _REPLY.sub("", subject)
    while match := _TAG.match(rest):
        tag, rest = f"{tag} {match[1]}", rest[match.end() :]
    return tag, rest.strip(), reply


def _header(mail: Mail, name: str) -> str:
    """A header on one line, decoded as far as it can be."""
    raw = mail.get(name, "")
    try:
        text = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, ValueError, TypeError):
        text = str(raw)
    return " ".join(text.encode(errors="replace").decode().split())


def _ids(mail: Mail, name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"<([^<>\s]+)>", str(mail.get(name, ""))))


def _body(mail: Mail) -> bytes:
    """The text of the message, and of patches that are attached, without the transfer encoding."""
    bodies = []
    for part in mail.walk():
        if part.is_multipart() or part.get_content_maintype() != "text" or part.get_content_subtype() == "html":
            continue
        payload = part.get_payload(decode=True)
        body = payload if isinstance(payload, bytes) else b""
        if str(part.get_param("format", "")).lower() == "flowed":
            body = _unflowed(body, delete_space=str(part.get_param("delsp", "")).lower() == "yes")
        # The line ends of mail; a body that has others, too, has these for a reason.
        if body.count(b"\r\n") == body.count(b"\n"):
            body = body.replace(b"\r\n", b"\n")
        bodies.append(body if body.endswith(b"\n") else body + b"\n")
    body = b"".join(bodies)
    # As format-patch ends a file: the blank lines before the next message are no part of the patch, nor of its key.
    return body.rstrip(b"\n") + b"\n\n" if b"\n-- \n" in body else body


def _unflowed(body: bytes, *, delete_space: bool) -> bytes:
    """The lines as they were before a mailer broke them (RFC 3676, format=flowed; git mailinfo reads them so, too)."""
    lines, begun = [], b""
    for raw in body.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if line == b"-- ":
            lines += [begun, line] if begun else [line]
            begun = b""
            continue
        line = line.removeprefix(b" ")
        if line.endswith(b" "):
            begun += line[:-1] if delete_space else line
        else:
            lines.append(begun + line)
            begun = b""
    return b"\n".join([*lines, begun] if begun else lines)
