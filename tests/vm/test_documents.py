# SPDX-License-Identifier: GPL-2.0-only
"""Every command of the documents, run as it stands there.

The user has a checkout of Linux in ~/linux, patches and a series in the current directory, and two lab hosts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.arguments import cache_directory
from tests.unit.test_docs import PAGES, commands, name
from tests.vm.conftest import ORCH, REPOSITORY, Finished
from tests.vm.history import make_repository
from tests.vm.lab import laboratory
from tests.vm.test_sources import THP, VFIO

pytestmark = pytest.mark.long

ELSEWHERE = {
    "make setup": "every other target of the Makefile begins with it",
    "make check": ".ci/run",
    "make unit": ".ci/run, as a part of make test",
    "make test": ".ci/run",
    "python3 -m build --wheel && pip install dist/orch-*.whl": (
        "tests/vm/test_wheel.py, in a virtual environment of its own"
    ),
    "make run": "tests/vm/test_pud.py: it would write to the checkout",
    "sh results/latest/kernels/vfio-thp/reproduce.sh DIRECTORY": "tests/vm/test_reproduce.py",
    "orch reproducer latest base/alignment/testdev/BAR2/kernel/level -o repro.c": (
        "tests/vm/test_reproducer.py: no case of pud.yaml fails"
    ),
    "orch review 20261128.1-1-dev@example.org": "the archive of a list cannot be reached from a test",
    "orch review 20261128.1-1-dev@example.org --mbox thread.mbox": "tests/unit/review/test_subject.py",
    "git send-email reply.eml": "tests/unit/report/test_reply.py",
    "mutt -H reply.eml": "tests/unit/report/test_reply.py",
    "orch run scenarios/pud.yaml --repeat 15 -j 1": "tests/vm/test_repeat.py, with three boots of two kernels",
    "orch run tools/same.yaml --repeat 40 -j 1": "its times are kept in tests/unit/data/times",
    "python tools/false_alarms.py results/latest": "tests/unit/test_false_alarms.py",
}
"""The commands that are not run here, with the reason or the place where they are."""
BISECTION = "orch bisect scenarios/pud.yaml --git ~/linux --good v7.2 --bad master --case '*qemu*'"
DIFF = "orch diff pud-20261121-014500 latest"
BEFORE = {
    "orch bisect --resume": f"! timeout --signal INT 15 {BISECTION}",
    DIFF: "orch run scenarios/pud.yaml",
    f"{DIFF} --kernels base=vfio-size": "orch run scenarios/pud.yaml",
}
"""What a command needs to have been run: a bisection that Ctrl-C stops, a second run."""
COMMANDS = [(name(page), command) for page in PAGES for command in dict.fromkeys(commands(page))]
RUN = "results/pud-20261121-014500"


@pytest.fixture(scope="module")
def user(pud: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current directory of the user; home is beside it."""
    assert pud.status == 0, pud.err
    place = tmp_path_factory.mktemp("user")
    home, work = place / "home", place / "work"
    work.mkdir()
    for directory in ("scenarios", "tests", "tools"):
        (work / directory).symlink_to(REPOSITORY / directory)
    (work / ".venv").symlink_to(sys.prefix)
    _write_linux(home / "linux", work)
    _write_cache(place / "cache/orch")
    (work / RUN).parent.mkdir()
    (work / RUN).symlink_to(pud.run)
    with laboratory({lab: tmp_path_factory.mktemp(lab) for lab in ("lab1", "lab2")}, first=60) as hosts:
        (home / ".config/orch").mkdir(parents=True)
        (home / ".config/orch/hosts.yaml").write_text("hosts:\n" + "".join(host.entry() for host in hosts.values()))
        yield work


def _write_linux(place: Path, work: Path) -> None:
    """Make a history: v7.2, v7.3, two commits on master, and topic.

    The last commit on master breaks PUD and PMD entries.
    """
    linux = make_repository(place)
    linux.git("tag", "v7.2")
    linux.replace(VFIO, '"core driver for VFIO based PCI devices"', '"core driver for VFIO-based PCI devices"')
    linux.commit("vfio/pci: hyphenate a comment")
    linux.git("tag", "-f", "v7.3")
    for number, file in enumerate(("a.patch", "b.patch")):
        linux.replace("mm/mincore.c", "#include <linux/pagemap.h>", f"#include <linux/pagemap.h>\n/* Note {number}. */")
        linux.commit(f"mm: note {number}")
        (work / file).write_text(linux.git("format-patch", "--stdout", "-1") + "\n")
    shutil.copy(work / "a.patch", work / "my.patch")
    linux.git("reset", "-q", "--hard", "v7.3")
    linux.git("checkout", "-q", "-b", "topic")
    linux.commit("vfio: place mmaps as THP does", THP)
    (work / "series.mbox").write_text(linux.git("format-patch", "--stdout", "-1") + "\n")
    linux.git("checkout", "-q", "master")
    linux.replace("mm/mincore.c", "#include <linux/pagemap.h>", "/* A comment. */\n#include <linux/pagemap.h>")
    linux.commit("mm: comment")
    linux.replace(VFIO, ".huge_fault = vfio_pci_mmap_huge_fault,", ".huge_fault = NULL,")
    linux.commit("vfio/pci: leave out a handler")
    linux.git("checkout", "-q", "v7.3")


def _write_cache(place: Path) -> None:
    """Make a small cache, for the commands that remove and repair."""
    shutil.copytree(cache_directory() / "workloads", place / "workloads", symlinks=True)


@pytest.mark.parametrize(("page", "command"), [(page, text) for page, text in COMMANDS if text not in ELSEWHERE])
def test_the_command_does_what_the_page_says(user: Path, page: str, command: str) -> None:
    cache = user.parent / "cache" if page.endswith("/cache.md") else cache_directory().parent
    environment = {
        **os.environ,
        "HOME": str(user.parent / "home"),
        "XDG_CACHE_HOME": str(cache),
        "PATH": f"{Path(ORCH).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("XDG_CONFIG_HOME", None)
    done = subprocess.run(
        ["bash", "-c", f"{BEFORE.get(command, ':')} && {command}"],
        cwd=user,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_what_is_run_elsewhere_is_in_the_documents() -> None:
    assert {*ELSEWHERE, *BEFORE, BISECTION} <= {command for _, command in COMMANDS}
