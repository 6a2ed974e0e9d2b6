# SPDX-License-Identifier: GPL-2.0-only
"""The options of each verb, as frozen values: what the parser makes of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ScenarioOptions:
    """The scenario file, and what replaces its kernels and the number of boots of each.

    `changes` are (option without its dashes, text) of --patch, --message and --revert, in order.  `repeat` is None for
    what the file has.
    """

    path: Path
    tree: str | None = None
    git: str | None = None
    changes: tuple[tuple[str, str], ...] = ()
    repeat: int | None = None


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
class ReviewOptions:
    """``orch review``: `series` is a message id, a file or a directory, or a range of commits.

    `mbox` is a file with the mails of a message's thread.  `git` is the repository, None for that of the current
    directory.  `base` names the base, None to find it; `scenarios` are files, empty for those that answer for the
    series.  `reply` is the file for a reply to the thread, `tested_by` a name with an address.
    """

    series: str
    places: PlaceOptions
    results: Path
    jobs: int
    mbox: Path | None = None
    git: str | None = None
    base: str | None = None
    scenarios: tuple[Path, ...] = ()
    reply: Path | None = None
    tested_by: str = ""
    again: bool = False
    repeat: int | None = None
    verbose: bool = False


@dataclass(frozen=True)
class B4CheckOptions:
    """``orch b4-check``: `plain` is the form for ``b4 prep --check``; `run` is whether to run `review` if needed."""

    review: ReviewOptions
    plain: bool = False
    run: bool = False


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
class ReportOptions:
    """``orch report``: of `runs`, names or directories, in the `form` html, markdown, mail, junit or kcidb.

    `output` is a file, "-" for the standard output, None for the default of the form.  `origin` is the CI system,
    `tested_by` a name with an address for a trailer of the mail.
    """

    runs: tuple[str, ...]
    results: Path
    form: str = "html"
    output: str | None = None
    origin: str = "orch"
    tested_by: str = ""


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
