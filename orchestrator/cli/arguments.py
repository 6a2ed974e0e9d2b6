# SPDX-License-Identifier: GPL-2.0-only
"""Options that several verbs have, and the values of single ones, each converted by a function that argparse calls.

What a function needs is imported when it is called, so that ``orch --help`` stays fast.
"""

from __future__ import annotations

import argparse
import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.cli.options import PlaceOptions, ScenarioOptions


STATUSES = """\
exit status: 0 all as expected, 1 something was not, 2 the scenario or the
command line is wrong, 3 the infrastructure failed, 130 interrupted"""


def cache_directory() -> Path:
    """Return the default of --cache: where sources, kernels and guest programs are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orch"


def cache(text: str) -> Path:
    """Return the cache directory as an absolute path."""
    from orchestrator.paths import ALLOWED_IN_WORDS, odd_character  # noqa: PLC0415 -- see above

    path = Path(text).absolute()
    if odd := odd_character(path):
        what = f"{str(path)!a} has {odd!a}, which Kbuild and virtme-ng do not take in a path"
        raise argparse.ArgumentTypeError(
            f"{what}; choose a directory named with {ALLOWED_IN_WORDS}, here or by XDG_CACHE_HOME"
        )
    return path


def size(text: str) -> int:
    """Return the size in bytes."""
    from orchestrator.yamlfile.units import parse_size  # noqa: PLC0415 -- see above

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a size such as 20G or 500M, not '{text}'") from error


def address(text: str) -> str:
    """Return the PCI address in its full form."""
    from orchestrator.scenario.schema.fields import pci_address  # noqa: PLC0415 -- see above

    try:
        return pci_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a PCI address such as 0000:3b:00.0, not '{text}'") from error


def count(text: str) -> int:
    """Return the number, which is at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not '{text}'")
    return int(text)


def origin(text: str) -> str:
    """Return the name of a CI system, as KCIDB's schema wants it."""
    if not re.fullmatch("[a-z0-9_]+", text):
        raise argparse.ArgumentTypeError(f"must be lower-case letters, digits and '_', not '{text}'")
    return text


def person(text: str) -> str:
    """Return a name with an address, as a trailer has it."""
    from orchestrator.report.mail import is_person  # noqa: PLC0415 -- see above

    if not is_person(text):
        raise argparse.ArgumentTypeError(f"must be a name and an address such as 'A Dev <a@b.org>', not '{text}'")
    return text


def rounds(text: str) -> int:
    """Return the number of boots of each kernel."""
    from orchestrator.scenario.model import MOST_ROUNDS  # noqa: PLC0415 -- see above

    if not text.isdigit() or not 1 <= int(text[:10]) <= MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MOST_ROUNDS}, not '{text}'")
    return int(text)


def change(kind: str, text: str) -> tuple[str, str]:
    """Return a change with its kind: changes of several kinds share a list, which keeps their order."""
    return kind, text


def kernel_pairs(text: str) -> list[tuple[str, str]]:
    """Return the pairs of ``A=B,C=D``; ``A`` alone is ``A=A``."""
    pairs = [tuple(part.split("=")) if "=" in part else (part, part) for part in text.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"must be pairs of kernels such as base=patched,old=new, not '{text}'")
    return [(pair[0], pair[1]) for pair in pairs]


LONGEST_SOCKET = 107
"""Characters of the path of a socket at most (unix(7), sun_path)."""


def gdb_place(text: str) -> Path | int | str:
    """Return the port, the absolute path of the socket, or "" for a new socket."""
    if text == "":
        return text
    if text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16:
        return int(text)
    from orchestrator.paths import ALLOWED_IN_WORDS, odd_character  # noqa: PLC0415 -- see above

    path = Path(text).absolute()
    if odd := odd_character(path):
        raise argparse.ArgumentTypeError(f"{text!a} has {odd!a}; choose a path with {ALLOWED_IN_WORDS}")
    if "/" not in text:
        raise argparse.ArgumentTypeError(f"must be a port, or the path of a socket with a '/', not '{text}'")
    if path.exists() or path.is_symlink() or not path.parent.is_dir() or len(str(path).encode()) > LONGEST_SOCKET:
        what = "must be a new name in a directory that is there, of at most"
        raise argparse.ArgumentTypeError(f"{what} {LONGEST_SOCKET} characters, not '{text}'")
    return path


