# SPDX-License-Identifier: GPL-2.0-only
"""Every file has a licence, a docstring and few lines; every option has help."""

from __future__ import annotations

import argparse
import ast
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from orchestrator.cli import parser as command_line
from tests.source_code import MODULES, PACKAGE, ROOT, TESTS, name, tree

LONGEST = 400


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_has_its_licence_and_says_what_it_is_for(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "# SPDX-License-Identifier: GPL-2.0-only"
    if path.name != "__init__.py":
        assert ast.get_docstring(tree(path)), "the module has no docstring"


def public(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every public class, function and method, and what is inside of public classes."""
    for child in node.body:
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not child.name.startswith("_"):
            yield f"{prefix}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{prefix}{child.name}.")


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_everything_public_has_a_docstring(path: Path) -> None:
    silent = [
        label
        for label, node in public(tree(path))
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not ast.get_docstring(node)
    ]
    # What a subclass overrides is documented by the class that asks for it.
    assert not [label for label in silent if "." not in label or not overrides(path, label)], silent


def overrides(path: Path, label: str) -> bool:
    """Whether the method `label` belongs to a class with a base class."""
    owner = label.split(".", maxsplit=1)[0]
    return any(isinstance(node, ast.ClassDef) and node.name == owner and node.bases for node in tree(path).body)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_longer_than_it_may_be(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def test_pytest_looks_into_every_directory_that_has_tests(pytestconfig: pytest.Config) -> None:
    """By default it leaves out those called build, dist or venv."""
    left_out = pytestconfig.getini("norecursedirs")
    directories = {path.parent.relative_to(ROOT / "tests") for path in TESTS if path.name.startswith("test_")}
    names = {part for directory in directories for part in directory.parts}
    assert "build" in names
    assert not [part for part in names if any(fnmatch(part, pattern) for pattern in left_out)]


def test_functions_are_short() -> None:
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and node.end_lineno
    )
    assert lengths[len(lengths) // 2] < 12


def test_every_subpackage_is_a_package_and_shipped() -> None:
    for directory in {path.parent for path in MODULES}:
        assert (directory / "__init__.py").exists(), f"{directory} is no package"
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    shipped = {ROOT / place for place in build["packages"]}
    packages = {path.parent for path in MODULES}
    assert PACKAGE in shipped or packages <= shipped
    assert {"kernels", "scenarios"} <= build["force-include"].keys()


def options(parser: argparse.ArgumentParser, verb: str = "") -> Iterator[tuple[str, argparse.Action]]:
    """Every option and argument of every verb."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name_of_verb, below in action.choices.items():
                yield from options(below, f"{verb} {name_of_verb}")
        else:
            yield f"{verb} {'/'.join(action.option_strings) or action.dest}".strip(), action


def test_every_option_and_argument_says_what_it_does() -> None:
    documented = dict(options(command_line.parser()))
    assert len(documented) > 10
    silent = [label for label, action in documented.items() if not action.help or action.help == argparse.SUPPRESS]
    assert not silent


def verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, bool]]:
    """Every verb and action: its name, its parser, and whether it has help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helped = {choice.dest for choice in action._choices_actions if choice.help}
            for name_of_verb, below in action.choices.items():
                yield name_of_verb, below, name_of_verb in helped
                yield from verbs(below)


def test_every_verb_says_what_it_does_and_can_be_run() -> None:
    found = list(verbs(command_line.parser()))
    assert len(found) > 10
    assert not [verb for verb, _, helped in found if not helped]
    handlers = [parser.get_default("handler") for _, parser, _ in found if not list(verbs(parser))]
    assert all(map(callable, handlers))
    assert len(set(handlers)) == len(handlers)
