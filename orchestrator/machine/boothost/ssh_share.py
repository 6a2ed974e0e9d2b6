# SPDX-License-Identifier: GPL-2.0-only
"""A boot's share on a remote host.

The host enforces its limits, and makes it harmless before it is fetched.
"""

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
"""Timeout for a share at its quota on a slow disk."""


@contextmanager
def watched_remotely(host: Host, share: Path, kept: tuple[str, ...], limits: Limits) -> Iterator[None]:
    """Let `host` watch `share`, a directory there, and make it harmless at the end.

    The host runs `agent.share` during the context.  `kept`, and the changes to `limits`, are as in
    `machine.share.shared_with_guest`.  Raises CommandError.
    """
    request = {"directory": str(share), "size": QUOTA.size, "names": QUOTA.names}
    with _watched(host, sent(request), limits):
        yield
    done = host.run(Command(program("share", "tidy"), stdin=sent({**request, "kept": kept}), timeout=_SECONDS))
    answer = _answer(check(done, f"{host.name}: making harmless what the guest left").output)
    if "odd" not in answer:
        raise CommandError(f"{host.name}: it did not report what the guest left")
    limits.odd += tuple(answer["odd"])


@contextmanager
def _watched(host: Host, request: str, limits: Limits) -> Iterator[None]:
    finished = Event()

    def read(line: str) -> None:
        for reason in _answer(line).get("over", ()):
            limits.share(reason)

    with ThreadPoolExecutor(1, thread_name_prefix="share") as executor:
        running = executor.submit(
            host.run, Command(program("share", "watch"), stdin=request, on_line=read, until=finished)
        )
        try:
            yield
        finally:
            finished.set()
            # The boot itself reports a lost connection.
            running.exception()


def _answer(line: str) -> dict[str, list[str]]:
    """Parse one line of the program: lists of sentences by name.  Return an empty mapping for any other line."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(answer, dict):
        return {}
    return {name: [str(item) for item in value] for name, value in answer.items() if isinstance(value, list)}
