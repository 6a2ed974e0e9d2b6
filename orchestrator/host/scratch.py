# SPDX-License-Identifier: GPL-2.0-only
"""A directory on a host while it is needed: the host removes it, also when it hears nothing of orch any more."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from threading import Event

from orchestrator.errors import InfrastructureError
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Completed, Host
from orchestrator.host.full import needs_room_on

_REMOVING = 60.0
"""Seconds that the host gets to remove it: a copy that was cut can be a whole source of Linux."""


@contextmanager
def scratch(host: Host, place: Path) -> Iterator[Path]:
    """A new directory below `place` on `host` for the time of the context, held by a program there (`agent.scratch`).

    Raises InfrastructureError where it cannot be made, CommandError where the host is lost before it is.
    """
    name, enough, said = secrets.token_hex(8), Event(), Queue[str]()
    request = sent({"directory": str(place), "name": name})
    with ThreadPoolExecutor(1, thread_name_prefix="scratch") as executor:
        running = executor.submit(
            host.run, Command(program("scratch"), stdin=request, on_line=said.put, until=enough, grace=_REMOVING)
        )
        try:
            with needs_room_on(host, place, "a directory"):
                _wait(host, place, running, said)
            yield place / name
        finally:
            enough.set()
            # What was done with the directory is done, even where the host is lost by now.
            running.exception()


def _wait(host: Host, place: Path, running: Future[Completed], said: Queue[str]) -> None:
    running.add_done_callback(lambda _: said.put("{}"))
    line = said.get()
    with suppress(ValueError):
        if json.loads(line).get("said") == "ready":
            return
    why = running.result().output.strip().rpartition("\n")[2]
    raise InfrastructureError(f"{host.name}: no directory can be made below {place}: {why}")
