# SPDX-License-Identifier: GPL-2.0-only
"""The text of a mail without what mailers did to it: transfer encodings, line ends, broken lines, attachments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message as Mail

DIFF = re.compile(rb"^(?:diff --git |--- [^\n]+\n\+\+\+ [^\n]+\n@@ -)", re.MULTILINE)
"""Where a change of a file begins."""
_IN_HTML = re.compile(rb"(?:^|>)(?:diff --git |--- a/|\+\+\+ b/)", re.MULTILINE)
_HEADED = re.compile(rb"\A(?:From [0-9a-f]{40,64} |(?:From|Subject|Date): )")


@dataclass(frozen=True)
class Body:
    """The text of a mail; `attached` are its patches that are files with a header of their own, as git writes them.

    `trouble` is why its patch cannot be read, as the end of a sentence.
    """

    text: bytes
    attached: tuple[bytes, ...] = field(default=())
    trouble: str = ""


def undated(data: bytes) -> bytes:
    """`data` without the blank lines and the byte order mark that some editors put before the first line."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")


def read_body(mail: Mail) -> Body:
    """The text of the message, and of patches that are attached as whatever type (application/octet-stream)."""
    leaves = [part for part in mail.walk() if not part.is_multipart()]
    texts = [_decoded(part) for part in leaves if part.get_content_type() != "text/html"]
    plain = [part.get_content_maintype() == "text" for part in leaves if part.get_content_type() != "text/html"]
    changes = [text for text in texts if _is_change(text)]
    prose = [text for text, is_text in zip(texts, plain, strict=True) if is_text and not _is_change(text)]
    # A patch in the mail and as a file again is one.
    distinct = list({change_of(text): text for text in reversed(changes)}.values())[::-1]
    attached = tuple(text for text in distinct if _HEADED.match(text))
    trouble = ""
    if len(distinct) > 1 and len(attached) < len(distinct):
        trouble = f"has {len(distinct)} different patches in one mail; save each as a file, in their order"
    elif not distinct and any(_IN_HTML.search(_decoded(part)) for part in leaves):
        trouble = "has its patch as HTML only, which changes its text; save the plain text of it"
    body = b"".join([*prose, *distinct])
    # As format-patch ends a file: the blank lines before the next message are no part of the patch, nor of its key.
    return Body(body.rstrip(b"\n") + b"\n\n" if b"\n-- \n" in body else body, attached, trouble)


def _is_change(text: bytes) -> bool:
    return b"\0" not in text and DIFF.search(text) is not None


def change_of(text: bytes) -> bytes:
    """The diff in `text`, without the message before it and git's signature; empty if there is none."""
    first = DIFF.search(text)
    return text[first.start() :].partition(b"\n-- \n")[0].rstrip() if first else b""


def same_change(one: bytes, other: bytes) -> bool:
    """Whether two diffs are equal, but for what a list adds below."""
    short, long = sorted((one, other), key=len)
    rest = long[len(short) :]
    return long.startswith(short) and not DIFF.search(rest) and b"\n@@ -" not in rest and rest[:1] in (b"", b"\n")


def _decoded(part: Mail) -> bytes:
    """The bytes of one part, with the line ends of Unix, and one at its end."""
    payload = part.get_payload(decode=True)
    body = payload if isinstance(payload, bytes) else b""
    if str(part.get_param("format", "")).lower() == "flowed":
        body = _unflowed(body, delete_space=str(part.get_param("delsp", "")).lower() == "yes")
    # The line ends of mail; a body that has others, too, has these for a reason.
    if body.count(b"\r\n") == body.count(b"\n"):
        body = body.replace(b"\r\n", b"\n")
    return body if body.endswith(b"\n") else body + b"\n"


def _unflowed(body: bytes, *, delete_space: bool) -> bytes:
    """The lines as they were before a mailer broke them (RFC 3676, format=flowed; git mailinfo reads them so, too)."""
    lines: list[bytes] = []
    begun: list[bytes] = []
    for raw in body.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if line == b"-- ":
            lines += [b"".join(begun), line] if begun else [line]
            begun = []
            continue
        line = line.removeprefix(b" ")
        begun.append(line[:-1] if delete_space and line.endswith(b" ") else line)
        if not line.endswith(b" "):
            lines.append(b"".join(begun))
            begun = []
    return b"\n".join([*lines, b"".join(begun)] if begun else lines)
