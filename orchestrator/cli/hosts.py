# SPDX-License-Identifier: GPL-2.0-only
"""The hosts that a scenario or the command line names: where guests boot, and where kernels are built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.cli.options import PlaceOptions
from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.base import Host
from orchestrator.host.bundle import toolbox
from orchestrator.host.local import LOCAL, LocalHost
from orchestrator.inventory.load import find, load_hosts
from orchestrator.inventory.model import Entry, Hosts
from orchestrator.kernel.build.recipe import find_tools
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.machine.boothost.base import BootHost, LocalBootHost
from orchestrator.passthrough.pool import resolve_devices
from orchestrator.scenario.devices import PassthroughDevice
from orchestrator.scenario.model import HostSelector, Scenario, SelftestsWorkload
from orchestrator.yamlfile.messages import listed, quoted, shown


def find_entry(name: str | None, hosts: Path | None) -> Entry | None:
    """Return the entry `name` of the inventory file `hosts`; None for this machine.

    Raises UsageError if the inventory has no such host.
    """
    if name is None or name == LOCAL:
        return None
    return find(load_hosts(hosts), name)


@contextmanager
def connected(entry: Entry | None) -> Iterator[Host]:
    """Yield the host of `entry`, or this machine if it is None.

    The connection is made by the first command, and closed at the end of the context.
    """
    if entry is None:
        yield LocalHost()
        return
    from orchestrator.host.ssh import SshHost  # noqa: PLC0415 -- it imports paramiko, which most runs do not need

    host = SshHost(entry.address, entry.name)
    try:
        yield host
    finally:
        host.close()


@contextmanager
def open_boot_host(entry: Entry | None, cache: Path, local: LocalHost) -> Iterator[BootHost]:
    """Yield the host of `entry`, or this machine if it is None, as a boot host.

    Raises CommandError if the connection to the host is lost.
    """
    with connected(entry) as host:
        if entry is None:
            yield LocalBootHost(local, cache / "vng-home")
        else:
            from orchestrator.machine.boothost.ssh import SshBootHost  # noqa: PLC0415 -- as above

            yield SshBootHost(host, entry, toolbox(local, cache, entry.address.python))


@contextmanager
def open_places(
    options: PlaceOptions, scenario: Scenario, local: LocalHost
) -> Iterator[tuple[BootHost, BuildHost | None]]:
    """Yield where the guests boot and where the kernels are built; see `choose_boot_host`, `choose_build_host`."""
    with (
        choose_boot_host(options, scenario, local) as boot_host,
        choose_build_host(options, scenario) as build_host,
    ):
        yield boot_host, build_host


@contextmanager
def choose_boot_host(options: PlaceOptions, scenario: Scenario, local: LocalHost) -> Iterator[BootHost]:
    """Yield the host on which the guests of a run boot.

    Raises UsageError if the inventory has no such host, InfrastructureError if no candidate can be reached and has the
    devices.
    """
    candidates = _boot_candidates(options, scenario)
    chosen = candidates[0] if len(candidates) == 1 else _first_suitable(candidates, options, scenario, local)
    with open_boot_host(chosen, options.cache, local) as boot_host:
        yield boot_host


def _boot_candidates(options: PlaceOptions, scenario: Scenario) -> tuple[Entry | None, ...]:
    """Return the hosts to choose from, the preferred first; None is this machine."""
    if options.host is not None:
        return (find_entry(options.host, options.hosts),)
    wanted = {device.selector.host for device in scenario.devices if isinstance(device, PassthroughDevice)} - {""}
    if scenario.host.tag:
        return _tagged(load_hosts(options.hosts), scenario.host, scenario)
    names = {scenario.host.name} - {""} or wanted
    if len(names) > 1:
        raise UsageError(
            f"{shown(scenario.path)}: its devices are of {listed(sorted(names))}, and all guests boot on one host"
        )
    remote = names - {LOCAL}
    return tuple(find(load_hosts(options.hosts), name) for name in remote) or (None,)


def _first_suitable(
    candidates: tuple[Entry | None, ...], options: PlaceOptions, scenario: Scenario, local: LocalHost
) -> Entry | None:
    """Return the first candidate that has the devices; if none has, the first for which their fallbacks suffice."""
    reasons: list[str] = []
    for wanted in dict.fromkeys((_without_fallbacks(scenario), scenario)):
        reasons.clear()
        for entry in candidates:
            if not (reason := _why_unsuitable(entry, options, wanted, local)):
                return entry
            reasons.append(reason)
    raise InfrastructureError("\n".join(reasons))


def _without_fallbacks(scenario: Scenario) -> Scenario:
    devices = (
        replace(device, fallback=None) if isinstance(device, PassthroughDevice) else device
        for device in scenario.devices
    )
    return replace(scenario, devices=tuple(devices))


def _why_unsuitable(entry: Entry | None, options: PlaceOptions, scenario: Scenario, local: LocalHost) -> str:
    """Return why the guests of `scenario` cannot boot on a host; "" if nothing known now prevents it."""
    try:
        with open_boot_host(entry, options.cache, local) as boot_host:
            for arch in dict.fromkeys(kernel.arch for kernel in scenario.kernels):
                boot_host.qemu(arch)
            resolve_devices(boot_host.host, scenario, options.forced, lambda _: None, boot_host.given)
    except InfrastructureError as error:
        return str(error)
    return ""


@contextmanager
def choose_build_host(options: PlaceOptions, scenario: Scenario) -> Iterator[BuildHost | None]:
    """Yield the host that builds the kernels of `scenario`; None for this machine.

    Raises UsageError if the inventory has no such host, InfrastructureError if no candidate can be reached and can
    build.
    """
    selector, reasons = _build_selector(options, scenario), []
    if selector == HostSelector():
        yield None
        return
    _refuse_selftests(scenario)
    hosts = load_hosts(options.hosts)
    entries = _tagged(hosts, selector, scenario) if selector.tag else (find(hosts, selector.name),)
    for entry in entries:
        with ExitStack() as stack:
            try:
                build_host = BuildHost(stack.enter_context(connected(entry)), entry)
                if len(entries) > 1:  # a single host is checked by the run itself
                    find_tools(LocalHost(), scenario.kernels, build_host.away)
            except InfrastructureError as error:
                reasons.append(str(error))
                continue
            yield build_host
            return
    raise InfrastructureError("\n".join(reasons))


def _build_selector(options: PlaceOptions, scenario: Scenario) -> HostSelector:
    if options.build_host is None:
        return scenario.build_host
    return HostSelector("" if options.build_host == LOCAL else options.build_host)


def _refuse_selftests(scenario: Scenario) -> None:
    for workload in scenario.workloads:
        if isinstance(workload, SelftestsWorkload):
            what = f"{workload.where}: selftests are built by this machine's compiler, and so must be their kernels"
            raise UsageError(f"{what}; use --build-host {LOCAL}")


def _tagged(hosts: Hosts, selector: HostSelector, scenario: Scenario) -> tuple[Entry, ...]:
    found = hosts.tagged(selector.tag)
    if not found:
        what = f"{shown(hosts.path)}: no host has the tag {quoted(selector.tag)}"
        raise UsageError(f"{what}, which {shown(scenario.path)} asks for")
    return found
