# SPDX-License-Identifier: GPL-2.0-only
"""Sample runs for the tests of results and reports.

The numbers are of a 2 GiB BAR and were measured by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.judge.alignment import judge
from orchestrator.result.model import Status, Verdict, WorkloadOutput
from orchestrator.result.repeated import with_boot
from orchestrator.result.run import BootResult, Job, JobKind, JobStatus, Run, RunStatus, ScenarioRecord
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import AlignmentWorkload, Capability, Expectation, Kernel, Level, Placement, Scenario
from orchestrator.scenario.sources import DebianSource
from orchestrator.workload.model import Measurement

Numbers = Mapping[str, int]

WORKLOAD = AlignmentWorkload("alignment", "testdev", placements=(Placement.KERNEL, Placement.QEMU), timeout=300.0)
EXACT = ("length", "offset", "alignment", "entries_pte", "entries_pmd", "entries_pud", "faults", "dma_faults")
HIGH = 127 << 40
"""An address at which everything is aligned."""


def numbers(alignment: int, entries: tuple[int, int, int], vmpte: int, touch: int, dma: int) -> dict[str, int]:
    """Return the measurements of one placement.

    `entries` are PTE, PMD and PUD.  Times are in microseconds.
    """
    total = sum(entries)
    return {
        "length": 2 << 30,
        "alignment": alignment,
        "entries_pte": entries[0],
        "entries_pmd": entries[1],
        "entries_pud": entries[2],
        "faults": total,
        "dma_faults": total,
        "vmpte": vmpte,
        "touch_time": touch * 1000,
        "dma_time": dma * 1000,
        "address": HIGH + alignment,
        "bar_address": 4 << 30,
        "offset": 0,
    }


PTE = numbers(4096, (524288, 0, 0), 4198400, 3_350_000, 2_710_000)
PMD = numbers(2 << 20, (0, 1024, 0), 4096, 7_520, 6_100)
PUD = numbers(1 << 30, (0, 0, 2), 4096, 2_930, 2_410)
MIXED = numbers(1 << 20, (3, 512, 1), 16384, 4_000, 3_900)
FORCED_PTE = numbers(1 << 30, (524288, 0, 0), 4202496, 3_350_000, 2_710_000)

ALL = Capability()
ONLY_PTE = Capability(())

ALL_PTE = Expectation(4096, Level.PTE, 524288, 524288)
ALL_PMD = Expectation(2 << 20, Level.PMD, 1024, 1024)
ALL_PUD = Expectation(1 << 30, Level.PUD, 2, 2)


def kernel(name: str, expect: Expectation | None = None, qemu: Expectation | None = None) -> Kernel:
    """Return a kernel with expectations of the placements `kernel` and `qemu`."""
    pairs = ((Placement.KERNEL, expect), (Placement.QEMU, qemu))
    stated = tuple((placement, one) for placement, one in pairs if one is not None)
    return Kernel(name, DebianSource("linux-source-7.3", "sid"), expect=stated)


def taken(name: str, placement: str, values: Numbers, bar: int = 2) -> tuple[Measurement, ...]:
    """Return measurements as the workload writes them, one per line of the file."""
    where = f"boots/{name}/alignment/measurements.jsonl"
    return tuple(
        Measurement(
            name, "alignment", "testdev", bar, placement, key, value, "", key in EXACT, evidence=f"{where}:{at}"
        )
        for at, (key, value) in enumerate(values.items(), 1)
    )


def told(
    name: str, places: Mapping[str, Numbers], verdicts: Mapping[str, Verdict] | None = None, can: Capability = ALL
) -> WorkloadOutput:
    """Return the output of a workload: measurements per test of BAR 2.

    Each test has a PASS, unless another verdict is given.
    """
    passed = {placement: Verdict(Status.PASS, evidence=f"boots/{name}/alignment/ktap.log:3") for placement in places}
    all_verdicts = passed | dict(verdicts or {})
    return WorkloadOutput(
        tuple(one for placement, values in places.items() for one in taken(name, placement, values)),
        {(2, placement): verdict for placement, verdict in all_verdicts.items()},
        f"boots/{name}/alignment/measurements.jsonl",
        can,
    )


GOOD = BootReport(BootEnd.OK, 12.0, evidence="boots/k/alignment/console.log:1", taint=(0, 0))
PANIC = BootReport(
    BootEnd.PANIC,
    9.0,
    (
        "[    4.210000] Kernel panic - not syncing: Fatal exception in interrupt",
        "[    4.210001] CPU: 0 PID: 1 Comm: alignment Not tainted 7.3.4-mm-align #1",
    ),
    "boots/mm-align/alignment/console.log:812",
)
HANG = BootReport(BootEnd.HANG, 300.0, ("ok 1 testdev/BAR2/kernel",), "boots/no-huge/alignment/console.log:640")


def booted(what: Kernel, output: WorkloadOutput, boot: BootReport = GOOD) -> BootResult:
    """Return a judged boot."""
    return BootResult(what.name, "alignment", "testdev", boot, judge(what, WORKLOAD, boot, output), output.measurements)


def jobs(names: tuple[str, ...]) -> tuple[Job, ...]:
    """Return a build and a boot per kernel, all pending."""
    builds = tuple(Job(f"build {name}", JobKind.BUILD, name) for name in names)
    return builds + tuple(Job(f"boot {name}/alignment", JobKind.BOOT, name, "alignment") for name in names)


def run_of(*boots: BootResult, names: tuple[str, ...] = (), status: RunStatus = RunStatus.FINISHED) -> Run:
    """Return a run whose kernels are `names`, or those that booted.

    The first one is the base.
    """
    kernels = names or tuple(boot.kernel for boot in boots)
    ended = {boot.kernel for boot in boots}
    planned = tuple(
        replace(job, status=JobStatus.DONE, seconds=12.0) if job.kernel in ended or job.kind is JobKind.BUILD else job
        for job in jobs(kernels)
    )
    scenario = ScenarioRecord(
        name="pud",
        path="scenarios/pud.yaml",
        sha256="0" * 64,
        description="Where does each kernel place the mmap of a 2 GiB BAR?",
        base=kernels[0],
        kernels=kernels,
        workloads={"alignment": {"device": "testdev", "offset": 0}},
    )
    run = Run(
        id="pud-20260617-193406",
        path=Path("results/pud-20260617-193406"),
        status=status,
        scenario=scenario,
        started="2026-06-17T19:34:06Z",
        ended="2026-06-17T19:38:06Z",
        tools={"orch": "0.1.0", "qemu": "10.0.2", "virtme-ng": "1.42"},
        host="local",
        accelerator="tcg",
        kernels={name: {"version": f"7.3.4-{name}", "patches": ["a.patch", "b.patch"]} for name in kernels},
        jobs=planned,
        exit_status=0,
    )
    for boot in boots:
        run = with_boot(run, boot)
    return run


def pud_run() -> Run:
    """Return a run of the five kernels of scenarios/pud.yaml, each as expected."""
    return run_of(
        booted(kernel("base", ALL_PTE, ALL_PUD), told("base", {"kernel": PTE, "qemu": PUD})),
        booted(kernel("vfio-thp", ALL_PMD, ALL_PUD), told("vfio-thp", {"kernel": PMD, "qemu": PUD})),
        booted(kernel("vfio-size", ALL_PUD, ALL_PUD), told("vfio-size", {"kernel": PUD, "qemu": PUD})),
        booted(kernel("mm-align", ALL_PUD, ALL_PUD), told("mm-align", {"kernel": PUD, "qemu": PUD})),
        booted(
            kernel("no-huge", ALL_PTE, replace(ALL_PTE, alignment=1 << 30)),
            told("no-huge", {"kernel": PTE, "qemu": FORCED_PTE}, can=ONLY_PTE),
        ),
    )


def broken_run() -> Run:
    """Return a run with four failures.

    They are a mixed mapping, a crash before any report, a timeout after the first placement, and a failed expectation.
    """
    return run_of(
        booted(kernel("base", ALL_PTE, ALL_PUD), told("base", {"kernel": PTE, "qemu": PUD})),
        booted(kernel("vfio-thp", ALL_PMD, ALL_PUD), told("vfio-thp", {"kernel": MIXED, "qemu": PUD})),
        booted(kernel("mm-align", ALL_PUD, ALL_PUD), WorkloadOutput(), PANIC),
        booted(kernel("no-huge", ALL_PTE, ALL_PTE), told("no-huge", {"kernel": PTE}), HANG),
    )


def killed_run() -> Run:
    """Return a run that was killed while its second kernel booted."""
    base = booted(kernel("base", ALL_PTE, ALL_PUD), told("base", {"kernel": PTE, "qemu": PUD}))
    run = run_of(base, names=("base", "vfio-thp", "mm-align"), status=RunStatus.INTERRUPTED)
    torn = replace(run.job("boot vfio-thp/alignment"), status=JobStatus.INTERRUPTED)
    return replace(run, jobs=tuple(torn if job.id == torn.id else job for job in run.jobs), ended="", exit_status=None)


def scenario_at(path: Path) -> Scenario:
    """Return a scenario whose file is `path`, with three kernels."""
    kernels = (kernel("base", ALL_PTE, ALL_PUD), kernel("vfio-thp", ALL_PMD, ALL_PUD), kernel("mm-align"))
    device = EmulatedDevice("testdev", "pci-testdev", 2 << 30)
    return Scenario("pud", path, "Which level?", "base", kernels, (device,), (WORKLOAD,))
