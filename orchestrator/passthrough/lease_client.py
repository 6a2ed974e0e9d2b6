# SPDX-License-Identifier: GPL-2.0-only
"""The keeper of a run's functions on their host, which is `agent.lease`: what it is told, and what it says.

It has the last word on whether everything was given back.  Where that is not heard, it may have been killed on the
way, and somebody else has to give back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, Queue
from threading import Event
from typing import Any

from orchestrator.errors import InfrastructureError, Interrupted
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Completed, Host
from orchestrator.passthrough.check import restoring
from orchestrator.passthrough.messages import describe
from orchestrator.passthrough.restore import give_back

Tell = Callable[[str], None]
"""Told in a few words what is happening."""

_GRACE = 90.0
"""Seconds that giving everything back may take."""
_TAKING = 120.0
"""Seconds that drivers may take to let go of their devices."""
_LOOK = 0.2


class LeaseClient:
    """One keeper, for the functions `addresses`; `holder` is what others are told of the run."""

    def __init__(self, host: Host, root: str, tell: Tell, addresses: Sequence[str], holder: Mapping[str, Any]) -> None:
        self._host = host
        self._root = root
        self._tell = tell
        self._addresses = tuple(addresses)
        self._holder = dict(holder)
        self._said: Queue[dict[str, Any]] = Queue()
        self._heard: dict[str, list[dict[str, Any]]] = {}
        self._running: Future[Completed] | None = None

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the leases for the time of the context, then give everything back.

        Raises InfrastructureError where the leases cannot be had, and where something was not given back; only tells
        the latter where the context fails, or orch was told to stop: what else went wrong is known then.
        """
        enough = Event()
        with ThreadPoolExecutor(1, thread_name_prefix="keeper") as executor:
            running = self._running = executor.submit(self._hold, enough)
            try:
                self._wait_for_lease(running)
                yield
            finally:
                enough.set()
                failure = running.exception()
                problem = self._problem(failure)
                if problem:
                    self._tell(problem)
        if problem and not isinstance(failure, Interrupted):
            raise InfrastructureError(problem)

    def _hold(self, enough: Event) -> Completed:
        request = {"addresses": self._addresses, "holder": self._holder, "root": self._root}
        argv = program("lease", "hold")
        return self._host.run(Command(argv, stdin=sent(request), on_line=self._hear, until=enough, grace=_GRACE))

    def _wait_for_lease(self, running: Future[Completed]) -> None:
        while "leased" not in self._heard:
            self._listen()
            if running.done():
                self._listen()
                done = running.result()
                why = self._why("stuck") or f"its keeper ended with status {done.status}: {done.output.strip()}"
                raise InfrastructureError(f"{self._host.name}: devices cannot be leased: {why}")

    def refuse_if_gone(self) -> None:
        """Raise InfrastructureError where it no longer holds the leases."""
        if self._running is not None and self._running.done():
            why = self._running.exception() or f"status {self._running.result().status}"
            raise InfrastructureError(f"{self._host.name}: the keeper of the leased devices has ended: {why}")

    def take(self, entries: Sequence[dict[str, Any]]) -> None:
        """Bring every function to vfio-pci.  Raises InfrastructureError where one does not get there."""
        request = sent({"entries": list(entries), "root": self._root})
        done = self._host.run(Command(program("lease", "take"), stdin=request, on_line=self._hear, timeout=_TAKING))
        self._listen()
        if not done.ok:
            how = f"binding to vfio-pci ended with status {done.status}: {done.output.strip()}"
            raise InfrastructureError(f"{self._host.name}: {self._why('failed') or how}")

    def _why(self, said: str) -> str:
        return "; ".join(describe(word) for word in self._heard.get(said, ()))

    def _problem(self, failure: BaseException | None) -> str:
        """What was not given back once the keeper has ended, after another attempt; "" where everything was."""
        self._listen()
        if "leased" not in self._heard:
            return ""
        if "released" not in self._heard:
            self._heard.pop("stuck", None)  # once more
            if isinstance(failure, Interrupted):  # the host refuses to be asked
                return self._unknown("orch was told to stop")
            try:
                self._restore()
            except InfrastructureError as error:
                return self._unknown(str(error))
        stuck = self._heard.get("stuck", ())
        mend = restoring(self._host.name)
        return "\n".join(
            f"{self._host.name}: {one['address']} was not given back: {one['why']}; run: {mend}" for one in stuck
        )

    def _unknown(self, why: str) -> str:
        what = f"{', '.join(self._addresses)}: the keeper did not say that it gave them back"
        return f"{self._host.name}: {what}, and {why}; run: {restoring(self._host.name)}"

    def _restore(self) -> None:
        """Give back what the keeper left; what another run holds now, that run gave back before anything else."""
        for word in give_back(self._host, self._root):
            if word["said"] == "held" and word["holder"] == self._holder:
                self._said.put({"said": "stuck", "address": word["address"], "why": "its keeper does not end"})
            elif word["said"] != "held" and word["address"] in self._addresses:
                self._said.put(word)
        self._listen()

    def _hear(self, line: str) -> None:
        try:
            word = json.loads(line)
        except ValueError:
            return  # what Python itself complains of is in the output
        if isinstance(word, dict) and "said" in word:
            self._said.put(word)

    def _listen(self) -> None:
        """Pass on what was said."""
        while True:
            try:
                word = self._said.get(timeout=_LOOK)
            except Empty:
                return
            self._heard.setdefault(word["said"], []).append(word)
            if describe(word):
                self._tell(describe(word))
