# SPDX-License-Identifier: GPL-2.0-only
"""What the jobs of a run share: settings, hosts, results, devices, and what each architecture's guests need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path

from orchestrator.events import Emit, Event, Kind, ignore
from orchestrator.host.base import Host
from orchestrator.host.version import orch_version
from orchestrator.kernel.cache.store import mark_used
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.machine.boothost.base import BootHost
from orchestrator.machine.devices import guest_addresses
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.machine.rootfs.packages import PackageRoot, fetch_root
from orchestrator.passthrough.pool import NullPool, Pool
from orchestrator.result.store.writer import RunStore, View
from orchestrator.scenario.model import DebianVmm, MeasuringWorkload, Scenario, VmmWorkload
from orchestrator.workload.alignment.program import compile_program


@dataclass(frozen=True)
class Settings:
    """Where a run works: the cache, the results, and how many CPUs it may fill.

    `forced` are addresses of PCI functions that are passed through although the host uses them.  `views` are the files
    that are rendered from the run each time that a job ends, by name.
    """

    cache: Path
    results: Path
    jobs: int
    forced: tuple[str, ...] = ()
    views: Mapping[str, View] = field(default_factory=dict)


@dataclass(frozen=True)
class RunContext:
    """What all jobs of a run share.

    `host` is this machine, `boot_host` is where the guests boot, and `build_host` is where the kernels are built: this
    machine if None.  `doubted` are images of kernels that did not help to find the accelerator.
    """

    scenario: Scenario
    settings: Settings
    host: Host
    boot_host: BootHost
    store: RunStore
    emit: Emit
    pool: Pool = field(default_factory=NullPool)
    build_host: BuildHost | None = None
    doubted: set[Path] = field(default_factory=set)

    @cached_property
    def addresses(self) -> dict[str, str]:
        """The PCI address of each device in the guest, by the device's name."""
        return guest_addresses(self.scenario.devices)


class EventLog:
    """A consumer of events that keeps them with the results, unless they are mere progress, and passes them on."""

    def __init__(self, store: RunStore, consumer: Emit) -> None:
        self._store = store
        self._consumer = consumer

    def __call__(self, event: Event) -> None:
        """Take one event.

        A consumer that fails gets no more events: a job must not fail because its progress cannot be shown.
        """
        if event.kind is not Kind.PROGRESS:
            self._store.event(**asdict(event))
        try:
            self._consumer(event)
        except Exception as error:
            self._consumer = ignore
            self._store.keep_traceback(error)


@dataclass(frozen=True)
class ArchAssets:
    """What the boots of one architecture share: the guest's root file system, and the first line of QEMU's version.

    `program` is the directory of the alignment program, None if no workload needs it.  `vmms` has the directory of each
    VMM's packages, by the name of the workload.
    """

    root: Path
    program: Path | None
    qemu: str
    vmms: Mapping[str, Path] = field(default_factory=dict)


def prepare_assets(context: RunContext) -> dict[str, ArchAssets]:
    """Make the assets of every architecture of the scenario; the results record which tools are used.

    Raises InfrastructureError if a program is missing or the alignment program does not compile.
    """
    arches = dict.fromkeys(kernel.arch for kernel in context.scenario.kernels)
    vmms = _vmms(context)
    paths = {name: root.path for name, root in vmms.items()}
    assets = {arch: _assets(context, arch, paths) for arch in arches}
    tools = {
        "orch": orch_version(),
        "virtme_ng": version("virtme-ng"),
        "qemu": "; ".join(dict.fromkeys(each.qemu for each in assets.values())),
        "host_kernel": context.boot_host.system,
        **{f"vmm_{name}": root.version for name, root in vmms.items()},
    }
    context.store.describe(host=context.boot_host.host.name, tools=tools)
    return assets


def _assets(context: RunContext, arch: str, vmms: Mapping[str, Path]) -> ArchAssets:
    qemu, cache = context.boot_host.qemu(arch), context.settings.cache
    return ArchAssets(guest_root(context.host, cache, arch=arch), _program(context, arch), qemu, vmms)


def _vmms(context: RunContext) -> dict[str, PackageRoot]:
    """Fetch the packages of each VMM, by the name of its workload."""
    fetch = partial(fetch_root, context.host, context.settings.cache, emit=context.emit)
    return {
        workload.name: fetch(workload.vmm.package, workload.vmm.suite, workload.where)
        for workload in context.scenario.workloads
        if isinstance(workload, VmmWorkload) and isinstance(workload.vmm, DebianVmm)
    }


def _program(context: RunContext, arch: str) -> Path | None:
    if not any(isinstance(workload, MeasuringWorkload) for workload in context.scenario.workloads):
        return None
    program = compile_program(context.host, context.settings.cache, arch).parent
    mark_used(program)
    return program
