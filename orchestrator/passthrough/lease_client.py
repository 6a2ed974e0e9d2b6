# SPDX-License-Identifier: GPL-2.0-only
"""The client of `agent.lease`, the program that leases a run's functions on their host.

The program's last message confirms that everything was given back.  Without it the program may have been killed, and
this client restores the functions.
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

Notify = Callable[[str], None]
"""Called with short messages about the progress."""

_GRACE = 90.0
"""Seconds that giving everything back may take."""
_TAKING = 120.0
"""Seconds that drivers may take to release their devices."""
_LOOK = 0.2


class LeaseClient:
    """The client of one lease program, for the functions `addresses`.

    `holder` describes the run to other runs.
    """

    def __init__(
        self, host: Host, root: str, notify: Notify, addresses: Sequence[str], holder: Mapping[str, Any]
    ) -> None:
        self._host = host
        self._root = root
        self._notify = notify
        self._addresses = tuple(addresses)
        self._holder = dict(holder)
        self._queue: Queue[dict[str, Any]] = Queue()
        self._messages: dict[str, list[dict[str, Any]]] = {}
        self._running: Future[Completed] | None = None

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the leases for the time of the context, then give everything back.

        Raises InfrastructureError if the leases cannot be obtained, and if a function was not given back.  If the
        context fails, or orch is stopped, the latter is only reported by `notify`: the first failure is the more
        important one.
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
                    self._notify(problem)
        if problem and not isinstance(failure, Interrupted):
            raise InfrastructureError(problem)

    def _hold(self, enough: Event) -> Completed:
        request = {"addresses": self._addresses, "holder": self._holder, "root": self._root}
        argv = program("lease", "hold")
        return self._host.run(Command(argv, stdin=sent(request), on_line=self._receive, until=enough, grace=_GRACE))

    def _wait_for_lease(self, running: Future[Completed]) -> None:
        while "leased" not in self._messages:
            self._process()
            if running.done():
                self._process()
                done = running.result()
                why = self._why("stuck") or f"the lease program ended with status {done.status}: {done.output.strip()}"
                raise InfrastructureError(f"{self._host.name}: devices cannot be leased: {why}")

    def refuse_if_gone(self) -> None:
        """Raise InfrastructureError if the leases are no longer held."""
        if self._running is not None and self._running.done():
            why = self._running.exception() or f"status {self._running.result().status}"
            raise InfrastructureError(f"{self._host.name}: the lease program has ended: {why}")

    def take(self, entries: Sequence[dict[str, Any]]) -> None:
        """Bind every function to vfio-pci.

        Raises InfrastructureError if one cannot be bound.
        """
        request = sent({"entries": list(entries), "root": self._root})
        done = self._host.run(Command(program("lease", "take"), stdin=request, on_line=self._receive, timeout=_TAKING))
        self._process()
        if not done.ok:
            how = f"binding to vfio-pci ended with status {done.status}: {done.output.strip()}"
            raise InfrastructureError(f"{self._host.name}: {self._why('failed') or how}")

    def _why(self, kind: str) -> str:
        return "; ".join(describe(message) for message in self._messages.get(kind, ()))

    def _problem(self, failure: BaseException | None) -> str:
        """Return what was not given back, after another attempt; "" if nothing.

        The lease program has ended before.
        """
        self._process()
        if "leased" not in self._messages:
            return ""
        if "released" not in self._messages:
            self._messages.pop("stuck", None)  # a second attempt follows
            if isinstance(failure, Interrupted):  # the host refuses new commands
                return self._unknown("orch was asked to stop")
            try:
                self._restore()
            except InfrastructureError as error:
                return self._unknown(str(error))
        stuck = self._messages.get("stuck", ())
        fix = restoring(self._host.name)
        return "\n".join(
            f"{self._host.name}: {message['address']} was not given back: {message['why']}; run: {fix}"
            for message in stuck
        )

    def _unknown(self, why: str) -> str:
        what = f"{', '.join(self._addresses)}: the lease program did not report that it gave them back"
        return f"{self._host.name}: {what}, and {why}; run: {restoring(self._host.name)}"

    def _restore(self) -> None:
        """Give back what the lease program left.

        A function that another run holds now is not included: that run has restored it first.
        """
        for message in give_back(self._host, self._root):
            if message["event"] == "held" and message["holder"] == self._holder:
                self._queue.put(
                    {"event": "stuck", "address": message["address"], "why": "its lease program does not end"}
                )
            elif message["event"] != "held" and message["address"] in self._addresses:
                self._queue.put(message)
        self._process()

    def _receive(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # error messages of Python itself are in the output
        if isinstance(message, dict) and "event" in message:
            self._queue.put(message)

    def _process(self) -> None:
        """Collect new messages and report them."""
        while True:
            try:
                message = self._queue.get(timeout=_LOOK)
            except Empty:
                return
            self._messages.setdefault(message["event"], []).append(message)
            if describe(message):
                self._notify(describe(message))
