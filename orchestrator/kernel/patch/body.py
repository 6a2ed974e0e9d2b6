# SPDX-License-Identifier: GPL-2.0-only
"""The text of a mail, with the changes by mailers undone.

These are transfer encodings, line ends, broken lines and attachments.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message as Mail

DIFF = re.compile(rb"^(?:diff --git |--- [^\n]+\n\+\+\+ [^\n]+\n@@ -)", re.MULTILINE)
"""The beginning of a file's diff."""
_IN_HTML = re.compile(rb"(?:^|>)(?:diff --git |--- a/|\+\+\+ b/)", re.MULTILINE)
_HEADED = re.compile(rb"\A(?:From [0-9a-f]{40,64} |(?:From|Subject|Date): )")


@dataclass(frozen=True)
class Body:
    """The text of a mail, and its attached patches.

    `attached` are attachments with a mail header of their own, as git writes them.  `trouble` is why the patch cannot
    be read, as the end of a sentence.
    """

    text: bytes
    attached: tuple[bytes, ...] = field(default=())
    trouble: str = ""


def undated(data: bytes) -> bytes:
    """Return `data` without blank lines and byte order mark before the first line.

    Some editors add them.
    """
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")


def read_body(mail: Mail) -> Body:
    """Read the text of a message, and patches attached with any type (application/octet-stream)."""
    leaves = [part for part in mail.walk() if not part.is_multipart()]
    texts = [_decoded(part) for part in leaves if part.get_content_type() != "text/html"]
    plain = [part.get_content_maintype() == "text" for part in leaves if part.get_content_type() != "text/html"]
    changes = [text for text in texts if _is_change(text)]
    prose = [text for text, is_text in zip(texts, plain, strict=True) if is_text and not _is_change(text)]
    # The same patch in the text and as an attachment counts once.
    distinct = list({change_of(text): text for text in reversed(changes)}.values())[::-1]
    attached = tuple(text for text in distinct if _HEADED.match(text))
    trouble = ""
    if len(distinct) > 1 and len(attached) < len(distinct):
        trouble = f"has {len(distinct)} different patches in one mail; save each as a file, in their order"
    elif not distinct and any(_IN_HTML.search(_decoded(part)) for part in leaves):
        trouble = "has its patch as HTML only, which changes its text; save the plain text of it"
    body = b"".join([*prose, *distinct])
    # As at the end of a file from format-patch: blank lines before the next message do not belong to the patch and its
    # key.
    return Body(body.rstrip(b"\n") + b"\n\n" if b"\n-- \n" in body else body, attached, trouble)


def _is_change(text: bytes) -> bool:
    return b"\0" not in text and DIFF.search(text) is not None


_NAMES = (b"diff --git ", b"--- a/", b"--- /dev/null", b"+++ b/", b"+++ /dev/null")
_HUNK = re.compile(rb"@@ -\d{1,12}(?:,(\d{1,12}))? \+\d{1,12}(?:,(\d{1,12}))? @@")


def change_of(text: bytes) -> bytes:
    """Return the diff in `text`, without message and git's signature; empty if there is none."""
    first = DIFF.search(text)
    return text[first.start() :].partition(b"\n-- \n")[0].rstrip() if first else b""


def same_change(diff: bytes, other: bytes) -> bool:
    """Return whether two diffs are equal, except for a footer that a mailing list adds."""
    short, long = sorted((diff, other), key=len)
    rest = long[len(short) :]
    return long.startswith(short) and not DIFF.search(rest) and b"\n@@ -" not in rest and rest[:1] in (b"", b"\n")


def change_id(text: bytes) -> str:
    """Return a hash of the change in `text`, the same for each way in which git and lists write one change.

    Blob ids, which git abbreviates by the size of a repository, the places of hunks, and what is neither the name of a
    file nor a line of a hunk are left out.
    """
    return hashlib.sha256(b"\n".join(_lines_of_change(text))).hexdigest()


def _lines_of_change(text: bytes) -> Iterator[bytes]:
    old = new = 0
    for raw in change_of(text).split(b"\n"):
        line = raw.rstrip(b"\r")
        hunk = _HUNK.match(line)
        if old > 0 or new > 0:
            old -= line[:1] in (b"", b" ", b"-")
            new -= line[:1] in (b"", b" ", b"+")
            yield line
        elif hunk:
            old, new = int(hunk[1] or 1), int(hunk[2] or 1)
            yield b"@@"
        elif line.startswith(_NAMES):
            yield line


def _decoded(part: Mail) -> bytes:
    """Return the bytes of one part, with Unix line ends and a final newline."""
    payload = part.get_payload(decode=True)
    body = payload if isinstance(payload, bytes) else b""
    if str(part.get_param("format", "")).lower() == "flowed":
        body = _unflowed(body, delete_space=str(part.get_param("delsp", "")).lower() == "yes")
    # CR LF is the line end of mail.  In a body that has both, CR LF is content.
    if body.count(b"\r\n") == body.count(b"\n"):
        body = body.replace(b"\r\n", b"\n")
    return body if body.endswith(b"\n") else body + b"\n"


def _unflowed(body: bytes, *, delete_space: bool) -> bytes:
    """Join the lines that a mailer broke (RFC 3676, format=flowed), as git mailinfo does."""
    lines: list[bytes] = []
    pending: list[bytes] = []
    for raw in body.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if line == b"-- ":
            lines += [b"".join(pending), line] if pending else [line]
            pending = []
            continue
        line = line.removeprefix(b" ")
        pending.append(line[:-1] if delete_space and line.endswith(b" ") else line)
        if not line.endswith(b" "):
            lines.append(b"".join(pending))
            pending = []
    return b"\n".join([*lines, b"".join(pending)] if pending else lines)
