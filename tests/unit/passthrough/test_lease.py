# SPDX-License-Identifier: GPL-2.0-only
"""Leasing and restoring functions, with real lease programs and a sysfs of files.

Some of the programs are killed.  The functions are bound to vfio-pci from the start, so that no kernel has to react to
writes to those files.
"""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.cli import devices as device_verbs
from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.host.base import Command, Completed
from orchestrator.host.local import LocalHost
from orchestrator.passthrough import lease_client
from orchestrator.passthrough.lease import DeviceRequest, _journals, leased
from orchestrator.passthrough.model import Lease
from orchestrator.passthrough.pool import resolve_devices
from orchestrator.passthrough.restore import give_back
from orchestrator.passthrough.scan import scan
from orchestrator.scenario.devices import PassthroughDevice
from tests.fakes import Answer, FakeHost
from tests.unit.agent.test_leases import SECONDS, holders_of
from tests.unit.host.test_contract import wait_until
from tests.unit.passthrough.test_select import NIC, SCAN, SMALL, TESTDEV, of, scanned
from tests.unit.scenario.test_devices import with_device
from tests.unit.scenario.test_load import load_text

ONE = "0000:01:00.0"


class Careful(LocalHost):
    """This machine, but no driver is loaded.

    `ran` are the programs that would have run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def run(self, command: Command) -> Completed:
        self.ran.append(" ".join(word for word in command.argv if "\n" not in word))
        assert not (command.cwd or command.env or command.log)
        return super().run(replace(command, argv=("true",)) if command.argv[0] == "modprobe" else command)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with one function."""
    function, driver = tmp_path / f"sys/bus/pci/devices/{ONE}", tmp_path / "sys/bus/pci/drivers/vfio-pci"
    for place in (function, driver, tmp_path / "sys/kernel/iommu_groups/7"):
        place.mkdir(parents=True)
    (tmp_path / "proc").symlink_to("/proc")
    (function / "driver").symlink_to(driver)
    (function / "iommu_group").symlink_to(tmp_path / "sys/kernel/iommu_groups/7")
    for name, text in (("vendor", "0x1b36"), ("device", "0x5"), ("driver_override", "vfio-pci")):
        (function / name).write_text(text + "\n")
    return tmp_path


class RecordedLease:
    """One lease, and the messages during it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = Careful()
        self.notes: list[str] = []
        inventory = scan(self.host, str(root))
        request = DeviceRequest(inventory.functions[0])
        holder = Lease(1, "me", "here")
        self.lease = leased(self.host, inventory, [request], holder, lambda _: None, self.notes.append, str(root))

    @property
    def journal(self) -> Path:
        return self.root / f"run/orch/journals/{ONE}.json"

    def signal_program(self, number: int) -> None:
        (found,) = holders_of(self.root)
        found.send_signal(number)
        if number == signal.SIGKILL:
            assert wait_until(lambda: ended(found), SECONDS)


def ended(process: psutil.Process) -> bool:
    """Return whether a process has ended, though its parent may not know it yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def recorded(root: Path) -> RecordedLease:
    return RecordedLease(root)


def test_what_was_leased_is_given_back(recorded: RecordedLease) -> None:
    with recorded.lease as lease:
        assert recorded.journal.exists()
        lease.refuse_if_lost()
    assert not recorded.journal.exists()
    assert recorded.notes == [f"{ONE} is bound to vfio-pci", f"{ONE} is back at vfio-pci"]


def test_the_driver_is_loaded_before_the_host_is_judged(recorded: RecordedLease) -> None:
    recorded.host.ran.clear()
    with recorded.lease:
        names = [line.split("orchestrator.agent.")[-1] for line in recorded.host.ran]
    assert names == ["lease hold", "modprobe -a vfio-pci vfio_iommu_type1", "scan", "lease take"]


def test_what_a_killed_lease_program_left_is_given_back_all_the_same(recorded: RecordedLease) -> None:
    with recorded.lease:
        recorded.signal_program(signal.SIGKILL)
    assert not recorded.journal.exists()
    assert f"{ONE} is back at vfio-pci" in recorded.notes


def test_functions_are_given_back_for_a_lease_program_that_does_not_end_in_time(
    recorded: RecordedLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_client, "_GRACE", 0.3)
    with recorded.lease:
        recorded.signal_program(signal.SIGSTOP)
    assert not recorded.journal.exists()


def test_what_cannot_be_given_back_is_an_error(recorded: RecordedLease) -> None:
    sentence = f"^local: {ONE} was not given back: .* does not contain .*; run: orch devices restore$"
    with pytest.raises(InfrastructureError, match=sentence), recorded.lease:
        recorded.signal_program(signal.SIGKILL)
        recorded.journal.write_text("{torn")
    assert recorded.journal.exists()


