# SPDX-License-Identifier: GPL-2.0-only
"""A reply to a mail of a series, as an RFC 5322 message that ``git send-email`` and mutt take.  Nothing is sent."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterable
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.utils import getaddresses

from orchestrator.kernel.patch.mbox import Post, decoded, header_text
from orchestrator.report.text import in_a_line, one_line

_MOST_REFERENCES = 50
_MOST_RECIPIENTS = 200
_POLICY = email.policy.SMTP.clone(linesep="\n", max_line_length=78)


def reply_to(post: Post, text: str, sender: str = "") -> str:
    """Return a message with `text` that replies to `post`: its sender in To, all other recipients in Cc.

    `sender` is a name with an address; without it the message has no From, and the mailer adds the user's.  Each header
    is made from parsed values, so that no content of the mail becomes a header of its own.
    """
    original = email.message_from_bytes(post.raw.partition(b"\n")[2] if post.raw.startswith(b"From ") else post.raw)
    message = EmailMessage(policy=_POLICY)
    if sender:
        message["From"] = tuple(_addresses([sender]))
    author = list(_addresses(_values(original, "From")))
    message["To"] = tuple(author)
    known = {address.addr_spec.lower() for address in author}
    others = [
        address for address in _addresses(_values(original, "To", "Cc")) if address.addr_spec.lower() not in known
    ]
    if others:
        message["Cc"] = tuple(others)
    title = one_line(header_text(original, "Subject"))
    message["Subject"] = title if title.lower().startswith("re:") else f"Re: {title}"
    message["In-Reply-To"] = f"<{in_a_line(post.id)}>"
    thread = [*reversed(post.answers[:_MOST_REFERENCES]), post.id]
    message["References"] = " ".join(f"<{in_a_line(name)}>" for name in dict.fromkeys(thread))
    message.set_content(text, charset="utf-8", cte="8bit")
    return message.as_bytes(policy=_POLICY).decode("utf-8", errors="backslashreplace")


def _values(mail: Message, *names: str) -> list[str]:
    return [str(value) for name in names for value in mail.get_all(name, [])]


def _addresses(fields: Iterable[str]) -> Iterable[Address]:
    """Yield the addresses in header fields, each once; what is no plain address is left out."""
    seen: set[str] = set()
    for name, spec in getaddresses(list(fields))[:_MOST_RECIPIENTS]:
        local, at, domain = spec.rpartition("@")
        plain = at and local and domain and spec.isascii() and spec.isprintable() and not set(spec) & set(' <>"(),;:\\')
        if plain and spec.lower() not in seen:
            seen.add(spec.lower())
            yield Address(display_name=one_line(decoded(name))[:100], username=local, domain=domain)
