# SPDX-License-Identifier: GPL-2.0-only
"""The rules of the house, held by reading the source: who imports whom, who starts processes, what is documented."""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from orchestrator.cli import parser as command_line

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "orchestrator"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# Data flows one way: a package imports only from packages of earlier lines, and its own modules.
ORDER = [
    {"errors", "events", "paths", "fileio", "arch"},
    {"agent"},
    {"host"},
    {"yamlfile"},
    {"scenario"},
    {"inventory"},
    {"passthrough"},
    {"kernel"},
    {"machine"},
    {"doctor"},
    {"workload"},
    {"result"},
    {"run"},
    {"report"},
    {"bisect"},
    {"cli"},
]
STAGE = {room: stage for stage, rooms in enumerate(ORDER) for room in rooms}
PROCESS_MODULES = {"subprocess", "fabric", "paramiko", "invoke", "pty", "multiprocessing", "signal"}
PROCESS_CALLS = {
    *("system", "popen", "fork", "forkpty", "kill", "killpg", "posix_spawn", "posix_spawnp", "startfile", "setsid"),
    *(f"exec{how}" for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *(f"spawn{how}" for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}
LONGEST = 400


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def room(path: Path) -> str:
    """The room of a module: its subpackage, or its own name at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[str]:
    """The full name of every module that is imported anywhere in `path`, names from packages included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    """The rooms that `path` imports."""
    ours = (module.split(".") for module in imports(path) if module.split(".")[0] == "orchestrator")
    return {parts[1] for parts in ours if len(parts) > 1}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_room_imports_only_rooms_upstream_of_it(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert not rooms_imported(path)
        return
    here = room(path)
    wrong = {other for other in rooms_imported(path) if other != here and STAGE[other] >= STAGE[here]}
    assert not wrong, f"{name(path)} imports {', '.join(sorted(wrong))}, which is not upstream of {here}"


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room(path) for path in MODULES} - {"__init__"} <= STAGE.keys()


def test_modules_of_a_room_import_each_other_without_a_circle() -> None:
    graph = {
        ".".join(("orchestrator", *path.relative_to(PACKAGE).with_suffix("").parts)): set(imports(path))
        for path in MODULES
    }

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"a circle of imports: {' -> '.join((*above, module))}"
        for wanted in graph[module] - done:
            found = next((m for m in (wanted, wanted.rpartition(".")[0]) if m in graph), None)
            if found and found not in done:
                visit(found, (*above, module))
        done.add(module)

    done: set[str] = set()
    for module in graph:
        visit(module, ())


def starts_processes(path: Path) -> Iterator[str]:
    """What in `path` can start, signal or end a process."""
    yield from (module for module in imports(path) if module.split(".")[0] in PROCESS_MODULES)
    yield from (module for module in imports(path) if module.startswith("os.") and module[3:] in PROCESS_CALLS)
    for node in ast.walk(tree(path)):
        match node:
            case ast.Attribute(value=ast.Name(id="os" | "asyncio" as module), attr=attribute):
                if attribute in PROCESS_CALLS or attribute.startswith("create_subprocess"):
                    yield f"{module}.{attribute}"


# cli.py and run.py may turn a signal into a clean end; they start and kill nothing.
SIGNALS_MAY_BE_HANDLED_BY = {"cli", "run"}


# A program of its own that has all of orch beside it.
BUILDS_THERE = "kernel/remote/worker.py"

# Programs of their own: they run on a host, with nothing but the standard library.
PROGRAMS = {"agent"}


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) not in {"host", *PROGRAMS}], ids=name)
def test_only_the_host_room_starts_processes_and_connections(path: Path) -> None:
    found = set(starts_processes(path))
    if room(path) in SIGNALS_MAY_BE_HANDLED_BY or name(path) == BUILDS_THERE:
        found -= {module for module in found if module.split(".")[0] == "signal"}
    assert not found, f"{name(path)} uses {', '.join(sorted(found))}"


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) in PROGRAMS], ids=name)
def test_programs_that_are_sent_to_a_host_need_nothing_there_but_python(path: Path) -> None:
    theirs = {module.split(".")[0] for module in imports(path)} - sys.stdlib_module_names
    assert theirs <= {"orchestrator"}
    assert {module.split(".")[1] for module in imports(path) if module.startswith("orchestrator.")} <= PROGRAMS
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_the_check_for_processes_sees_them(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "import subprocess\nfrom os import kill\nimport os\nos.system('x')\nos.execvp('a', [])\nos.getpid()\n"
    )
    assert set(starts_processes(file)) == {"subprocess", "os.kill", "os.system", "os.execvp"}


COMMAND_LINE = {"cli"}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if room(path) not in COMMAND_LINE | PROGRAMS and name(path) != BUILDS_THERE],
    ids=name,
)
def test_only_the_command_line_exits(path: Path) -> None:
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    named = {ast.unparse(call) for call in calls}
    forbidden = {"print", "sys.exit", "exit", "quit", "input"} & named
    if room(path) == "report":
        forbidden.discard("print")
    assert not forbidden, f"{name(path)} calls {forbidden}"


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
    """Whether the method `label` belongs to a class with a base class, or to one that is private to its module."""
    owner = label.split(".", maxsplit=1)[0]
    return any(isinstance(node, ast.ClassDef) and node.name == owner and node.bases for node in tree(path).body)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_longer_than_it_may_be(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


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
    rooms = {path.parent for path in MODULES}
    assert PACKAGE in shipped or rooms <= shipped
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
    """Every verb and every action of a verb: its name, its parser, and whether its help says what it does."""
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
