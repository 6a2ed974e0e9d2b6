# SPDX-License-Identifier: GPL-2.0-only
"""Lend PCI functions of a host to a run: leased, bound to vfio-pci, and given back whatever happens.

A keeper on the host holds the leases for as long as orch holds its connection to it.  When orch lets go of it, or dies,
or the connection is lost, the keeper gives everything back; where the keeper dies, too, its journals stay, and whoever
comes next gives back what they tell of.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from queue import Empty, Queue
from threading import Event
from typing import Any

from orchestrator.device.model import Function, Inventory, Lease
from orchestrator.device.scan import scan
from orchestrator.device.verdict import holder_words, taken_along
from orchestrator.errors import CommandError, InfrastructureError, Interrupted
from orchestrator.host.base import Completed, Host
from orchestrator.host.program import program, sent
from orchestrator.onhost.openers import TOKEN

Tell = Callable[[str], None]
"""Told in a few words what is happening."""

_GRACE = 90.0
"""Seconds that giving everything back may take."""
_TAKING = 120.0
"""Seconds that drivers may take to let go of their devices."""
_LOOK = 0.2


@dataclass(frozen=True)
class Wish:
    """A function that a run wants, and what sizes in bytes its BARs are to have, by number."""

    function: Function
    resize: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Loan:
    """What a run has got; `environment` must be that of the guests' processes, by which they are found again."""

    addresses: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    keeper: _Keeper

    def refuse_if_lost(self) -> None:
        """Raise InfrastructureError where the keeper has gone, and anybody may take the functions."""
        self.keeper.refuse_if_gone()


@contextmanager
def lent(
    host: Host,
    inventory: Inventory,
    wishes: Sequence[Wish],
    holder: Lease,
    judge: Callable[[Inventory], None],
    tell: Tell,
    root: str = "/",
) -> Iterator[Loan]:
    """Have `wishes`, which are functions of `inventory`, and all of their groups, for the time of the context.

    Waits for other runs' leases.  `judge` is called once nobody else can take them any more, with what the host has
    then: it raises where a function can no longer be given.  Raises InfrastructureError also where a function cannot
    be taken, and where it cannot be given back.
    """
    token = secrets.token_hex(8)
    keeper = _Keeper(host, root, tell)
    with keeper.holding(_groups(inventory, wishes), holder):
        now = replace(scan(host, root, inventory.given), locked=inventory.locked)
        judge(now)
        entries = {entry["address"]: entry for wish in reversed(wishes) for entry in _journals(now, wish, token)}
        keeper.take(tuple(entries.values()))
        yield Loan(tuple(wish.function.address for wish in wishes), ((TOKEN, token),), keeper)


def _groups(inventory: Inventory, wishes: Sequence[Wish]) -> list[str]:
    """The addresses of all that must be leased: VFIO gives a group to one user only."""
    all_of = (one for wish in wishes for one in (wish.function, *inventory.others(wish.function)))
    return sorted({one.address for one in all_of})


def _journals(inventory: Inventory, wish: Wish, token: str) -> Iterator[dict[str, Any]]:
    """How each function that must be bound is now; see `onhost.keep`."""
    for function in taken_along(inventory, inventory.function(wish.function.address) or wish.function):
        resize = dict(wish.resize) if function.address == wish.function.address else {}
        yield {
            "address": function.address,
            "group": function.group,
            "driver": function.driver,
            "override": function.override,
            "sizes": {str(bar.number): bar.size for bar in function.bars if bar.number in resize},
            "resize": {str(bar): size for bar, size in resize.items()},
            "token": token,
        }


