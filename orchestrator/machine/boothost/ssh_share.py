# SPDX-License-Identifier: GPL-2.0-only
"""A boot's share on another host: the host itself watches over it, and makes it harmless before it is sent back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from orchestrator.errors import CommandError
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Host, check
from orchestrator.machine.share import QUOTA, Limits

_SECONDS = 600.0
"""For a share at its quota, on a slow disk."""


@contextmanager
def watched_there(host: Host, share: Path, kept: tuple[str, ...], limits: Limits) -> Iterator[None]:
    """Have `host` watch over `share`, a directory there, and make it harmless at the end (`agent.share`).

    `kept` and what becomes of `limits` is as for `machine.share.lent_to_guest`.  Raises CommandError.
    """
    request = {"directory": str(share), "size": QUOTA.size, "names": QUOTA.names}
    with _watched(host, sent(request), limits):
        yield
    done = host.run(Command(program("share", "tidy"), stdin=sent({**request, "kept": kept}), timeout=_SECONDS))
    answer = _answer(check(done, f"{host.name}: making harmless what the guest left").output)
    if "odd" not in answer:
        raise CommandError(f"{host.name}: it did not say what the guest left")
    limits.odd += tuple(answer["odd"])


@contextmanager
def _watched(host: Host, request: str, limits: Limits) -> Iterator[None]:
    enough = Event()

    def hear(line: str) -> None:
        for reason in _answer(line).get("over", ()):
            limits.share(reason)

    with ThreadPoolExecutor(1, thread_name_prefix="share") as executor:
        running = executor.submit(
            host.run, Command(program("share", "watch"), stdin=request, on_line=hear, until=enough)
        )
        try:
            yield
        finally:
            enough.set()
            # A host that is lost is seen by the boot itself.
            running.exception()


def _answer(line: str) -> dict[str, list[str]]:
    """One line of the program: lists of sentences by name; nothing for what is not that."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(answer, dict):
        return {}
    return {name: [str(one) for one in value] for name, value in answer.items() if isinstance(value, list)}
