# SPDX-License-Identifier: GPL-2.0-only
"""What the guest's program gives to a VMM, and how it counts the entries for the BAR."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.workload.alignment.program import GUEST, sources

DATA = Path(__file__).parents[2] / "data" / "workload"
MIB, GIB = 1 << 20, 1 << 30


@pytest.fixture(scope="module")
def vmm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The harness, which includes the file of the test, with the program's other files."""
    binary = tmp_path_factory.mktemp("vmm") / "vmm_harness"
    other = (GUEST / "alignment.c", GUEST / "tests/vmm.c")
    files = [path for path in sources() if path.suffix == ".c" and path not in other]
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{GUEST}"]
    subprocess.run(["gcc", *flags, DATA / "vmm_harness.c", *files, "-o", binary], check=True)
    return binary


def test_the_root_is_an_archive_with_the_program_itself_as_init(vmm: Path, tmp_path: Path) -> None:
    subprocess.run([vmm, "initrd", tmp_path / "initrd"], check=True)
    (tmp_path / "root").mkdir()
    unpack = ["cpio", "-i", "--quiet", "--no-absolute-filenames"]
    with (tmp_path / "initrd").open("rb") as archive:
        listed = subprocess.run(["cpio", "-tv", "--quiet"], stdin=archive, capture_output=True, text=True, check=True)
    with (tmp_path / "initrd").open("rb") as archive:
        subprocess.run([*unpack, "init", "sys"], stdin=archive, cwd=tmp_path / "root", check=True)
    assert [line.split()[-1] for line in listed.stdout.splitlines()] == ["dev", "dev/console", "sys", "init"]
    console = listed.stdout.splitlines()[1]
    assert console.startswith("crw-------")
    assert "5,   1" in console
    assert (tmp_path / "root/init").read_bytes() == vmm.read_bytes()
    assert (tmp_path / "root/init").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("added", "size", "left"),
    [
        ((0, 0, 4), 4 * GIB, (0, 0, 4)),
        ((1, 0, 4), 4 * GIB, (0, 0, 4)),
        ((3, 1, 4), 4 * GIB, (0, 0, 4)),
        ((7, 2049, 0), 4 * GIB, (0, 2048, 0)),
        ((1048576 + 9, 0, 0), 4 * GIB, (1048576, 0, 0)),
        ((512, 1023, 1), 3 * GIB, (512, 1023, 1)),
        # what is missing stays so
        ((0, 0, 3), 4 * GIB, (0, 0, 3)),
        ((5, 0, 0), 4 * GIB, (5, 0, 0)),
        # the BAR has no entry that large: nothing below zero
        ((0, 0, 1), 16 * MIB, (0, 0, 1)),
    ],
)
def test_what_maps_more_than_the_bar_is_for_ram(
    vmm: Path, added: tuple[int, int, int], size: int, left: tuple[int, int, int]
) -> None:
    argv = [str(vmm), "ram", *map(str, added), str(size)]
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert tuple(map(int, found.split())) == left
