# SPDX-License-Identifier: GPL-2.0-only
"""The includes of the guest program's C files: allowed folders, and no circle.

A module is a header and the `.c` file of the same name, or one for each architecture (`_x86`, `_arm64`, `_other`).  It
depends on the modules of the headers that either of them
includes.
"""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from orchestrator.workload.alignment.program import GUEST

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def includes(guest: Path) -> dict[str, set[str]]:
    """The files that each C file includes with quotes, all as paths from `guest` on."""
    files = [path for path in guest.rglob("*") if path.suffix in (".c", ".h")]
    return {path.relative_to(guest).as_posix(): set(INCLUDE.findall(path.read_text())) for path in files}


def module(path: str) -> str:
    return re.sub(r"_(x86|arm64|other)$", "", path.rpartition(".")[0])


def circle(guest: Path) -> list[str]:
    """The modules of a circle of includes, or an empty list.

    The first module is also the last.
    """
    graph: dict[str, set[str]] = {}
    for path, included in includes(guest).items():
        graph.setdefault(module(path), set()).update(module(header) for header in included)
    for name, dependencies in graph.items():
        dependencies.discard(name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def problems(guest: Path) -> list[str]:
    """What is wrong with single files, a line for each."""
    found = includes(guest)
    return [
        *(f"{path} includes {header}: no such file" for path in found for header in found[path] if header not in found),
        *(f"{path} includes {header}" for path in found for header in found[path] if header.startswith("tests/")),
        *(f"{path}: a header in tests/" for path in found if path.startswith("tests/") and path.endswith(".h")),
        *(
            f"{path}: no header of the same name"
            for path in found
            if path.startswith("lib/") and f"{module(path)}.h" not in found
        ),
    ]


def write(guest: Path, **files: str) -> Path:
    """Write C files that include others: `lib_a_c="lib/b.h"` is a file lib/a.c with that include."""
    for name, included in files.items():
        folder, stem, suffix = name.split("_")
        (guest / folder).mkdir(parents=True, exist_ok=True)
        lines = [f'#include "{header}"\n' for header in included.split()]
        (guest / folder / f"{stem}.{suffix}").write_text("#include <stdio.h>\n" + "".join(lines))
    return guest


def test_includes_have_no_circle() -> None:
    assert circle(GUEST) == []


def test_files_include_what_their_folder_may() -> None:
    assert problems(GUEST) == []


def test_every_folder_has_files() -> None:
    folders = {path.rpartition("/")[0] for path in includes(GUEST)}
    assert folders == {"", "lib", "tests"}


@pytest.mark.parametrize(
    "files",
    [
        # of two headers; of three; through a `.c` file, as it was with iommufd.c and vfio_dma.c
        {"lib_a_h": "lib/b.h", "lib_b_h": "lib/a.h"},
        {"lib_a_h": "lib/b.h", "lib_b_h": "lib/c.h", "lib_c_h": "lib/a.h"},
        {"lib_a_h": "lib/b.h", "lib_b_h": "", "lib_b_c": "lib/b.h lib/a.h"},
    ],
)
def test_a_circle_is_found(files: dict[str, str], tmp_path: Path) -> None:
    names = circle(write(tmp_path, **files))
    assert names[0] == names[-1]
    assert set(names) == {module(path) for path in includes(tmp_path)}


def test_a_file_and_its_header_are_no_circle(tmp_path: Path) -> None:
    guest = write(tmp_path, lib_a_h="", lib_a_c="lib/a.h lib/b.h", lib_b_h="", lib_b_c="lib/b.h", tests_t_c="lib/a.h")
    assert circle(guest) == problems(guest) == []


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"lib_a_h": "tests/t.h", "tests_t_h": ""}, "lib/a.h includes tests/t.h"),
        ({"tests_s_c": "tests/t.c", "tests_t_c": ""}, "tests/s.c includes tests/t.c"),
        ({"tests_t_h": ""}, "tests/t.h: a header in tests/"),
        ({"lib_a_c": ""}, "lib/a.c: no header of the same name"),
        # relative to the file, which hides the folder
        ({"lib_a_h": "b.h", "lib_b_h": ""}, "lib/a.h includes b.h: no such file"),
    ],
)
def test_an_include_that_is_not_allowed_is_found(files: dict[str, str], problem: str, tmp_path: Path) -> None:
    assert problem in problems(write(tmp_path, **files))
