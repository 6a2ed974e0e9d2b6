# SPDX-License-Identifier: GPL-2.0-only
"""The hosts that a scenario or the command line names, as places where guests boot."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.base import Host
from orchestrator.host.bundle import toolbox
from orchestrator.host.local import LOCAL, LocalHost
from orchestrator.host.ssh import SshHost
from orchestrator.inventory.load import find, load_hosts
from orchestrator.inventory.model import Entry, Hosts
from orchestrator.kernel.build.recipe import find_tools
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.machine.boothost.base import BootHost, LocalBootHost
from orchestrator.machine.boothost.ssh import SshBootHost
from orchestrator.passthrough.pool import resolve_devices
from orchestrator.scenario.devices import PassthroughDevice
from orchestrator.scenario.model import HostSelector, Scenario, SelftestsWorkload
from orchestrator.yamlfile.messages import quoted, shown


def entry_of(arguments: argparse.Namespace) -> Entry | None:
    """The host that ``--host`` names; None for this machine.  Raises UsageError where the inventory has none such."""
    if arguments.host in (None, LOCAL):
        return None
    return find(load_hosts(arguments.hosts), arguments.host)


@contextmanager
def connected(entry: Entry | None) -> Iterator[Host]:
    """The host of the inventory, or this machine, for the time of the context; nothing is connected yet."""
    if entry is None:
        yield LocalHost()
        return
    host = SshHost(entry.address, entry.name)
    try:
        yield host
    finally:
        host.close()


@contextmanager
def ground_at(entry: Entry | None, arguments: argparse.Namespace, local: LocalHost) -> Iterator[BootHost]:
    """The host of the inventory, or this machine, as a place where guests boot.  Raises CommandError if it is lost."""
    cache = arguments.cache.absolute()
    with connected(entry) as host:
        if entry is None:
            yield LocalBootHost(local, cache / "vng-home")
        else:
            yield SshBootHost(host, entry, toolbox(local, cache, entry.address.python))


@contextmanager
def ground_of(arguments: argparse.Namespace, scenario: Scenario, local: LocalHost) -> Iterator[BootHost]:
    """Where the guests of a run boot.

    Raises UsageError where the inventory has no such host, InfrastructureError where none of those that are meant can
    be reached and has the devices.
    """
    candidates = _candidates(arguments, scenario)
    chosen = candidates[0] if len(candidates) == 1 else _fitting(candidates, arguments, scenario, local)
    with ground_at(chosen, arguments, local) as boot_host:
        yield boot_host


def _fitting(
    candidates: tuple[Entry | None, ...], arguments: argparse.Namespace, scenario: Scenario, local: LocalHost
) -> Entry | None:
    """The first of `candidates` that has the devices; where none has, the first that can do with what is emulated
    instead."""
    reasons: list[str] = []
    for wanted in dict.fromkeys((_without_fallbacks(scenario), scenario)):
        reasons.clear()
        for entry in candidates:
            if not (why := _unfit(entry, arguments, wanted, local)):
                return entry
            reasons.append(why)
    raise InfrastructureError("\n".join(reasons))


def _without_fallbacks(scenario: Scenario) -> Scenario:
    devices = (replace(one, fallback=None) if isinstance(one, PassthroughDevice) else one for one in scenario.devices)
    return replace(scenario, devices=tuple(devices))


@contextmanager
def places_of(
    arguments: argparse.Namespace, scenario: Scenario, local: LocalHost
) -> Iterator[tuple[BootHost, BuildHost | None]]:
    """Where the guests boot, and who compiles: see `ground_of` and `build_host_of`."""
    with ground_of(arguments, scenario, local) as boot_host, build_host_of(arguments, scenario) as build_host:
        yield boot_host, build_host


@contextmanager
def build_host_of(arguments: argparse.Namespace, scenario: Scenario) -> Iterator[BuildHost | None]:
    """Who compiles the kernels of `scenario`; None for this machine.

    Raises UsageError where the inventory has no such host, InfrastructureError where none of those that are meant can
    be reached and can build.
    """
    selector, reasons = _build_selector(arguments, scenario), []
    if selector == HostSelector():
        yield None
        return
    _refuse_selftests(scenario)
    hosts = load_hosts(arguments.hosts)
    entries = _tagged(hosts, selector, scenario) if selector.tag else (find(hosts, selector.name),)
    for entry in entries:
        with ExitStack() as stack:
            try:
                made = BuildHost(stack.enter_context(connected(entry)), entry)
                if len(entries) > 1:  # else the run finds out by itself
                    find_tools(LocalHost(), scenario.kernels, made.away)
            except InfrastructureError as error:
                reasons.append(str(error))
                continue
            yield made
            return
    raise InfrastructureError("\n".join(reasons))


def _build_selector(arguments: argparse.Namespace, scenario: Scenario) -> HostSelector:
    if arguments.build_host is None:
        return scenario.build_host
    return HostSelector("" if arguments.build_host == LOCAL else arguments.build_host)


def _refuse_selftests(scenario: Scenario) -> None:
    for workload in scenario.workloads:
        if isinstance(workload, SelftestsWorkload):
            what = f"{workload.where}: selftests are built by this machine's compiler, and so must be their kernels"
            raise UsageError(f"{what}; use --build-host {LOCAL}")


def _unfit(entry: Entry | None, arguments: argparse.Namespace, scenario: Scenario, local: LocalHost) -> str:
    """Why the guests of `scenario` cannot boot on a host; "" where they can, as far as can be told before."""
    try:
        with ground_at(entry, arguments, local) as boot_host:
            for arch in dict.fromkeys(kernel.arch for kernel in scenario.kernels):
                boot_host.qemu(arch)
            resolve_devices(boot_host.host, scenario, tuple(arguments.force or ()), lambda _: None, boot_host.given)
    except InfrastructureError as error:
        return str(error)
    return ""


def _candidates(arguments: argparse.Namespace, scenario: Scenario) -> tuple[Entry | None, ...]:
    """The hosts that may be meant, the first that will do is taken; None is this machine."""
    if arguments.host is not None:
        return (entry_of(arguments),)
    wanted = {device.selector.host for device in scenario.devices if isinstance(device, PassthroughDevice)} - {""}
    if scenario.host.tag:
        return _tagged(load_hosts(arguments.hosts), scenario.host, scenario)
    names = {scenario.host.name} - {""} or wanted
    if len(names) > 1:
        listed = " and ".join(sorted(names))
        raise UsageError(f"{shown(scenario.path)}: its devices are of {listed}, and all guests boot on one host")
    away = names - {LOCAL}
    return tuple(find(load_hosts(arguments.hosts), name) for name in away) or (None,)


def _tagged(hosts: Hosts, selector: HostSelector, scenario: Scenario) -> tuple[Entry, ...]:
    found = hosts.tagged(selector.tag)
    if not found:
        what = f"{shown(hosts.path)}: no host has the tag {quoted(selector.tag)}"
        raise UsageError(f"{what}, which {shown(scenario.path)} asks for")
    return found
