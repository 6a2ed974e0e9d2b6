# SPDX-License-Identifier: GPL-2.0-only
"""Which PCI functions a run gave to its guests, in words."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.result.run import ScenarioRecord


def device_lines(scenario: ScenarioRecord) -> tuple[str, ...]:
    """What became of each device that was to be passed through: which function it is, or why it is emulated."""
    return tuple(f"device {name}: {words}" for name, words in device_words(scenario).items() if words)


def device_words(scenario: ScenarioRecord) -> dict[str, str]:
    """The same by the device's name; "" for those that are emulated because the scenario wants it so."""
    return {name: _words(device) for name, device in scenario.devices.items()}


def _words(device: Mapping[str, object]) -> str:
    if device.get("address"):
        return f"the host's {device['address']} ({device['found']})"
    return f"emulated, because {device['instead']}" if device.get("instead") else ""
