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


class LeaseProcess:
    """One running lease program."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.enough = Event()
        self.running: Future[Completed]

    def reported(self, what: str) -> bool:
        return any(message["event"] == what for message in self.messages)

    def end(self) -> int:
        self.enough.set()
        return self.running.result(SECONDS).status


@pytest.fixture
def hold(root: Path) -> Iterator[Callable[..., LeaseProcess]]:
    processes: list[LeaseProcess] = []
    with ThreadPoolExecutor(4) as executor:

        def start(*addresses: str, user: str = "me") -> LeaseProcess:
            process = LeaseProcess()
            request = {"root": str(root), "addresses": addresses, "holder": {"pid": 1, "user": user}}
            process.running = executor.submit(
                LocalHost().run,
                Command(
                    program("lease", "hold"),
                    stdin=sent(request),
                    on_line=lambda line: process.messages.append(json.loads(line)),
                    until=process.enough,
                    grace=SECONDS,
                ),
            )
            processes.append(process)
            return process

        yield start
        for process in processes:
            process.enough.set()


def holders_of(root: Path) -> list[psutil.Process]:
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


def test_the_second_waits_for_the_first_and_its_message_names_the_holder(hold: Callable[..., LeaseProcess]) -> None:
    first = hold(ONE, user="first")
    assert wait_until(lambda: first.reported("leased"), SECONDS)
    second = hold(TWO, ONE, user="second")
    assert wait_until(lambda: second.reported("waiting"), SECONDS)
    assert second.messages == [{"event": "waiting", "address": ONE, "holder": {"pid": 1, "user": "first"}}]
    assert first.end() == 0
    assert wait_until(lambda: second.reported("leased"), SECONDS)
    assert second.end() == 0
    assert [message["event"] for message in second.messages] == ["waiting", "leased", "released"]


def test_runs_that_want_the_same_in_another_order_do_not_wait_for_each_other(hold: Callable[..., LeaseProcess]) -> None:
    processes = [hold(*order) for order in [(ONE, TWO), (TWO, ONE)] * 2]
    for _ in processes:
        assert wait_until(
            lambda: any(process.reported("leased") and not process.reported("released") for process in processes),
            SECONDS,
        )
        holders = [process for process in processes if process.reported("leased") and not process.reported("released")]
        assert len(holders) == 1
        assert holders[0].end() == 0


def test_a_lease_shows_in_a_scan_for_as_long_as_it_is_held(root: Path, hold: Callable[..., LeaseProcess]) -> None:
    process = hold(ONE, user="somebody")
    assert wait_until(lambda: process.reported("leased"), SECONDS)
    leases = json.loads(LocalHost().run(Command(program("scan"), stdin=sent({"root": str(root)}))).output)["leases"]
    assert leases == {ONE: {"pid": 1, "user": "somebody"}}
    assert process.end() == 0
    leases = json.loads(LocalHost().run(Command(program("scan"), stdin=sent({"root": str(root)}))).output)["leases"]
    assert leases == {}
    assert scan(LocalHost(), str(root)).functions == ()


def test_a_lease_program_that_waits_ends_on_request(hold: Callable[..., LeaseProcess]) -> None:
    first = hold(ONE)
    assert wait_until(lambda: first.reported("leased"), SECONDS)
    second = hold(ONE)
    assert wait_until(lambda: second.reported("waiting"), SECONDS)
    assert second.end() == 0
    assert not second.reported("leased")


def test_a_dead_holders_lease_is_free_and_what_it_left_is_given_back_first(
    root: Path, hold: Callable[..., LeaseProcess]
) -> None:
    first = hold(ONE)
    assert wait_until(lambda: first.reported("leased"), SECONDS)
    left = journal(root, ONE)
    for process in holders_of(root):
        process.send_signal(signal.SIGKILL)
    assert wait_until(first.running.done, SECONDS)
    second = hold(ONE)
    assert wait_until(lambda: second.reported("leased"), SECONDS)
    assert [message["event"] for message in second.messages] == ["removed", "leased"]
    assert not left.exists()


def test_what_cannot_be_given_back_keeps_the_lease_from_the_next(root: Path, hold: Callable[..., LeaseProcess]) -> None:
    left = journal(root, ONE)
    left.write_text("{torn")
    process = hold(ONE)
    assert process.running.result(SECONDS).status == 1
    assert [message["event"] for message in process.messages] == ["stuck"]
    assert str(left) in process.messages[0]["why"]
    assert left.exists()


def test_restore_leaves_alone_what_a_living_run_has(root: Path, hold: Callable[..., LeaseProcess]) -> None:
    process = hold(ONE, user="alive")
    assert wait_until(lambda: process.reported("leased"), SECONDS)
    held, left = journal(root, ONE), journal(root, TWO)
    done = LocalHost().run(Command(program("lease", "restore"), stdin=sent({"root": str(root)})))
    assert done.status == 0
    messages = [json.loads(line) for line in done.output.splitlines()]
    assert [(message["event"], message["address"]) for message in messages] == [("held", ONE), ("removed", TWO)]
    assert messages[0]["holder"]["user"] == "alive"
    assert held.exists()
    assert not left.exists()
