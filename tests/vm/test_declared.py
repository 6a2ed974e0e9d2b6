# SPDX-License-Identifier: GPL-2.0-only
"""The VM tests see the programs that orch declares, and no others.

A build or a boot that starts another program fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.arch import arch_name
from orchestrator.doctor.requirements import setup_needs
from tests.declared import declared_path

DECLARED = setup_needs(arch_name(os.uname().machine), everything=True)


@pytest.mark.parametrize("program", sorted({name for need in DECLARED for name in need.programs}))
def test_a_declared_program_is_there(program: str) -> None:
    assert shutil.which(program), f"{program} is declared, and the set-up did not install it"


def test_a_program_that_is_not_declared_is_not_there(tmp_path: Path) -> None:
    """Every program of Debian's `debconf`.

    All machines have it, and it is neither essential nor declared.
    """
    listed = subprocess.run(["dpkg", "-L", "debconf"], capture_output=True, text=True, check=True).stdout.split()
    programs = [Path(name).name for name in listed if Path(name).parent.name == "bin"]
    assert programs
    path = declared_path(tmp_path)
    assert [name for name in programs if shutil.which(name)] == []
    assert [name for name in programs if shutil.which(name, path=path)] == []
    assert shutil.which("rsync", path=path)
    assert shutil.which(programs[0], path=f"{path}:/usr/bin"), "the check sees what is there"
