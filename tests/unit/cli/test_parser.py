# SPDX-License-Identifier: GPL-2.0-only
"""The command line: its help, its defaults, and what it makes of the options."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import commands
from orchestrator.cli.arguments import cache_directory
from orchestrator.cli.main import main
from orchestrator.cli.options import PlaceOptions, RunOptions, ScenarioOptions
from orchestrator.cli.parser import parse


def test_help_names_every_verb_and_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for part in ("run", "plan", "check", "schema", "compare", "0 all as expected", "2 the scenario", "3 the infra"):
        assert part in shown


def test_help_imports_only_the_parser() -> None:
    script = "import sys; sys.argv = ['orch', '--help']\nfrom orchestrator.cli.main import main\n"
    script += "try: main()\nexcept SystemExit: pass\n"
    script += "print(sorted(m for m in sys.modules if m.startswith(('pydantic', 'rich', 'orchestrator.'))))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names = ("", ".arguments", ".debug_verbs", ".main", ".parser", ".report_verbs", ".review_verbs")
    cli = [f"orchestrator.cli{name}" for name in names]
    assert done.stdout.splitlines()[-1] == str([*cli, "orchestrator.errors"])


def test_what_only_lab_hosts_and_mailing_lists_need_is_not_imported_by_every_run() -> None:
    """They take a quarter of the time that the modules of a run take."""
    script = "import orchestrator.cli.commands, sys; print(sorted({'paramiko', 'fabric', 'b4'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    verbs = (
        "run",
        "plan",
        "check",
        "schema",
        "compare",
        "report",
        "review",
        "b4-check",
        "bisect",
        "cache",
        "devices",
        "doctor",
        "diff",
        "shell",
        "reproducer",
    )
    for argv in ([], *([verb] for verb in verbs), *(["cache", action] for action in ("ls", "gc", "verify"))):
        with pytest.raises(SystemExit):
            main([*argv, "--help"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80, argv


@pytest.mark.parametrize("argv", [["fly"], ["run"], ["run", "x.yaml", "--jobs", "0"], ["run", "x.yaml", "--fast"]])
def test_a_wrong_command_line_is_status_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "orch" in capsys.readouterr().err


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == Path("/somewhere/orch")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_directory() == Path("/home/me/.cache/orch")


def test_a_verb_gets_its_options_as_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[RunOptions] = []

    def run(options: RunOptions) -> int:
        given.append(options)
        return 5

    monkeypatch.setattr(commands, "run", run)
    argv = ["run", "x.yaml", "--cache", "/c", "-j", "3", "--force", "3b:00.0", "--host", "lab1", "--json"]
    invocation = parse([*argv, "--patch", "p", "--revert", "r", "--patch", "q"])
    assert invocation.verb == "run"
    assert not given
    assert invocation.run() == 5
    changes = (("patch", "p"), ("revert", "r"), ("patch", "q"))
    assert given == [
        RunOptions(
            ScenarioOptions(Path("x.yaml"), changes=changes),
            PlaceOptions(Path("/c"), "lab1", forced=("0000:3b:00.0",)),
            Path("results"),
            3,
            json=True,
        )
    ]


@pytest.mark.parametrize(("given", "boots"), [((), None), (("--repeat", "1"), 1), (("--repeat", "100"), 100)])
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_the_number_of_boots_is_an_option_of_run_and_plan(
    monkeypatch: pytest.MonkeyPatch, verb: str, given: tuple[str, ...], boots: int | None
) -> None:
    seen: list[RunOptions] = []
    monkeypatch.setattr(commands, verb, seen.append)
    parse([verb, "x.yaml", *given]).run()
    assert [options.scenario.repeat for options in seen] == [boots]


@pytest.mark.parametrize("text", ["0", "101", "-1", "1.5", "x", "", "9" * 5000])
def test_a_wrong_number_of_boots_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(["run", "x.yaml", "--repeat", text])
    assert "--repeat: must be a number from 1 to 100, not '" in capsys.readouterr().err