def add_jobs(verb: argparse.ArgumentParser) -> None:
    """Add -j."""
    verb.add_argument("-j", "--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="CPUs to fill (all)")


def add_repeat(verb: argparse.ArgumentParser) -> None:
    """Add --repeat."""
    about = "boot each kernel N times, interleaved, and compare the times (as in the scenario, else 1)"
    verb.add_argument("--repeat", type=rounds, metavar="N", help=about)


def add_tested_by(verb: argparse.ArgumentParser) -> None:
    """Add --tested-by."""
    verb.add_argument(
        "--tested-by",
        type=person,
        metavar="NAME",
        help="a name and an address; propose a trailer in the mail, if nothing got worse",
    )


def add_verbose(verb: argparse.ArgumentParser) -> None:
    """Add -v."""
    verb.add_argument("-v", "--verbose", action="store_true", help="show every step of every job")


def add_host(verb: argparse.ArgumentParser, about: str) -> None:
    """Add --host, which is for `about`, and --hosts."""
    verb.add_argument("--host", metavar="NAME", help=f"{about} (this machine)")
    verb.add_argument("--hosts", type=Path, metavar="FILE", help="the inventory (~/.config/orch/hosts.yaml)")


def add_places(verb: argparse.ArgumentParser) -> None:
    """Add the options of `PlaceOptions`, but --cache."""
    add_host(verb, "boot the guests on this host of the inventory")
    verb.add_argument("--build-host", metavar="NAME", help="build the kernels on this host of the inventory")
    verb.add_argument(
        "--force",
        metavar="ADDRESS",
        action="append",
        type=address,
        help="pass it through although the host uses it",
    )


def add_overrides(verb: argparse.ArgumentParser) -> None:
    """Add the options that replace the scenario's kernels by a base and variants of the command line."""
    group = verb.add_argument_group(
        "instead of the scenario's kernels",
        "The scenario's base, and the same recipe with another source or with more patches; of both, the source with "
        "and without the patches. Of another source nothing is expected.",
    )
    group.add_argument("--tree", metavar="DIR", help="a kernel source as it is, uncommitted changes included")
    group.add_argument(
        "--git", metavar="REPO@REF", help="a commit of a git repository; of REPO@A..B, A is the base and B the variant"
    )
    changes: tuple[tuple[str, str, str], ...] = (
        ("patch", "PATCH", "a patch, an mbox, a directory with a series, or a series of orch's own; again for more"),
        ("message", "ID", "a series on a mailing list, by the message id of any of its mails; again for more"),
        ("revert", "COMMIT", "a commit to revert, of --git or --tree; again for more"),
    )
    for name, metavar, about in changes:
        group.add_argument(
            f"--{name}", dest="changes", metavar=metavar, action="append", type=partial(change, name), help=about
        )


def add_results(verb: argparse.ArgumentParser) -> None:
    """Add --results."""
    verb.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where runs are kept (results)"
    )


def add_cache_directory(verb: argparse.ArgumentParser) -> None:
    """Add --cache."""
    verb.add_argument(
        "--cache",
        type=cache,
        default=str(cache_directory()),
        metavar="DIR",
        help="where sources and kernels are kept",
    )


def place_options(arguments: argparse.Namespace) -> PlaceOptions:
    """Return what `add_places` and `add_cache_directory` added."""
    from orchestrator.cli.options import PlaceOptions  # noqa: PLC0415 -- see above

    return PlaceOptions(
        cache=arguments.cache,
        host=arguments.host,
        build_host=arguments.build_host,
        hosts=arguments.hosts,
        forced=tuple(arguments.force or ()),
    )


def scenario_options(arguments: argparse.Namespace) -> ScenarioOptions:
    """Return the argument `scenario`, and what `add_overrides` added."""
    from orchestrator.cli.options import ScenarioOptions  # noqa: PLC0415 -- see above

    return ScenarioOptions(
        arguments.scenario,
        arguments.tree,
        arguments.git,
        tuple(arguments.changes or ()),
        getattr(arguments, "repeat", None),  # orch shell has none
    )
