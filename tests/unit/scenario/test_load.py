# SPDX-License-Identifier: GPL-2.0-only
"""A valid scenario file as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.load import load
from orchestrator.scenario.model import (
    AlignmentWorkload,
    CapabilityOverride,
    Expectation,
    FaultMaps,
    Kernel,
    Level,
    Machine,
    Placement,
    Scenario,
)
from orchestrator.scenario.sources import DebianSource

FULL = """\
# Which of these kernels maps the BAR with 1 GiB entries?
name: pud
description: Which kernel maps the BAR with PUD entries?
base: base
machine: {cpus: 2, memory: 4G, iommu: intel, accelerator: tcg}
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
kernels:
  vfio-thp:
    extends: base
    patches: vfio-thp
    config: debug
    options: {KASAN: n, NR_CPUS: 8}
    expect:
      qemu: {level: pmd}
  base:
    source: {debian: linux-source-7.3, suite: trixie-backports, version: 7.3.4-1~bpo13+1}
    config: [guest, vfio]
    patches: [no-huge-pfnmap]
    options: {KASAN: y, CONFIG_PTDUMP_DEBUGFS: m}
    expect:
      kernel: {alignment: 4K, level: PTE, entries: 524288, faults: 0x80000, dma-faults: 7, xfail: "not yet"}
      qemu: {alignment: 1G, level: PUD}
workloads:
  bar:
    run: alignment
    device: testdev
    bars: [2, 0]
    offset: 2M
    length: 2G
    placements: [kernel, qemu]
    timeout: 5m
"""

SMALL = """\
description: What?
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
kernels:
  base:
    source: {debian: linux-source-6.12, suite: trixie}
workloads:
  bar: {run: alignment, device: testdev}
