# SPDX-License-Identifier: GPL-2.0-only
"""The documents are true: their names, paths, links, scenarios and commands exist."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestrator.cli import parser as command_line
from orchestrator.scenario.load import load
from orchestrator.scenario.model import TestGroup

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"`((?:%s)\.[a-z_0-9.]+(?:\.\w+)*)`")
_LINK = re.compile(r"\]\(([^)#\s]+\.md)(?:#[\w-]+)?\)")
_PATH = re.compile(r"`((?:orchestrator|scenarios|kernels|tests|tools|docs)/[\w./-]+)`")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced blocks of a language."""
    yield from (match[2] for match in _FENCE.finditer(page.read_text()) if match[1] == language)


def commands(page: Path) -> Iterator[str]:
    """Every command of the page, without its comment."""
    for block in blocks(page, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                yield line[2:].split("  #")[0].strip()


def resolves(dotted: str) -> bool:
    """Whether a name below `orchestrator` is that of a module, class, function or method."""
    parts = dotted.split(".")
    for depth in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(("orchestrator", *parts[:depth])))
        except ImportError:
            continue
        for part in parts[depth:]:
            if not hasattr(found, part):
                return part in getattr(found, "__dataclass_fields__", {})
            found = getattr(found, part)
        return True
    return False


def test_the_check_of_names_sees_a_wrong_one() -> None:
    assert resolves("scenario.load.load")
    assert not resolves("scenario.load.loads")
    assert not resolves("scenarios.load")


def test_every_name_in_the_walks_is_one_of_the_code() -> None:
    packages = "|".join(path.parent.name for path in (ROOT / "orchestrator").glob("*/__init__.py"))
    text = (ROOT / "docs/explanation/architecture.md").read_text()
    names = re.findall(_NAME.pattern % packages, text)
    assert len(names) > 40
    assert not [one for one in names if not resolves(one)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_and_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    missing = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    missing += [link for link in _LINK.findall(text) if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_orch_command_of_a_page_is_understood(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command)
        if words[0].endswith("orch"):
            command_line.parser().parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_of_a_page_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = [shlex.split(command) for command in commands(page)]
    asked += [line.split() for line in re.findall(r"^    (make .*)", page.read_text(), re.MULTILINE)]
    assert {words[1] for words in asked if words[0] == "make"} <= targets


def test_every_group_of_the_workload_is_described() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "docs/reference/workload-tests.md").read_text(), re.MULTILINE)
    assert set(TestGroup) <= set(rows)


def test_every_group_of_the_workload_is_run_on_mutants() -> None:
    workloads = load(ROOT / "tests/mutants/scenario.yaml").workloads
    assert {group for workload in workloads for group in getattr(workload, "tests", ())} == set(TestGroup)


def scenarios() -> list[tuple[str, str]]:
    """The whole scenarios among the blocks of YAML, with their pages."""
    return [(name(page), block) for page in PAGES for block in blocks(page, "yaml") if "description:" in block]


@pytest.mark.parametrize(("page", "text"), scenarios())
def test_every_whole_scenario_of_a_page_is_valid(page: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "my.patch").write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    (tmp_path / "s.yaml").write_text(text)
    assert load(tmp_path / "s.yaml").kernels


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_piece_of_yaml_is_yaml(page: Path) -> None:
    for block in blocks(page, "yaml"):
        yaml.safe_load(block)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
