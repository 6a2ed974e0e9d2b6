# SPDX-License-Identifier: GPL-2.0-only
"""The options of each verb, as frozen values: what the parser makes of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ScenarioOptions:
    """The scenario file, and what replaces its kernels.

    `changes` are (option without its dashes, text) of --patch, --message and --revert, in order.
    """

    path: Path
    tree: str | None = None
    git: str | None = None
    changes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PlaceOptions:
    """Where kernels are built and guests boot.

    `host` and `build_host` are names in the inventory file `hosts`; None if the option was not given.  `forced` are
    addresses of PCI functions to pass through although the host uses them.
    """

    cache: Path
    host: str | None = None
    build_host: str | None = None
    hosts: Path | None = None
    forced: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunOptions:
    """``orch run``: `jobs` is how many CPUs it may fill."""

    scenario: ScenarioOptions
    places: PlaceOptions
    results: Path
    jobs: int
    verbose: bool = False
    json: bool = False


@dataclass(frozen=True)
class PlanOptions:
    """``orch plan``: `jobs` is how many CPUs a run could fill."""

    scenario: ScenarioOptions
    places: PlaceOptions
    jobs: int
    json: bool = False


@dataclass(frozen=True)
class CheckOptions:
    """``orch check``."""

    scenarios: tuple[Path, ...]


@dataclass(frozen=True)
class CompareOptions:
    """``orch compare``: `run` is the name or the directory of a run."""

    run: str
    results: Path
    json: bool = False


@dataclass(frozen=True)
class BisectOptions:
    """``orch bisect``: None for an option that was not given; an empty `resume` is the newest unfinished bisection."""

    places: PlaceOptions
    results: Path
    jobs: int
    scenario: Path | None = None
    good: str | None = None
    bad: str | None = None
    case: str | None = None
    git: str | None = None
    repeat: int | None = None
    resume: str | None = None
    verbose: bool = False
    json: bool = False


@dataclass(frozen=True)
class CacheListOptions:
    """``orch cache ls``."""

    cache: Path
    json: bool = False


@dataclass(frozen=True)
class CacheGcOptions:
    """``orch cache gc``: `keep` is in bytes, None for no limit; `wait` is for other processes that use the cache."""

    cache: Path
    keep: int | None = None
    dry_run: bool = False
    wait: bool = False


@dataclass(frozen=True)
class CacheVerifyOptions:
    """``orch cache verify``: `wait` is for other processes that use the cache."""

    cache: Path
    repair: bool = False
    wait: bool = False


@dataclass(frozen=True)
class DevicesOptions:
    """``orch devices``: of `host` in the inventory file `hosts`, None for this machine."""

    host: str | None = None
    hosts: Path | None = None
    json: bool = False


@dataclass(frozen=True)
class DoctorOptions:
    """``orch doctor``: of `host` in the inventory file `hosts`, None for this machine."""

    cache: Path
    host: str | None = None
    hosts: Path | None = None
    json: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class DiffOptions:
    """``orch diff``: `runs` are two names or directories, `kernels` pairs of names; empty for those of equal names."""

    runs: tuple[str, str]
    results: Path
    kernels: tuple[tuple[str, str], ...] = ()
    json: bool = False


@dataclass(frozen=True)
class ShellOptions:
    """``orch shell``: None for an option that was not given; an empty `gdb` is a new socket, a number a port."""

    scenario: ScenarioOptions
    kernel: str
    places: PlaceOptions
    results: Path
    jobs: int
    workload: str | None = None
    command: str | None = None
    gdb: Path | int | str | None = None
    stopped: bool = False
    verbose: bool = False


@dataclass(frozen=True)
class ReproducerOptions:
    """``orch reproducer``: `output` is None for stdout."""

    run: str
    case: str
    results: Path
    output: Path | None = None
