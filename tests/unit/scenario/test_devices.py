# SPDX-License-Identifier: GPL-2.0-only
"""Devices of a scenario: their values, and one sentence for each mistake.

An editor finds the same mistakes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.errors import ScenarioError
from orchestrator.scenario.devices import Device, EmulatedDevice, PassthroughDevice, Selector
from orchestrator.scenario.schema.json import json_schema
from tests.unit.scenario.test_load import SMALL, load_text


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors name files from the current directory."""
    monkeypatch.chdir(tmp_path)


def with_device(text: str) -> str:
    return SMALL.replace("{emulated: pci-testdev, bar: 4G}", text)


def device(tmp_path: Path, text: str) -> Device:
    return load_text(tmp_path, with_device(text)).devices[0]


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ('{passthrough: "0000:3b:00.0"}', Selector(address="0000:3b:00.0")),
        ("{passthrough: 3B:00.0}", Selector(address="0000:3b:00.0")),
        ("{passthrough: {address: 10000:e1:00.0}}", Selector(address="10000:e1:00.0")),
        ("{passthrough: {device: 10de:2330}}", Selector(vendor=0x10DE, device=0x2330)),
        (
            "{passthrough: {device: '10de:*', class: display, min-bar: 64G}}",
            Selector(vendor=0x10DE, class_prefix="03", min_bar=64 << 30),
        ),
        ("{passthrough: {class: 0302}}", Selector(class_prefix="0302")),
    ],
)
def test_a_function_of_the_host_is_meant_by_address_or_by_what_it_is(
    tmp_path: Path, text: str, selector: Selector
) -> None:
    assert device(tmp_path, text) == PassthroughDevice("testdev", selector, where="scenarios/pud.yaml:3")


def test_a_fallback_and_sizes_belong_to_the_device(tmp_path: Path) -> None:
    text = "{passthrough: {class: '03'}, resize: {'1': 64G}, fallback: {emulated: pci-testdev, bar: 1G}}"
    found = device(tmp_path, text)
    assert isinstance(found, PassthroughDevice)
    assert found.resize == ((1, 64 << 30),)
    assert found.fallback == EmulatedDevice("testdev", "pci-testdev", 1 << 30, "scenarios/pud.yaml:3")


MISTAKES = [
    ("{bar: 4G}", "3: device 'testdev' is neither 'emulated' nor 'passthrough'; give it one of them"),
    (
        "{emulated: pci-testdev, bar: 4G, passthrough: 3b:00.0}",
        "3: device 'testdev' is 'emulated' already; 'fallback' has what to emulate instead",
    ),
    (
        "{emulated: pci-testdev, bar: 4G, resize: {'1': 64G}}",
        "3: 'resize' is for devices that are 'passthrough'; remove it",
    ),
    ("{passthrough: 3b:00.0, bar: 4G}", "3: 'bar' is for devices that are 'emulated'; remove it"),
    ("{passthrough: gpu}", "3: 'address' must be a PCI address such as 0000:3b:00.0, not 'gpu'"),
    ("{passthrough: {device: 10de}}", "3: 'device' must be vendor and device such as 10de:2330 or 10de:*, not '10de'"),
    (
        "{passthrough: {class: gpu}}",
        "3: 'class' must be two, four or six hexadecimal digits, or one of storage, network, display, not 'gpu'",
    ),
    (
        "{passthrough: {}}",
        "3: 'passthrough' selects no function; give it an address, or a 'device'",
    ),
    (
        "{passthrough: {address: 3b:00.0, class: '03'}}",
        "3: 'address' alone selects a function; remove it, or 'class'",
    ),
    (
        "{passthrough: {adress: 3b:00.0}}",
        "3: unknown key 'adress' in 'passthrough' of device 'testdev'; did you mean 'address'?",
    ),
    (
        "{passthrough: 3b:00.0, fallback: {emulated: pci-testdev}}",
        "3: the fallback of device 'testdev' has no 'bar', the size of its BAR; add one, such as 4G",
    ),
    ("{passthrough: 3b:00.0, resize: {'7': 1G}}", "3: a BAR's number must be a number from 0 to 5, not '7'"),
    (
        "{passthrough: 3b:00.0}\n  other: {passthrough: 0000:3b:00.0}",
        "4: device 'other' is the function 0000:3b:00.0 that device 'testdev' is; give it another one, or remove it",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:50] for _, message in MISTAKES])
def test_one_mistake_is_one_problem(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(tmp_path, with_device(text))
    assert [str(one) for one in caught.value.problems] == [f"scenarios/pud.yaml:{message}"]


NOT_IN_A_SCHEMA = ("other:", "class: '03'", "passthrough: gpu")
"""Two devices that are the same function, keys with the same meaning, and a text, which may be an address."""
EDITOR_SEES = [text for text, _ in MISTAKES if not any(part in text for part in NOT_IN_A_SCHEMA)]


@pytest.mark.parametrize("text", EDITOR_SEES)
def test_an_editor_sees_it_too(text: str) -> None:
    validator = Draft202012Validator(json_schema())
    assert validator.is_valid(yaml.safe_load(with_device("{passthrough: '0000:3b:00.0', resize: {'1': 64G}}")))
    assert not validator.is_valid(yaml.safe_load(with_device(text)))
