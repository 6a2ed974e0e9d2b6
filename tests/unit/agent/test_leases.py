# SPDX-License-Identifier: GPL-2.0-only
"""Leases of PCI functions, with real lease programs and real locks.

The directory is the test's own, and has no functions.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest

from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Completed
from orchestrator.host.local import LocalHost
from orchestrator.passthrough.scan import scan
from tests.unit.host.test_contract import wait_until

ONE, TWO = "0000:01:00.0", "0000:01:00.1"
SECONDS = 20.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host without a PCI function, but with this machine's /proc, which shows the locks."""
    (tmp_path / "proc").symlink_to("/proc")
    (tmp_path / "sys/bus/pci/devices").mkdir(parents=True)
    return tmp_path


class Keeper:
    """One running lease program."""

    def __init__(self) -> None:
        self.words: list[dict[str, Any]] = []
        self.enough = Event()
        self.running: Future[Completed]

    def said(self, what: str) -> bool:
        return any(word["event"] == what for word in self.words)

    def end(self) -> int:
        self.enough.set()
        return self.running.result(SECONDS).status


@pytest.fixture
def hold(root: Path) -> Iterator[Callable[..., Keeper]]:
    keepers: list[Keeper] = []
    with ThreadPoolExecutor(4) as executor:

        def start(*addresses: str, user: str = "me") -> Keeper:
            keeper = Keeper()
            request = {"root": str(root), "addresses": addresses, "holder": {"pid": 1, "user": user}}
            keeper.running = executor.submit(
                LocalHost().run,
                Command(
                    program("lease", "hold"),
                    stdin=sent(request),
                    on_line=lambda line: keeper.words.append(json.loads(line)),
                    until=keeper.enough,
                    grace=SECONDS,
                ),
            )
            keepers.append(keeper)
            return keeper

        yield start
        for keeper in keepers:
            keeper.enough.set()


def keepers_of(root: Path) -> list[psutil.Process]:
    """Return the processes that have one of the root's leases open."""
    found = []
    for process in psutil.process_iter():
        with_it = False
        try:
            with_it = any(Path(file.path).is_relative_to(root / "run/orch/leases") for file in process.open_files())
        except psutil.Error:
            continue
        if with_it:
            found.append(process)
    return found


def journal(root: Path, address: str) -> Path:
    """Make the journal of an ended run for a function that was unplugged since."""
    entry = {"address": address, "group": "7", "driver": "", "override": "", "sizes": {}, "resize": {}, "token": "t"}
    path = root / f"run/orch/journals/{address}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entry))
    return path


def test_the_second_waits_for_the_first_and_is_told_for_whom(hold: Callable[..., Keeper]) -> None:
    first = hold(ONE, user="first")
    assert wait_until(lambda: first.said("leased"), SECONDS)
    second = hold(TWO, ONE, user="second")
    assert wait_until(lambda: second.said("waiting"), SECONDS)
    assert second.words == [{"event": "waiting", "address": ONE, "holder": {"pid": 1, "user": "first"}}]
    assert first.end() == 0
    assert wait_until(lambda: second.said("leased"), SECONDS)
    assert second.end() == 0
    assert [word["event"] for word in second.words] == ["waiting", "leased", "released"]


def test_runs_that_want_the_same_in_another_order_do_not_wait_for_each_other(hold: Callable[..., Keeper]) -> None:
    keepers = [hold(*order) for order in [(ONE, TWO), (TWO, ONE)] * 2]
    for _ in keepers:
        assert wait_until(lambda: any(one.said("leased") and not one.said("released") for one in keepers), SECONDS)
        holders = [one for one in keepers if one.said("leased") and not one.said("released")]
        assert len(holders) == 1
        assert holders[0].end() == 0


def test_a_lease_shows_in_a_scan_for_as_long_as_it_is_held(root: Path, hold: Callable[..., Keeper]) -> None:
    keeper = hold(ONE, user="somebody")
    assert wait_until(lambda: keeper.said("leased"), SECONDS)
    leases = json.loads(LocalHost().run(Command(program("scan"), stdin=sent({"root": str(root)}))).output)["leases"]
    assert leases == {ONE: {"pid": 1, "user": "somebody"}}
    assert keeper.end() == 0
    leases = json.loads(LocalHost().run(Command(program("scan"), stdin=sent({"root": str(root)}))).output)["leases"]
    assert leases == {}
    assert scan(LocalHost(), str(root)).functions == ()


def test_a_keeper_that_waits_ends_when_it_is_told_to(hold: Callable[..., Keeper]) -> None:
    first = hold(ONE)
    assert wait_until(lambda: first.said("leased"), SECONDS)
    second = hold(ONE)
    assert wait_until(lambda: second.said("waiting"), SECONDS)
    assert second.end() == 0
    assert not second.said("leased")


def test_a_dead_holders_lease_is_free_and_what_it_left_is_given_back_first(
    root: Path, hold: Callable[..., Keeper]
) -> None:
    first = hold(ONE)
    assert wait_until(lambda: first.said("leased"), SECONDS)
    left = journal(root, ONE)
    for process in keepers_of(root):
        process.send_signal(signal.SIGKILL)
    assert wait_until(first.running.done, SECONDS)
    second = hold(ONE)
    assert wait_until(lambda: second.said("leased"), SECONDS)
    assert [word["event"] for word in second.words] == ["gone", "leased"]
    assert not left.exists()


def test_what_cannot_be_given_back_keeps_the_lease_from_the_next(root: Path, hold: Callable[..., Keeper]) -> None:
    left = journal(root, ONE)
    left.write_text("{torn")
    keeper = hold(ONE)
    assert keeper.running.result(SECONDS).status == 1
    assert [word["event"] for word in keeper.words] == ["stuck"]
    assert str(left) in keeper.words[0]["why"]
    assert left.exists()


def test_restore_leaves_alone_what_a_living_run_has(root: Path, hold: Callable[..., Keeper]) -> None:
    keeper = hold(ONE, user="alive")
    assert wait_until(lambda: keeper.said("leased"), SECONDS)
    held, left = journal(root, ONE), journal(root, TWO)
    done = LocalHost().run(Command(program("lease", "restore"), stdin=sent({"root": str(root)})))
    assert done.status == 0
    words = [json.loads(line) for line in done.output.splitlines()]
    assert [(word["event"], word["address"]) for word in words] == [("held", ONE), ("gone", TWO)]
    assert words[0]["holder"]["user"] == "alive"
    assert held.exists()
    assert not left.exists()