"""


def data_dir(tmp_path: Path) -> Path:
    """Create a data directory with three fragments and three series."""
    data = tmp_path / "kernels"
    (data / "configs").mkdir(parents=True, exist_ok=True)
    for name in ("guest", "vfio", "debug"):
        (data / "configs" / f"{name}.config").touch()
    for name in ("no-huge-pfnmap", "vfio-thp", "mm-pud"):
        (data / "patches" / name).mkdir(parents=True, exist_ok=True)
        (data / "patches" / name / "series").touch()
    (data / "configs" / "README.md").touch()
    (data / "patches" / "README.md").touch()
    return data


def load_text(tmp_path: Path, text: str, file: str = "scenarios/pud.yaml") -> Scenario:
    """Load `text` as a file below `tmp_path`."""
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return load(path, data=data_dir(tmp_path))


def small(kernel: str = "", workload: str = "", top: str = "") -> str:
    """Return the small scenario with more keys."""
    text = SMALL.replace("suite: trixie}\n", "suite: trixie}\n" + (f"    {kernel}\n" if kernel else ""))
    return text.replace("device: testdev}", f"device: testdev{', ' + workload if workload else ''}}}") + top


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_whole_of_a_scenario(tmp_path: Path) -> None:
    data = tmp_path / "kernels"
    source = DebianSource("linux-source-7.3", "trixie-backports", "7.3.4-1~bpo13+1")
    at_kernel = Expectation(4096, Level.PTE, 524288, 524288, 7, None, "not yet")
    base = Kernel(
        name="base",
        source=source,
        patches=(data / "patches/no-huge-pfnmap",),
        config=(data / "configs/guest.config", data / "configs/vfio.config"),
        options=(("KASAN", "y"), ("PTDUMP_DEBUGFS", "m")),
        expect=(
            (Placement.KERNEL, at_kernel),
            (Placement.QEMU, Expectation(alignment=1 << 30, level=Level.PUD)),
        ),
        where="scenarios/pud.yaml:16",
    )
    variant = Kernel(
        name="vfio-thp",
        source=source,
        patches=(data / "patches/no-huge-pfnmap", data / "patches/vfio-thp"),
        config=(*base.config, data / "configs/debug.config"),
        options=(("KASAN", "n"), ("PTDUMP_DEBUGFS", "m"), ("NR_CPUS", "8")),
        expect=((Placement.KERNEL, at_kernel), (Placement.QEMU, Expectation(level=Level.PMD))),
        where="scenarios/pud.yaml:9",
    )
    workload = AlignmentWorkload(
        name="bar",
        device="testdev",
        bars=(2, 0),
        offset=2 << 20,
        length=2 << 30,
        placements=(Placement.KERNEL, Placement.QEMU),
        timeout=300.0,
        where="scenarios/pud.yaml:25",
    )
    assert load_text(tmp_path, FULL) == Scenario(
        name="pud",
        path=tmp_path / "scenarios/pud.yaml",
        description="Which kernel maps the BAR with PUD entries?",
        base="base",
        kernels=(base, variant),
        devices=(EmulatedDevice("testdev", "pci-testdev", 4 << 30, "scenarios/pud.yaml:7"),),
        workloads=(workload,),
        machine=Machine(2, 4 << 30, "intel", "tcg"),
    )


def test_what_is_left_out_has_the_defaults_of_the_model(tmp_path: Path) -> None:
    scenario = load_text(tmp_path, SMALL)
    assert (scenario.name, scenario.base, scenario.machine) == ("pud", "base", Machine())
    assert scenario.kernels == (
        Kernel("base", DebianSource("linux-source-6.12", "trixie"), where="scenarios/pud.yaml:5"),
    )
    assert scenario.workloads == (AlignmentWorkload("bar", "testdev", where="scenarios/pud.yaml:8"),)


def test_the_defaults_of_a_machine_entry_are_those_of_the_model(tmp_path: Path) -> None:
    assert load_text(tmp_path, small(top="machine: {cpus: 1}\n")).machine == Machine()


@pytest.mark.parametrize("key", ["config", "patches", "options", "expect", "extends"])
def test_a_key_left_empty_is_a_key_left_out(tmp_path: Path, key: str) -> None:
    assert load_text(tmp_path, small(kernel=f"{key}:")).kernels == load_text(tmp_path, small(kernel="#")).kernels


def test_a_single_value_stands_for_a_list(tmp_path: Path) -> None:
    scenario = load_text(tmp_path, small("config: vfio\n    patches: mm-pud", "bars: 2, placements: qemu, offset: 1M"))
    assert [path.name for path in scenario.kernels[0].config] == ["vfio.config"]
    assert [path.name for path in scenario.kernels[0].patches if isinstance(path, Path)] == ["mm-pud"]
    assert isinstance(scenario.workloads[0], AlignmentWorkload)
    assert (scenario.workloads[0].bars, scenario.workloads[0].placements) == ((2,), (Placement.QEMU,))


def test_paths_go_from_the_directory_of_the_scenario(tmp_path: Path) -> None:
    here = tmp_path / "scenarios"
    (here / "series-here").mkdir(parents=True)
    for name in ("series-here/series", "mine.config", "one.patch", "two.mbox"):
        (here / name).touch()
    kernel = load_text(
        tmp_path,
        small("config: [mine.config, ./mine.config]\n    patches: [one.patch, two.mbox, ./series-here]"),
    ).kernels[0]
    assert kernel.config == (here / "mine.config", here / "mine.config")
    assert kernel.patches == (here / "one.patch", here / "two.mbox", here / "series-here")


def test_an_absolute_path_is_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.patch").touch()
    assert load_text(tmp_path, small(f"patches: {tmp_path}/a.patch")).kernels[0].patches == (tmp_path / "a.patch",)


def test_a_kernel_has_what_the_kernels_it_extends_have(tmp_path: Path) -> None:
    text = small("patches: mm-pud") + "base: c\n"
    text = text.replace(
        "kernels:\n",
        "kernels:\n"
        "  c: {extends: b, patches: vfio-thp, options: {A: 3}}\n"
        "  b:\n    extends: base\n    source: {debian: linux-source-7.2, suite: sid}\n"
        "    patches: no-huge-pfnmap\n    options: {A: 2}\n",
    )
    scenario = load_text(tmp_path, text)
    assert [kernel.name for kernel in scenario.kernels] == ["c", "b", "base"]
    first = scenario.kernel("c")
    assert first.source == DebianSource("linux-source-7.2", "sid")
    assert [path.name for path in first.patches if isinstance(path, Path)] == ["mm-pud", "no-huge-pfnmap", "vfio-thp"]
    assert first.options == (("A", "3"),)
    assert scenario.kernel("base").source == DebianSource("linux-source-6.12", "trixie")


def test_kernels_are_in_the_order_of_the_file_after_the_base(tmp_path: Path) -> None:
    more = "".join(f"  {name}: {{extends: base}}\n" for name in ("z", "a", "m"))
    text = SMALL.replace("workloads:", f"{more}workloads:") + "base: a\n"
    assert [kernel.name for kernel in load_text(tmp_path, text).kernels] == ["a", "base", "z", "m"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("y", "y"),
        ("n", "n"),
        ("m", "m"),
        ("0x1000000", "0x1000000"),
        ("6.10", "6.10"),
        ("-12", "-12"),
        ("'console=ttyS0 quiet'", "console=ttyS0 quiet"),
        ("yesterday", "yesterday"),
    ],
)
def test_an_options_value_is_kept_as_it_is_written(tmp_path: Path, given: str, expected: str) -> None:
    kernel = load_text(tmp_path, small(f"options: {{CONFIG_FOO_1: {given}}}")).kernels[0]
    assert kernel.options == (("FOO_1", expected),)


def test_what_a_kernel_can_do_is_inherited_key_by_key(tmp_path: Path) -> None:
    text = small("can: {levels: [PMD, PTE], faults: mapping}") + "\n"
    child = "kernels:\n  child: {extends: base, can: {faults: entry}}\n  plain: {extends: base}\n"
    base, other, plain = load_text(tmp_path, text.replace("kernels:\n", child)).kernels
    assert {kernel.name: kernel.can for kernel in (base, other, plain)} == {
        "base": CapabilityOverride((Level.PMD, Level.PTE), FaultMaps.MAPPING),
        "child": CapabilityOverride((Level.PMD, Level.PTE), FaultMaps.ENTRY),
        "plain": CapabilityOverride((Level.PMD, Level.PTE), FaultMaps.MAPPING),
    }


def test_a_kernel_can_do_what_follows_from_its_build_if_nothing_is_stated(tmp_path: Path) -> None:
    assert load_text(tmp_path, SMALL).kernels[0].can == CapabilityOverride()


@pytest.mark.parametrize("level", ["PTE", "pte", "Pte"])
def test_the_case_of_a_level_is_no_matter(tmp_path: Path, level: str) -> None:
    kernel = load_text(tmp_path, small(f"expect: {{qemu: {{level: {level}}}}}")).kernels[0]
    assert kernel.expect == ((Placement.QEMU, Expectation(level=Level.PTE)),)


def test_zero_is_a_check(tmp_path: Path) -> None:
    kernel = load_text(tmp_path, small("expect: {qemu: {faults: 0}}")).kernels[0]
    assert kernel.expect == ((Placement.QEMU, Expectation(faults=0)),)


def test_a_long_description_is_kept_without_the_space_around_it(tmp_path: Path) -> None:
    text = SMALL.replace("description: What?", "description: |\n  What\n  else?\n")
    assert load_text(tmp_path, text).description == "What\nelse?"


def test_a_range_that_fills_the_bar_fits(tmp_path: Path) -> None:
    workload = load_text(tmp_path, small(workload="offset: 2G, length: 2G")).workloads[0]
    assert isinstance(workload, AlignmentWorkload)
    assert (workload.offset, workload.length) == (2 << 30, 2 << 30)


def test_the_size_of_other_bars_is_not_that_of_the_sized_one(tmp_path: Path) -> None:
    workload = load_text(tmp_path, small(workload="bars: [0], length: 8G")).workloads[0]
    assert isinstance(workload, AlignmentWorkload)
    assert workload.length == 8 << 30


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    text = SMALL.replace("bar: {run", "bar: &bar {run") + "  second: {<<: *bar, placements: qemu}\n"
    scenario = load_text(tmp_path, text)
    assert [workload.name for workload in scenario.workloads] == ["bar", "second"]
    assert scenario.workloads[1].where == "scenarios/pud.yaml:9"


def test_orchs_own_data_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_dir(tmp_path)
    monkeypatch.setattr("orchestrator.scenario.load.kernels_dir", lambda: data)
    (tmp_path / "pud.yaml").write_text(small("config: vfio"))
    assert load(Path("pud.yaml")).kernels[0].config == (data / "configs/vfio.config",)


def test_a_scenario_does_not_change(tmp_path: Path) -> None:
    first = load_text(tmp_path, FULL)
    assert hash(first) == hash(load_text(tmp_path, FULL))
