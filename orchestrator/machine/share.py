# SPDX-License-Identifier: GPL-2.0-only
"""A boot's share, which the guest writes to.

It is limited during the boot, made harmless afterwards, and read safely.  QEMU serves the share with the permissions of
orch's user (9p, security_model=none): a guest can create links, devices and FIFOs on the host, and change the files
that orch put there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from orchestrator.agent.harmless import make_harmless
from orchestrator.agent.inodes import MIB, size_words
from orchestrator.agent.quota import Quota, watched
from orchestrator.errors import InfrastructureError, Interrupted
from orchestrator.host.untrusted import OddFileError, read_beginning, text_of
from orchestrator.machine.console import FLOOD_BYTES, LINE_BYTES

QUOTA = Quota(1024 * MIB, 20_000)
"""Limits of the files in one boot's share."""
MOST_OUTPUT = 32 * MIB
"""Maximum number of bytes that are read of an output file."""
MOST_ANSWER = 64 * 1024
"""Maximum number of bytes that are read of a file with a number or a sentence."""

_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)


class Limits:
    """Ends a boot whose guest writes too much.

    `odd` has a sentence for each forbidden action of the guest.  `flooded` is whether its console output exceeded the
    limit.
    """

    def __init__(self) -> None:
        self.over = Event()
        self.odd: tuple[str, ...] = ()
        self.flooded = False
        self._room = FLOOD_BYTES

    def end(self, sentence: str) -> None:
        """End the boot; the first `sentence` is kept as the reason."""
        self.odd = self.odd or (sentence,)
        self.over.set()

    def share(self, reason: str) -> None:
        """End the boot because the share contains too much."""
        self.end(f"the guest was ended, for it left {reason} in its share")

    def console(self, line: str) -> None:
        """Count a line of the console, and end the boot if the console output exceeds the limit."""
        self._room -= len(line) + LINE_BYTES
        if self._room < 0:
            self.flooded = True
            self.over.set()


@contextmanager
def shared_with_guest(share: Path, kept: tuple[str, ...]) -> Iterator[Limits]:
    """Watch `share` while a guest uses it, and make it harmless at the end, see `tidy`.

    An InfrastructureError inside the context is replaced by one about the guest if the guest may have caused it, for
    example by filling the disk.
    """
    own, quota, limits = contents(share), QUOTA.on(share), Limits()
    try:
        with watched(share, quota, limits.share):
            yield limits
    except InfrastructureError as error:
        odd = (*limits.odd, *tidy(share, quota, own, kept))
        if odd and not isinstance(error, Interrupted):
            raise InfrastructureError("; ".join(odd)) from error
        raise
    limits.odd += tidy(share, quota, own, kept)


class Share:
    """Reads files of a share, and records what was wrong with them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._odd: list[str] = []

    @property
    def odd(self) -> tuple[str, ...]:
        """A sentence for each problem with the files that were read."""
        return tuple(dict.fromkeys(self._odd))

    def text(self, name: str, most: int = MOST_ANSWER) -> str:
        """Return the text of a file, at most `most` bytes of it.

        Returns "" if there is none or it is not a regular file.
        """
        try:
            content, whole = read_beginning(self._directory, name, most)
        except OddFileError as error:
            self._note(str(error))
            return ""
        if not whole:
            self._note(f"{name} is larger than {size_words(most)}, and only its beginning is read")
        return text_of(content or b"")

    def number(self, name: str, most: int) -> int | None:
        """Return the number from 0 to `most` in a file.

        Returns None if it has none, for example because the guest died while writing.
        """
        text = self.text(name).strip()
        if _NUMBER.fullmatch(text) and int(text) <= most:
            return int(text)
        if text:
            self._note(f"{name} is not a number from 0 to {most}: {text[:40]!a}")
        return None

    def _note(self, sentence: str) -> None:
        self._odd.append(f"{self._directory.name}/{sentence}")


def contents(share: Path) -> dict[str, bytes]:
    """Return the content of the files that orch put into the new `share`, by name."""
    return {path.name: path.read_bytes() for path in share.iterdir()}


def tidy(share: Path, quota: Quota, own: Mapping[str, bytes], kept: tuple[str, ...]) -> tuple[str, ...]:
    """Make `share`, which no guest uses any more, harmless.

    Return a sentence for each problem found in it.  The files that orch put there, `own`, are restored.  `kept` are the
    names of the files that orch reads: at least a part of them is kept even if the guest left more than `quota`.
    Raises InfrastructureError if that fails.
    """
    try:
        odd = list(make_harmless(share, quota, (*own, *kept)))
        odd += [f"{share.name}/{name} was changed" for name in own if _restored(share, name, own[name])]
    except OSError as error:
        what = f"{share}: cannot make harmless what the guest left: {error.strerror or error}"
        raise InfrastructureError(f"{what}; remove this directory") from error
    return tuple(odd)


def _restored(share: Path, name: str, content: bytes) -> bool:
    """Restore one of orch's files if it was changed; return whether it was."""
    try:
        if read_beginning(share, name, len(content)) == (content, True):
            return False
    except OddFileError:  # a directory: all other kinds have been replaced already
        (share / name).rename(share / f"{name}.changed")
    temporary = share / f".{name}.orch"
    temporary.write_bytes(content)
    temporary.replace(share / name)
    return True
