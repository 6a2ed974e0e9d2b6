# SPDX-License-Identifier: GPL-2.0-only
"""Whether the Kconfig reader knows the options that the kernel's own Kconfig read, of real kernels that were built.

Kconfig writes the names of all files that it read into include/config/auto.conf.cmd (scripts/kconfig/confdata.c).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.cli import cache_directory
from orchestrator.kernel.kconfig import find_symbol, symbol_names
from tests.vm.conftest import Finished

_NAME = re.compile(r"^[ \t]*(?:menu)?config[ \t]+(\w+)[ \t]*(?:#.*)?$", re.MULTILINE)


@pytest.fixture
def trees(pud: Finished) -> list[tuple[Path, str]]:
    """The built trees of the cache, with their architectures: that of a kernel of pud.yaml is one of them."""
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
