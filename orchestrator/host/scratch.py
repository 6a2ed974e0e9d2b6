# SPDX-License-Identifier: GPL-2.0-only
"""A temporary directory on a host.

The host removes it, also if the connection to orch is lost.
"""

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
from orchestrator.host.disk import report_full_disk_on
from orchestrator.host.full import failure

_REMOVING = 60.0
"""Seconds that the host gets to remove it: a cancelled copy can be a whole kernel source."""


@contextmanager
def scratch(host: Host, place: Path) -> Iterator[Path]:
    """Make a new directory below `place` on `host`, and remove it after the context.

    A program on the host holds it (`agent.scratch`).  Raises InfrastructureError if it cannot be made, CommandError if
    the host is lost before that.
    """
    name, enough, output = secrets.token_hex(8), Event(), Queue[str]()
    request = sent({"directory": str(place), "name": name})
    with ThreadPoolExecutor(1, thread_name_prefix="scratch") as executor:
        running = executor.submit(
            host.run, Command(program("scratch"), stdin=request, on_line=output.put, until=enough, grace=_REMOVING)
        )
        try:
            with report_full_disk_on(host, place, "a directory"):
                _wait(host, place, running, output)
            yield place / name
        finally:
            enough.set()
            # The work with the directory is complete, even if the host is lost by now.
            running.exception()


def _wait(host: Host, place: Path, running: Future[Completed], output: Queue[str]) -> None:
    running.add_done_callback(lambda _: output.put("{}"))
    line = output.get()
    with suppress(ValueError):
        if json.loads(line).get("event") == "ready":
            return
    printed = running.result().output
    why = printed.strip().rpartition("\n")[2]
    raise failure(f"{host.name}: no directory can be made below {place}: {why}", printed, InfrastructureError)
