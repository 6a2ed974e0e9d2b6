# SPDX-License-Identifier: GPL-2.0-only
"""The PCI functions that a run passed through to its guests, as text."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.result.run import ScenarioRecord


def device_lines(scenario: ScenarioRecord) -> tuple[str, ...]:
    """Return a line for each device for passthrough.

    It names the function, or the reason why the device is emulated.
    """
    return tuple(f"device {name}: {text}" for name, text in device_words(scenario).items() if text)


def device_words(scenario: ScenarioRecord) -> dict[str, str]:
    """Return the same by the device's name.

    The text is "" for a device that the scenario defines as emulated.
    """
    return {name: _describe(device) for name, device in scenario.devices.items()}


def _describe(device: Mapping[str, object]) -> str:
    if device.get("address"):
        return f"the host's {device['address']} ({device['found']})"
    return f"emulated, because {device['instead']}" if device.get("instead") else ""
