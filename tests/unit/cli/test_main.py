# SPDX-License-Identifier: GPL-2.0-only
"""The entry point: what it prints to stdout and stderr, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[3]
PUD = REPOSITORY / "scenarios/pud.yaml"


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_cache_that_cannot_be_is_one_sentence(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = () if verb == "plan" else ("--results", str(tmp_path))
    assert main([verb, str(PUD), "--cache", "/dev/null", *results]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert "/dev/null" in lines[-1]
    assert lines[-1].startswith("orch: ")


def test_no_verb_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: orch" in capsys.readouterr().out


def test_a_missing_scenario_is_one_sentence_and_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "/nowhere/x.yaml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_compare_without_a_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--results", str(tmp_path)]) == 2
    assert "orch: " in capsys.readouterr().err
