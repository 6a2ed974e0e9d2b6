# SPDX-License-Identifier: GPL-2.0-only
"""The command line: what is printed where, and with which exit status."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import main as cli
from orchestrator.events import Event, Kind
from orchestrator.report.progress import clock, line_of, progress

REPOSITORY = Path(__file__).resolve().parents[3]
PUD = REPOSITORY / "scenarios/pud.yaml"


def test_help_names_every_verb_and_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for word in ("run", "plan", "check", "schema", "compare", "0 all as expected", "2 the scenario", "3 the infra"):
        assert word in told


def test_help_imports_no_room() -> None:
    script = "import sys; sys.argv = ['orch', '--help']\nfrom orchestrator.cli import main as cli\n"
    script += "try: cli.main()\nexcept SystemExit: pass\n"
    script += "print([m for m in sys.modules if m.startswith(('pydantic', 'rich', 'orchestrator.'))])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['orchestrator.cli', 'orchestrator.errors', 'orchestrator.cli.main']"


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    verbs = ("run", "plan", "check", "schema", "compare", "bisect", "cache")
    for argv in ([], *([verb] for verb in verbs), *(["cache", action] for action in ("ls", "gc", "verify"))):
        with pytest.raises(SystemExit):
            cli.main([*argv, "--help"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80, argv


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_cache_that_cannot_be_is_one_sentence(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = () if verb == "plan" else ("--results", str(tmp_path))
    assert cli.main([verb, str(PUD), "--cache", "/dev/null", *results]) == 3
    told = capsys.readouterr().err.splitlines()
    assert "/dev/null" in told[-1]
    assert told[-1].startswith("orch: ")


def test_no_verb_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: orch" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["fly"], ["run"], ["run", "x.yaml", "--jobs", "0"], ["run", "x.yaml", "--fast"]])
def test_a_wrong_command_line_is_status_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2
    assert "orch" in capsys.readouterr().err


def test_the_shipped_scenario_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(PUD)]) == 0
    assert capsys.readouterr().out == f"{PUD}: ok (5 kernels, 1 device, 1 workload)\n"


def test_check_reports_every_problem_of_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = PUD.read_text()
    (tmp_path / "a.yaml").write_text(text.replace("patches: vfio-thp", "patchs: vfio-thp"))
    (tmp_path / "b.yaml").write_text(text.replace("extends: base", "extends: bas", 1).replace("4G", "4X", 1))
    assert cli.main(["check", str(tmp_path / "a.yaml"), str(PUD), str(tmp_path / "b.yaml")]) == 2
    output = capsys.readouterr()
    assert f"{PUD}: ok" in output.out
    lines = output.err.splitlines()
    assert all(line.startswith("orch: ") for line in lines)
    assert any("a.yaml:" in line and "did you mean 'patches'" in line for line in lines)
    assert any("b.yaml:" in line and "'bas'" in line for line in lines)
    assert any("b.yaml:" in line and "'4X'" in line for line in lines)


def test_the_plan_of_a_fresh_machine_has_every_job_with_its_time_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["plan", str(PUD), "--cache", str(tmp_path), "--jobs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["0:00", "~5:00", "build/base"]
    assert lines[-2].startswith("about 5 min 40 s on 2 cores, ")
    assert max(map(len, lines)) <= 80
    assert not list(tmp_path.iterdir())


def test_the_plan_for_programs_is_in_the_order_of_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", str(PUD), "--cache", str(tmp_path), "--jobs", "1", "--json"]) == 0
    jobs = json.loads(capsys.readouterr().out)
    starts = {job["job"]: job["start"] for job in jobs}
    assert len(starts) == 10
    assert list(starts.values()) == sorted(starts.values())
    assert starts["boot/base/alignment"] == starts["build/no-huge"] == 300.0


def test_a_missing_scenario_is_one_sentence_and_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "/nowhere/x.yaml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_schema_prints_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].startswith("https://json-schema.org/")


def test_compare_without_a_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "--results", str(tmp_path)]) == 2
    assert "orch: " in capsys.readouterr().err


def test_version_names_what_decides_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} >= {"orch", "virtme-ng", "fabric"}


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cli.cache_directory() == Path("/somewhere/orch")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert cli.cache_directory() == Path("/home/me/.cache/orch")


def test_without_a_terminal_progress_is_plain_lines_of_starts_and_ends() -> None:
    stream = io.StringIO()
    with progress(stream, verbose=False) as emit:
        emit(Event("base", "build", Kind.START))
        emit(Event("base", "build", Kind.PROGRESS, "12 objects"))
        emit(Event("base", "build", Kind.END, "990 objects", 243.21))
    assert stream.getvalue().splitlines() == [
        "  0:00  base: build ...",
        "  0:00  base: build done (243.2 s): 990 objects",
    ]


def test_verbose_shows_what_happens_between() -> None:
    stream = io.StringIO()
    with progress(stream, verbose=True) as emit:
        emit(Event("base", "build", Kind.PROGRESS, "12 objects"))
    assert "12 objects" in stream.getvalue()


def test_elapsed_time_is_minutes_and_seconds() -> None:
    assert clock(59.9) == "0:59"
    assert clock(3725) == "62:05"
    assert line_of(Event("k", "boot", Kind.FAILED, seconds=1.0), 61) == "  1:01  k: boot FAILED (1.0 s)"
