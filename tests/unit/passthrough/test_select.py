# SPDX-License-Identifier: GPL-2.0-only
"""A host's report on its PCI functions, their obstacles, and the choice for a scenario.

`data/scan-q35.json` is the report of a Debian kernel in a q35 of QEMU with an Intel IOMMU.  The tests change parts of
it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.passthrough.check import obstacles, taken_along
from orchestrator.passthrough.model import Bar, Inventory
from orchestrator.passthrough.scan import inventory, scan
from orchestrator.passthrough.select import choose, choose_all
from orchestrator.report.devices import lines, to_json
from orchestrator.scenario.devices import EmulatedDevice, PassthroughDevice, Selector
from tests.fakes import Answer, FakeHost

SCAN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/scan-q35.json").read_text())
TESTDEV, NIC, SMALL, SATA, SMBUS = "0000:00:10.0", "0000:00:11.0", "0000:00:12.0", "0000:00:1f.2", "0000:00:1f.3"


def scanned(change: Callable[[dict[str, Any]], object] = lambda _: None) -> Inventory:
    value = deepcopy(SCAN)
    change(value)
    return inventory("lab", value)


def of(value: dict[str, Any], address: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in value["functions"] if one["address"] == address)
    return found


def why_not(address: str, found: Inventory, *forced: str) -> tuple[str, ...]:
    function = found.function(address)
    assert function is not None
    return obstacles(found, function, forced)


def wanted(selector: Selector, fallback: EmulatedDevice | None = None) -> PassthroughDevice:
    return PassthroughDevice("gpu", selector, fallback, where="s.yaml:3")


def test_bars_are_read_as_the_kernel_shows_them() -> None:
    function = scanned().function(TESTDEV)
    assert function is not None
    assert function.bars == (
        Bar(0, 4 << 10),
        Bar(1, 256, io=True),
        Bar(2, 256 << 20, prefetchable=True, wide=True),
    )
    assert (function.ids, function.group, function.driver, function.largest) == ("1b36:0005", "16", "", 256 << 20)


def test_the_sizes_of_a_resizable_bar_are_those_of_its_mask() -> None:
    def change(value: dict[str, Any]) -> None:
        of(value, TESTDEV)["sizes"] = {"2": 0x700}  # resource2_resize: bits 8, 9 and 10

    function = scanned(change).function(TESTDEV)
    assert function is not None
    assert function.bars[2].sizes == (256 << 20, 512 << 20, 1 << 30)


@pytest.mark.parametrize(
    ("address", "change", "sentence"),
    [
        (NIC, lambda _: None, "its network interface eth0 is up"),
        ("0000:00:00.0", lambda _: None, "it is a bridge, which other devices are reached through"),
        (SMBUS, lambda _: None, "it has no memory BAR that could be mapped"),
        (
            SATA,
            lambda value: value["disks"].append({"name": "sda", "owners": [SATA], "uses": ["sda1 is mounted on /"]}),
            "sda1 is mounted on /",
        ),
        (
            TESTDEV,
            lambda value: value["displays"].append({"name": "card0-DP-1", "owner": TESTDEV}),
            "it shows a picture on card0-DP-1",
        ),
        (
            TESTDEV,
            lambda value: value["openers"].append(
                {"pid": 7, "command": "qemu", "node": "/dev/vfio/16", "owner": "", "group": "16", "token": ""}
            ),
            "process 7 (qemu) has /dev/vfio/16 open",
        ),
        (
            TESTDEV,
            lambda value: of(value, TESTDEV).update(virtual=4),
            "it has 4 virtual functions; remove them first: echo 0 > /sys/bus/pci/devices/0000:00:10.0/sriov_numvfs",
        ),
        (
            TESTDEV,
            lambda value: of(value, TESTDEV)["resources"].__setitem__(2, [0, (256 << 20) - 1, 0x20000000 | 1319436]),
            "the firmware gave BAR2 no address; turn on Above 4G decoding",
        ),
        (
            TESTDEV,
            lambda value: value["uses"].append({"owners": [TESTDEV], "use": "it has the mediated device 1-2-3"}),
            "it has the mediated device 1-2-3",
        ),
        (
            TESTDEV,
            lambda value: value["disks"].append(
                {"name": "nvme0n1", "owners": [TESTDEV, "10000:01:00.0"], "uses": ["nvme0n1 is swap space"]}
            ),
            "nvme0n1 is swap space",
        ),
        (
            TESTDEV,
            lambda value: of(value, TESTDEV).update(group=""),
            "it is in no IOMMU group, so no IOMMU protects the host's memory from it",
        ),
        (
            TESTDEV,
            lambda value: value["host"].update(root=False),
            "only root can give it to vfio-pci; run orch as root",
        ),
        (
            TESTDEV,
            lambda value: value["host"].update(node_usable=False),
            "this user may not open /dev/vfio/vfio; run orch as root",
        ),
        (
            TESTDEV,
            lambda value: value["host"].update(groups=0, iommus=[]),
            "the host has no IOMMU that is on; turn it on in the firmware (VT-d, AMD-Vi, SMMU) and boot with "
            "intel_iommu=on (or amd_iommu=on)",
        ),
    ],
)
def test_what_cannot_be_passed_through_has_one_sentence(
    address: str, change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    assert why_not(address, scanned(change)) == (sentence,)


def test_memory_that_may_not_be_locked_is_reported_before_anything_is_unbound() -> None:
    def limited(value: dict[str, Any]) -> None:
        value["host"].update(memlock=64 << 20)

    sentence = (
        "all 1024 MiB of the guest's memory would be locked, and the limit is 65536 KiB; "
        "raise it (memlock in limits.conf(5), ulimit -l)"
    )
    assert why_not(TESTDEV, replace(scanned(limited), locked=1 << 30)) == (sentence,)
    assert why_not(TESTDEV, replace(scanned(limited), locked=64 << 20)) == ()
    assert why_not(TESTDEV, scanned(limited)) == ()
    assert why_not(TESTDEV, replace(scanned(), locked=1 << 40)) == ()


def test_nvidias_own_nodes_count_for_its_functions_only() -> None:
    def change(value: dict[str, Any]) -> None:
        of(value, TESTDEV)["driver"] = "nvidia"
        node = {"pid": 9, "command": "train", "node": "/dev/nvidia0", "owner": "", "group": "", "token": ""}
        value["openers"].append(node)

    assert why_not(TESTDEV, scanned(change)) == ("process 9 (train) has /dev/nvidia0 open",)
    assert why_not(SMALL, scanned(change)) == ()


def test_a_node_of_nvidias_that_is_known_counts_for_its_function_only() -> None:
    def change(value: dict[str, Any]) -> None:
        for address in (TESTDEV, SMALL):
            of(value, address)["driver"] = "nvidia"
        node = {"pid": 9, "command": "train", "node": "/dev/nvidia0", "group": "", "token": "", "nvidia": 0}
        value["openers"].append({**node, "owner": TESTDEV, "owners": [TESTDEV]})

    assert why_not(TESTDEV, scanned(change)) == ("process 9 (train) has /dev/nvidia0 open",)
    assert why_not(SMALL, scanned(change)) == ()


def test_what_is_behind_a_function_is_its_use_but_not_that_of_a_bridge() -> None:
    def change(value: dict[str, Any]) -> None:
        of(value, SMALL)["header"] = 1
        value["interfaces"].append({"name": "eth7", "owner": "10000:01:00.0", "owners": [SMALL, TESTDEV], "flags": 1})

    assert why_not(TESTDEV, scanned(change)) == ("its network interface eth7 is up",)
    assert why_not(SMALL, scanned(change)) == ("it is a bridge, which other devices are reached through",)


def test_force_does_not_destroy_virtual_functions() -> None:
    def change(value: dict[str, Any]) -> None:
        of(value, NIC).update(virtual=2)
        of(value, TESTDEV).update(group="17")

    file = f"/sys/bus/pci/devices/{NIC}/sriov_numvfs"
    sentence = f"it has 2 virtual functions; remove them first: echo 0 > {file}"
    assert why_not(NIC, scanned(change), NIC) == (sentence,)
    assert why_not(TESTDEV, scanned(change), NIC) == (f"{NIC} is in its IOMMU group 17, and {sentence}",)


def test_a_bar_without_an_address_does_not_count_for_min_bar() -> None:
    def change(value: dict[str, Any]) -> None:
        of(value, TESTDEV)["resources"][2] = [0, (256 << 20) - 1, 0x20000000 | 1319436]
        value["functions"].remove(of(value, SMALL))

    choice = choose(wanted(Selector(vendor=0x1B36, min_bar=64 << 20)), scanned(change))
    assert choice.function is None
    assert choice.why_not.endswith(f"; the firmware gave BAR2 of {TESTDEV} no address; turn on Above 4G decoding")


def test_the_guest_of_another_run_is_no_use_by_the_host_but_its_lease_is_waited_for() -> None:
    def change(value: dict[str, Any]) -> None:
        guest = {"pid": 7, "command": "qemu", "node": "/dev/vfio/16", "owner": "", "group": "16", "token": "1f"}
        value["openers"].append(guest)
        value["leases"][TESTDEV] = {"pid": 3}

    found = scanned(change)
    assert why_not(TESTDEV, found) == ()
    assert choose(wanted(Selector(address=TESTDEV)), found).function == found.function(TESTDEV)


def test_the_use_of_another_member_of_the_group_counts_unless_it_is_forced() -> None:
    def change(value: dict[str, Any]) -> None:
        of(value, TESTDEV)["group"] = of(value, NIC)["group"]

    found = scanned(change)
    assert why_not(TESTDEV, found) == (f"{NIC} is in its IOMMU group 17, and its network interface eth0 is up",)
    assert why_not(TESTDEV, found, NIC) == ()
    function = found.function(TESTDEV)
    assert function is not None
    assert [one.address for one in taken_along(found, function)] == [TESTDEV, NIC]


def test_a_member_without_a_driver_stays_as_it_is() -> None:
    found = scanned()
    sata = found.function(SATA)
    assert sata is not None
    assert [one.address for one in found.others(sata)] == ["0000:00:1f.0", SMBUS]
    assert taken_along(found, sata) == (sata,)


def test_forcing_takes_what_is_in_use() -> None:
    assert why_not(NIC, scanned(), NIC) == ()


def test_a_selector_means_the_first_that_is_free() -> None:
    assert choose(wanted(Selector(vendor=0x1B36, device=5)), scanned()).function == scanned().function(TESTDEV)
    leased = scanned(lambda value: value["leases"].update({TESTDEV: {"pid": 1}}))
    assert choose(wanted(Selector(vendor=0x1B36)), leased).function == leased.function(SMALL)
    # If all matching functions are leased, the run waits for the first.
    assert choose(wanted(Selector(vendor=0x1B36, min_bar=256 << 20)), leased).function == leased.function(TESTDEV)


@pytest.mark.parametrize(
    ("selector", "sentence"),
    [
        (Selector(address="0000:99:00.0"), "lab has no PCI function 0000:99:00.0"),
        (
            Selector(vendor=0x1B36, min_bar=64 << 30),
            "lab has no PCI function 1b36:* with a BAR of at least 64 GiB; the largest BAR of such is 256 MiB, "
            "of 0000:00:10.0",
        ),
        (Selector(class_prefix="0302"), "lab has no PCI function of class 0302"),
        (Selector(address=NIC), "0000:00:11.0 cannot be passed through: its network interface eth0 is up"),
    ],
)
def test_why_there_is_none_is_one_sentence(selector: Selector, sentence: str) -> None:
    with pytest.raises(InfrastructureError, match=r"^s.yaml:3: device 'gpu': ") as caught:
        choose_all([wanted(selector)], scanned())
    assert str(caught.value) == f"s.yaml:3: device 'gpu': {sentence}"
    emulated = EmulatedDevice("gpu", "pci-testdev", 1 << 30)
    (choice,) = choose_all([wanted(selector, emulated)], scanned())
    assert (choice.function, choice.why_not) == (None, sentence)


def test_two_devices_are_two_functions() -> None:
    device = wanted(Selector(vendor=0x1B36))
    assert [choice.function and choice.function.address for choice in choose_all([device, device], scanned())] == [
        TESTDEV,
        SMALL,
    ]


def test_the_list_fits_a_terminal_and_says_what_is_what() -> None:
    found = scanned(lambda value: value["leases"].update({TESTDEV: {"pid": 7, "user": "me", "machine": "lab"}}))
    text = list(lines(found, 80, color=False))
    assert all(len(line) <= 80 for line in text)
    assert text[text.index("0000:00:10.0  1b36:0005  class 00ff  no driver, group 16") :][:6] == [
        "0000:00:10.0  1b36:0005  class 00ff  no driver, group 16",
        "  BAR0  4 KiB, 32-bit",
        "  BAR1  256 B of I/O ports",
        "  BAR2  256 MiB, 64-bit, prefetchable",
        "  leased by process 7 of me on lab",
        "  can be passed through",
    ]
    assert text[-1] == "9 PCI functions on lab; 4 can be passed through now"
    assert json.loads(json.dumps(to_json(found)))["functions"][3]["obstacles"] == ["its network interface eth0 is up"]


def test_what_a_dead_run_left_behind_is_reported() -> None:
    text = list(lines(scanned(lambda value: value["journals"].append(TESTDEV)), 80, color=False))
    block = text[text.index("0000:00:10.0  1b36:0005  class 00ff  no driver, group 16") :][4:7]
    assert block[0] == "  no: a run that has ended did not give it back; run: orch devices --host lab"
    assert block[1].strip() == "restore"
    assert block[2].startswith(NIC)
    leased = scanned(lambda value: value.update(journals=[TESTDEV], leases={TESTDEV: {"pid": 7}}))
    assert why_not(TESTDEV, leased) == ()


def test_a_host_that_answers_something_else_is_one_sentence() -> None:
    host = FakeHost([(("python3",), Answer('{"functions": [{}]}'))])
    with pytest.raises(CommandError, match=r"^fake: its report on its PCI functions cannot be read: "):
        scan(host)


def test_this_machine_uses_what_its_root_is_on() -> None:
    """No function of this machine that has a mounted disk can be passed through.

    The report is from this machine.
    """
    from orchestrator.host.local import LocalHost  # noqa: PLC0415 -- the only test that starts a process

    found = scan(LocalHost())
    disks = [one for one in found.functions if any("mounted on" in use for use in one.uses)]
    assert all(obstacles(found, one) for one in disks)
    assert [one.address for one in found.functions] == sorted(
        path.name for path in Path("/sys/bus/pci/devices").iterdir()
    )
