# SPDX-License-Identifier: GPL-2.0-only
"""Who may import whom, who may start processes, and who may print and exit."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_code import MODULES, PACKAGE, imports, name, package, tree

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
    {"review"},
    {"cli"},
]
STAGE = {package: stage for stage, packages in enumerate(ORDER) for package in packages}
PROCESS_MODULES = {"subprocess", "fabric", "paramiko", "invoke", "pty", "multiprocessing", "signal"}
PROCESS_CALLS = {
    *("system", "popen", "fork", "forkpty", "kill", "killpg", "posix_spawn", "posix_spawnp", "startfile", "setsid"),
    *(f"exec{how}" for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *(f"spawn{how}" for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}
SIGNALS_MAY_BE_HANDLED_BY = {"cli", "run"}
"""They may turn a signal into a regular end; they start and kill nothing."""
WORKER = "kernel/remote/worker.py"
"""A program of its own, with all of orch beside it: it builds on a host."""
PROGRAMS = {"agent"}
"""Programs of their own: they run on a host, with nothing but the standard library."""


def packages_imported(path: Path) -> set[str]:
    """The packages of orch that `path` imports."""
    ours = (module.split(".") for module in imports(path) if module.split(".")[0] == "orchestrator")
    return {parts[1] for parts in ours if len(parts) > 1}


def misplaced(root: Path) -> Iterator[str]:
    """The entries at the top of `root` that may not be there.

    `root` is the tree of orch's modules.  Packages may always be there.
    """
    found = {package(path, root) for path in root.rglob("*.py")} - {"__init__"}
    yield from sorted(found - STAGE.keys())
    yield from sorted(path.name for path in root.glob("*.py") if path.stem not in ORDER[0] | {"__init__"})


def upward(path: Path, root: Path) -> set[str]:
    """The packages that `path` imports and may not."""
    if path == root / "__init__.py":
        return packages_imported(path)
    here = package(path, root)
    return {other for other in packages_imported(path) if other != here and STAGE[other] >= STAGE[here]}


def circle(root: Path) -> str:
    """A circle of imports among the modules below `root`; "" if there is none."""
    graph = {
        ".".join(("orchestrator", *path.relative_to(root).with_suffix("").parts)): set(imports(path))
        for path in sorted(root.rglob("*.py"))
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> str:
        if module in above:
            return " -> ".join((*above[above.index(module) :], module))
        for wanted in sorted(graph[module] - done):
            known = next((one for one in (wanted, wanted.rpartition(".")[0]) if one in graph), None)
            found = visit(known, (*above, module)) if known and known not in done else ""
            if found:
                return found
        done.add(module)
        return ""

    return next(filter(None, (visit(module, ()) for module in graph)), "")


def test_only_packages_of_the_order_and_the_modules_of_its_first_line_are_there() -> None:
    assert not list(misplaced(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_package_imports_only_packages_above_it(path: Path) -> None:
    wrong = upward(path, PACKAGE)
    assert not wrong, f"{name(path)} imports {', '.join(sorted(wrong))}, which is not above it in the order"


def test_modules_import_each_other_without_a_circle() -> None:
    assert not circle(PACKAGE)


def planted(root: Path, **modules: str) -> Path:
    """Make a tree of modules; `__` in a name is a directory."""
    for module, text in modules.items():
        path = root / f"{module.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("module", "text", "wrong"),
    [
        ("kernel__build__x", "from orchestrator.run import plan", {"run"}),
        ("kernel__x", "def f():\n    import orchestrator.cli.main", {"cli"}),
        ("errors", "from orchestrator.paths import safe", {"paths"}),
        ("result__x", "from orchestrator import report", {"report"}),
        ("run__x", "from orchestrator.result import model", set()),
        ("run__x", "from orchestrator.run.plan import Plan", set()),
    ],
)
def test_the_check_of_the_order_sees_a_wrong_import(tmp_path: Path, module: str, text: str, wrong: set[str]) -> None:
    root = planted(tmp_path, **{module: text})
    assert upward(next(root.rglob("*.py")), root) == wrong


def test_the_check_of_places_sees_a_module_at_the_top_and_a_package_without_a_place(tmp_path: Path) -> None:
    root = planted(tmp_path, errors="", cli__main="", jobs="", fleet__host="", kernel="")
    assert list(misplaced(root)) == ["fleet", "jobs", "jobs.py", "kernel.py"]


def test_the_check_for_circles_sees_them(tmp_path: Path) -> None:
    root = planted(
        tmp_path,
        host__a="from orchestrator.host.b import f",
        host__b="def f():\n    from orchestrator.host import c",
        host__c="import orchestrator.host.a",
    )
    assert circle(root) == "orchestrator.host.a -> orchestrator.host.b -> orchestrator.host.c -> orchestrator.host.a"
    (root / "host/c.py").write_text("")
    tree.cache_clear()
    assert circle(root) == ""


def starts_processes(path: Path) -> Iterator[str]:
    """What in `path` can start, signal or end a process."""
    yield from (module for module in imports(path) if module.split(".")[0] in PROCESS_MODULES)
    yield from (module for module in imports(path) if module.startswith("os.") and module[3:] in PROCESS_CALLS)
    for node in ast.walk(tree(path)):
        match node:
            case ast.Attribute(value=ast.Name(id="os" | "asyncio" as module), attr=attribute):
                if attribute in PROCESS_CALLS or attribute.startswith("create_subprocess"):
                    yield f"{module}.{attribute}"


@pytest.mark.parametrize("path", [path for path in MODULES if package(path) not in {"host", *PROGRAMS}], ids=name)
def test_only_the_package_host_starts_processes_and_connections(path: Path) -> None:
    found = set(starts_processes(path))
    if package(path) in SIGNALS_MAY_BE_HANDLED_BY or name(path) == WORKER:
        found -= {module for module in found if module.split(".")[0] == "signal"}
    assert not found, f"{name(path)} uses {', '.join(sorted(found))}"


@pytest.mark.parametrize("path", [path for path in MODULES if package(path) in PROGRAMS], ids=name)
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


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if package(path) not in {"cli", *PROGRAMS} and name(path) != WORKER],
    ids=name,
)
def test_only_the_command_line_exits(path: Path) -> None:
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    named = {ast.unparse(call) for call in calls}
    forbidden = {"print", "sys.exit", "exit", "quit", "input"} & named
    if package(path) == "report":
        forbidden.discard("print")
    assert not forbidden, f"{name(path)} calls {forbidden}"
