# SPDX-License-Identifier: GPL-2.0-only
"""A run in directories whose names a shell, QEMU and make would misread."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.kernel.model import KernelBuild
from tests.vm.conftest import Finished, orch

ODD = os.fsdecode(b"a b,c=d'e\"f\n$(touch ran)`touch ran`;#%\\*?{x,y}:\xff")
SCENARIO = """\
name: paths
description: Do odd paths reach the guest?
devices:
  ram: {emulated: ivshmem-plain, bar: 64M}
workloads:
  program: {command: ./answer.sh, files: answer.sh, timeout: 60s}
  alignment: {run: alignment, device: ram, bars: 2, placements: [qemu], timeout: 60s}
kernels:
  base: {source: {image: IMAGE, config: CONFIG}, expect: {qemu: {level: PMD}}}
"""


@pytest.fixture(scope="module")
def odd(base: KernelBuild, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    place = tmp_path_factory.mktemp("paths") / ODD
    place.mkdir()
    text = SCENARIO.replace("IMAGE", str(base.image)).replace("CONFIG", str(base.config))
    (place / "paths.yaml").write_text(text)
    program = place / "answer.sh"
    program.write_text("#!/bin/sh\necho the answer\n")
    program.chmod(0o755)
    return orch(place / "results", "run", str(place / "paths.yaml"), cwd=place)


def links(odd: Finished, base: KernelBuild) -> list[Path]:
    """Every link of the cache that leads to the results."""
    made = (base.directory.parents[1] / "work").glob("boot-*/*")
    return [link for link in made if link.is_symlink() and odd.results in link.readlink().parents]


def test_the_boots_work_and_nothing_of_the_name_was_run(odd: Finished, base: KernelBuild) -> None:
    assert odd.status == 0, odd.err
    assert (odd.run / "boots/base/program/guest/output.log").read_text() == "the answer\n"
    assert not [*odd.results.parent.rglob("ran")]
    assert not links(odd, base)


def test_the_command_that_is_kept_boots_the_guest_again(odd: Finished, base: KernelBuild) -> None:
    boot = odd.run / "boots/base/alignment"
    (boot / "guest/status").unlink()
    subprocess.run(["sh", str(boot / "command.sh")], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (boot / "guest/status").read_text() == "0\n"
    (made,) = {link.parent for link in links(odd, base)}
    shutil.rmtree(made)