class _Keeper:
    """The keeper on the host, and what it says."""

    def __init__(self, host: Host, root: str, tell: Tell) -> None:
        self._host = host
        self._root = root
        self._tell = tell
        self._said: Queue[dict[str, Any]] = Queue()
        self._stuck: list[str] = []
        self._running: Future[Completed] | None = None

    @contextmanager
    def holding(self, addresses: Sequence[str], holder: Lease) -> Iterator[None]:
        """Hold the leases of `addresses` for the time of the context, then give everything back."""
        enough, request = Event(), {"addresses": list(addresses), "holder": asdict(holder), "root": self._root}
        with ThreadPoolExecutor(1, thread_name_prefix="keeper") as executor:
            running = self._running = executor.submit(self._hold, request, enough)
            try:
                self._wait_for_lease(running)
                yield
            finally:
                enough.set()
                failure = running.exception()
                self._listen()
        if failure and not isinstance(failure, Interrupted):  # which the run's other commands tell of, too
            raise failure
        if self._stuck:
            raise InfrastructureError("\n".join(self._stuck))

    def _hold(self, request: dict[str, Any], enough: Event) -> Completed:
        argv = program("keep", "hold")
        return self._host.run(argv, stdin=sent(request), on_line=self._hear, until=enough, grace=_GRACE)

    def _wait_for_lease(self, running: Future[Completed]) -> None:
        while not self._listen():
            if running.done():
                self._listen()
                done = running.result()
                what = "\n".join(self._stuck) or f"its keeper ended with status {done.status}: {done.output.strip()}"
                raise InfrastructureError(f"{self._host.name}: devices cannot be leased: {what}")

    def refuse_if_gone(self) -> None:
        """Raise InfrastructureError where it no longer holds the leases."""
        if self._running is not None and self._running.done():
            why = self._running.exception() or f"status {self._running.result().status}"
            raise InfrastructureError(f"{self._host.name}: the keeper of the leased devices has ended: {why}")

    def take(self, entries: Sequence[dict[str, Any]]) -> None:
        """Bring every function to vfio-pci.  Raises InfrastructureError where one does not get there."""
        with suppress(CommandError):  # where there is no modprobe, or both are built in: taking will tell
            self._host.run(("modprobe", "-a", "vfio-pci", "vfio_iommu_type1"), timeout=_TAKING)
        request = sent({"entries": list(entries), "root": self._root})
        done = self._host.run(program("keep", "take"), stdin=request, on_line=self._hear, timeout=_TAKING)
        self._listen()
        if not done.ok:
            stuck = "\n".join(self._stuck) or f"status {done.status}: {done.output.strip()}"
            self._stuck.clear()
            raise InfrastructureError(stuck)

    def _hear(self, line: str) -> None:
        try:
            word = json.loads(line)
        except ValueError:
            word = {"said": "noise", "line": line}
        if isinstance(word, dict):
            self._said.put(word)

    def _listen(self) -> bool:
        """Pass on what was said; return whether the leases are there."""
        leased = False
        while True:
            try:
                word = self._said.get(timeout=_LOOK)
            except Empty:
                return leased
            leased = leased or word["said"] == "leased"
            self._pass_on(word)

    def _pass_on(self, word: dict[str, Any]) -> None:
        address = word.get("address", "")
        if word["said"] == "waiting":
            known = {name: value for name, value in word["holder"].items() if name in Lease.__dataclass_fields__}
            self._tell(f"{address} waits for {holder_words(Lease(**known))}")
        elif word["said"] == "stuck":
            self._stuck.append(f"{self._host.name}: {address}: {word['why']}")
            self._tell(f"{address}: {word['why']}")
        elif word["said"] == "taken":
            self._tell(f"{address} is bound to vfio-pci")
        elif word["said"] == "restored":
            self._tell(f"{address} is back at {word['driver'] or 'no driver, as before'}")


def give_back(host: Host, root: str = "/") -> tuple[dict[str, Any], ...]:
    """Give back whatever a dead run left on `host`; what happened to each function, as `onhost.keep` tells it.

    Raises CommandError where the host cannot be asked.
    """
    done = host.run(program("keep", "restore"), stdin=sent({"root": root}), timeout=_TAKING)
    try:
        return tuple(json.loads(line) for line in done.output.splitlines())
    except ValueError as error:
        raise CommandError(f"{host.name}: devices cannot be given back: {done.output.strip()[-400:]}") from error
