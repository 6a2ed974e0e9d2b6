# SPDX-License-Identifier: GPL-2.0-only
"""The devices of a run: those that are passed through are leased from a pool."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.passthrough.pool import DevicePool, NullPool, resolve_devices
from orchestrator.scenario.devices import EmulatedDevice, PassthroughDevice
from tests.fakes import Answer, FakeHost
from tests.unit.passthrough.test_select import SCAN, TESTDEV
from tests.unit.scenario.test_devices import with_device
from tests.unit.scenario.test_load import SMALL as SCENARIO
from tests.unit.scenario.test_load import load_text


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def host() -> FakeHost:
    return FakeHost([(lambda argv: argv[-1].endswith("scan"), Answer(json.dumps(SCAN)))])


def test_a_run_without_passthrough_asks_nothing_of_its_host_and_leases_nothing(tmp_path: Path) -> None:
    scenario, asked = load_text(tmp_path, SCENARIO), host()
    resolved, pool = resolve_devices(asked, scenario, (), lambda _: None)
    assert resolved is scenario
    assert isinstance(pool, NullPool)
    assert not asked.calls
    with pool.leased(tmp_path, lambda _: None) as environment:
        assert environment == ()
    pool.close()


def test_a_device_that_is_emulated_instead_needs_no_pool(tmp_path: Path) -> None:
    text = "{passthrough: {device: 'dead:beef'}, fallback: {emulated: pci-testdev, bar: 4G}}"
    notes: list[str] = []
    resolved, pool = resolve_devices(host(), load_text(tmp_path, with_device(text)), (), notes.append)
    assert isinstance(pool, NullPool)
    (device,) = resolved.devices
    assert isinstance(device, EmulatedDevice)
    assert notes == [f"device '{device.name}' is emulated instead: {device.instead}"]


def test_a_device_that_is_passed_through_is_leased_from_a_pool(tmp_path: Path) -> None:
    scenario = load_text(tmp_path, with_device("{passthrough: {device: '1b36:0005'}}"))
    resolved, pool = resolve_devices(host(), scenario, (), lambda _: None)
    assert isinstance(pool, DevicePool)
    (device,) = resolved.devices
    assert isinstance(device, PassthroughDevice)
    assert device.address == TESTDEV
