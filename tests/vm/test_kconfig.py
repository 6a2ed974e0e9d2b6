# SPDX-License-Identifier: GPL-2.0-only
"""What orch makes of Kconfig, with real kernels.

Whether its reader knows the options that the kernel's own Kconfig read, and whether the programs that Kconfig finds
change a kernel that uses none of them.

Kconfig writes the names of all files that it read into include/config/auto.conf.cmd (scripts/kconfig/confdata.c).
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.kernel.config.kconfig import find_symbol, symbol_names
from tests.vm.conftest import Finished, orch, scenario_text

_NAME = re.compile(r"^[ \t]*(?:menu)?config[ \t]+(\w+)[ \t]*(?:#.*)?$", re.MULTILINE)


@pytest.fixture
def trees(pud: Finished) -> list[tuple[Path, str]]:
    """The built trees of the cache, with their architectures.

    One of them is that of a kernel of pud.yaml.
    """
    found = [path.parent for path in (cache_directory() / "trees").glob("*/tree.json")]
    assert found
    return [(place / "tree", json.loads((place / "tree.json").read_text())["toolchain"]["arch"]) for place in found]


def test_all_options_that_kconfig_read_are_known_and_no_others(trees: list[tuple[Path, str]]) -> None:
    for tree, arch in trees:
        read = (tree / "build/include/config/auto.conf.cmd").read_text()
        files = re.findall(r"^\t(\S+)", read.split("deps_config :=")[1].split("\n\n")[0], re.MULTILINE)
        assert len(files) > 1000
        names = {name for file in files for name in _NAME.findall((tree / file).read_text(errors="replace"))}
        assert set(symbol_names(tree, arch)) == names


def test_a_member_of_a_choice_is_found_in_a_real_tree(trees: list[tuple[Path, str]]) -> None:
    for tree, arch in trees:
        found = find_symbol(tree, "HZ_100", arch)
        assert found
        assert (found.choice, found.depends) == ("Timer frequency", ())


TOOLS = {
    "rustc": "rustc 1.95.0 (f2d3ce0bd 2026-03-21)",
    "bindgen": "bindgen 0.71.1",
    "pahole": "v1.30",
}
"""What a developer's machine may have, with what it says of its version."""


def test_tools_that_no_option_needs_are_no_part_of_a_kernel(
    pud: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in TOOLS.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("KCFLAGS", "-DNOT_OF_THE_KEY")
    # An option that no other test has, so that Kconfig is asked.
    other = scenario_text("").replace("[guest, vfio]\n", "[guest, vfio]\n    options: {LOG_BUF_SHIFT: 19}\n")
    (tmp_path / "other.yaml").write_text(other)
    finished = orch(tmp_path / "results", "run", str(tmp_path / "other.yaml"))
    assert finished.status == 0, finished.out + finished.err
    wanted = {"CONFIG_LOG_BUF_SHIFT=19", "CONFIG_RUSTC_VERSION=0", "CONFIG_PAHOLE_VERSION=0"}
    assert wanted <= set((finished.run / "kernels/base/config").read_text().splitlines())
    assert "NOT_OF_THE_KEY" not in (finished.run / "kernels/base/commands.sh").read_text()
