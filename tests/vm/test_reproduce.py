# SPDX-License-Identifier: GPL-2.0-only
"""The script beside a kernel's results makes the same image from nothing.

The user, the directory and the date do not matter.  One whole build shows two things: that what the script does is what
orch did, and that what orch made in a clone of another tree, with objects from ccache, is what make makes from nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.vm.conftest import Finished

KERNEL = "no-huge"
"""A variant that flips an option: orch compiles what that can change, in a clone of base's tree; the script all."""


@pytest.mark.long
def test_the_script_makes_the_same_image_from_nothing(pud: Finished, tmp_path: Path) -> None:
    assert pud.status == 0, pud.err
    build = pud.build(KERNEL)
    kept = shutil.copytree(pud.run / "kernels" / KERNEL, tmp_path / "as somebody else got it")
    place = tmp_path / "another/place"
    # Another place, time zone and number of jobs than orch's, no ccache, and settings that make would take.
    strange = {
        "JOBS": str(2 * (os.cpu_count() or 1) + 1),
        "TZ": "Asia/Tokyo",
        "KCFLAGS": "-O1",
        "LOCALVERSION": "-mine",
    }
    try:
        done = subprocess.run(
            ["sh", str(kept / "reproduce.sh"), str(place)],
            env=dict(os.environ) | strange,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert f"applying patches/0001-{next((kept / 'patches').iterdir()).name.removeprefix('0001-')}" in done.stdout
        assert "warning" not in done.stdout
        assert done.stdout.splitlines()[-1].startswith("identical: ")
        assert (place / "linux/build/vmlinux").read_bytes() == build.image.read_bytes()
        compiled = sum(line.startswith(("  CC  ", "  AS  ")) for line in (place / "build.log").read_text().splitlines())
        assert compiled > 500 > build.objects
    finally:
        shutil.rmtree(place, ignore_errors=True)