def test_a_lease_program_that_cannot_even_be_killed_is_an_error(
    recorded: RecordedLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program still has the lease.

    Another run with the lease would have restored the function first.
    """

    def held(*_: object) -> tuple[dict[str, Any], ...]:
        holder = json.loads((recorded.root / f"run/orch/leases/{ONE}").read_text())
        others = {**holder, "token": "another's"}
        return tuple({"event": "held", "address": ONE, "holder": one} for one in (others, holder))

    monkeypatch.setattr(lease_client, "give_back", held)
    with pytest.raises(InfrastructureError) as caught, recorded.lease:
        recorded.signal_program(signal.SIGKILL)
    what = "its lease program does not end"
    assert str(caught.value) == f"local: {ONE} was not given back: {what}; run: orch devices restore"


def test_what_the_host_cannot_be_asked_for_is_an_error(
    recorded: RecordedLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> tuple[dict[str, Any], ...]:
        raise CommandError("local: lost python3")

    monkeypatch.setattr(lease_client, "give_back", lost)
    with (
        pytest.raises(InfrastructureError, match=r"and local: lost python3; run: orch devices restore$"),
        recorded.lease,
    ):
        recorded.signal_program(signal.SIGKILL)


def test_what_the_lease_program_cannot_give_back_is_an_error(recorded: RecordedLease) -> None:
    sentence = f"^local: {ONE} was not given back: .* does not contain .*; run: orch devices restore$"
    with pytest.raises(InfrastructureError, match=sentence), recorded.lease:
        recorded.journal.write_text("{torn")


def test_an_interrupt_reports_what_may_be_left(recorded: RecordedLease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_client, "_GRACE", 0.3)
    with recorded.lease:
        recorded.signal_program(signal.SIGSTOP)
        recorded.host.stop_all()
    assert recorded.journal.exists()
    assert recorded.notes[-1] == (
        f"local: {ONE}: the lease program did not report that it gave them back, and orch was asked to stop; "
        "run: orch devices restore"
    )


def test_a_failure_inside_is_not_hidden_by_what_is_left(recorded: RecordedLease) -> None:
    with pytest.raises(InfrastructureError, match=r"^no guest$"), recorded.lease:
        recorded.journal.write_text("{torn")
        raise InfrastructureError("no guest")
    assert recorded.notes[-1].startswith(f"local: {ONE} was not given back: ")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer('{"event": "restored", "address": "x", "driver": ""}\n', -9, timed_out=True), "not given back after"),
        (Answer("", 3), "giving devices back ended with status 3"),
        (Answer('{"event": "restored", "address": "x", "driver": ""}\n', -9), "ended with status -9"),
        (Answer("python3: not found", 127), "devices cannot be given back: python3: not found"),
    ],
)
def test_giving_back_that_does_not_come_to_its_end_is_an_error(answer: Answer, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        give_back(FakeHost([(("python3",), answer)]))


def test_restoring_tells_what_became_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        '{"event": "restored", "address": "a", "driver": ""}',
        '{"event": "removed", "address": "b"}',
        '{"event": "replaced", "address": "c", "ids": "10de:2330"}',
        '{"event": "held", "address": "d", "holder": {"pid": 7, "token": "t"}}',
        '{"event": "stuck", "address": "e", "why": "process 9 still uses it"}',
    ]
    host = FakeHost([(("python3",), Answer("\n".join(words), 1))])
    with pytest.raises(InfrastructureError, match=r"^fake: e: process 9 still uses it$"):
        device_verbs.restore_on(host)
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "a is back at no driver, as before",
        "b was removed; nothing to give back",
        "c is another device now, 10de:2330, which is left alone",
    ]
    assert shown.err == "d is leased by process 7, which gives it back\n"


def test_what_cannot_be_given_back_is_reported_with_why_and_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scenario = load_text(tmp_path, with_device("{passthrough: {device: '1b36:0005'}}"))
    words = [
        {"event": "restored", "address": SMALL, "driver": ""},
        {"event": "stuck", "address": TESTDEV, "why": "it burns"},
        {"event": "held", "address": NIC, "holder": {"pid": 7}},
    ]
    left = {**SCAN, "journals": [TESTDEV]}
    host = FakeHost(
        [
            (lambda argv: argv[-1].endswith("scan"), Answer(json.dumps(left))),
            (lambda argv: argv[-1] == "restore", Answer("\n".join(map(json.dumps, words)), 1)),
        ]
    )
    notes: list[str] = []
    settled, _ = resolve_devices(host, scenario, (), notes.append)
    assert notes == [
        f"{SMALL}: restored, left by a run that has ended",
        f"{TESTDEV}: left by a run that has ended, and not given back: it burns",
        f"{NIC} is leased by process 7, which gives it back",
    ]
    (device,) = settled.devices
    assert isinstance(device, PassthroughDevice)
    assert device.address == SMALL


def test_two_of_a_group_have_each_their_own_sizes() -> None:
    def change(value: dict[str, Any]) -> None:
        of(value, TESTDEV).update(group="17", driver="nouveau", sizes={"2": 0x700})
        of(value, NIC).update(group="17", sizes={"0": 0x700})

    found = scanned(change)
    first, second = found.function(TESTDEV), found.function(NIC)
    assert first
    assert second
    requests = [DeviceRequest(first, ((2, 1 << 30),)), DeviceRequest(second, ((0, 1 << 20),))]
    for order in (requests, requests[::-1]):
        entries = {entry["address"]: entry for entry in _journals(found, order, "t")}
        resized = {address: entry["resize"] for address, entry in entries.items()}
        assert resized == {TESTDEV: {"2": 1 << 30}, NIC: {"0": 1 << 20}}
        assert entries[TESTDEV]["sizes"] == {"2": 256 << 20}
        assert (entries[TESTDEV]["ids"], entries[TESTDEV]["token"]) == ("1b36:0005", "t")
