# SPDX-License-Identifier: GPL-2.0-only
"""``orch check``, ``plan``, ``schema`` and ``--version``: what they print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.cli.options import ScenarioOptions
from orchestrator.cli.scenarios import load_with_overrides

REPOSITORY = Path(__file__).resolve().parents[3]
PUD = REPOSITORY / "scenarios/pud.yaml"


def test_the_shipped_scenario_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(PUD)]) == 0
    assert capsys.readouterr().out == f"{PUD}: ok (5 kernels, 1 device, 1 workload)\n"


def test_check_reports_every_problem_of_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = PUD.read_text()
    (tmp_path / "a.yaml").write_text(text.replace("patches: vfio-thp", "patchs: vfio-thp"))
    (tmp_path / "b.yaml").write_text(text.replace("extends: base", "extends: bas", 1).replace("4G", "4X", 1))
    assert main(["check", str(tmp_path / "a.yaml"), str(PUD), str(tmp_path / "b.yaml")]) == 2
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
    assert main(["plan", str(PUD), "--cache", str(tmp_path), "--jobs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["0:00", "~5:00", "build/base"]
    assert lines[-2].startswith("about 5 min 40 s on 2 cores, ")
    assert max(map(len, lines)) <= 80
    assert not list(tmp_path.iterdir())


def test_the_plan_for_programs_is_in_the_order_of_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(PUD), "--cache", str(tmp_path), "--jobs", "1", "--json"]) == 0
    jobs = json.loads(capsys.readouterr().out)
    starts = {job["job"]: job["start"] for job in jobs}
    assert len(starts) == 10
    assert list(starts.values()) == sorted(starts.values())
    assert starts["boot/base/alignment"] == starts["build/no-huge"] == 300.0


def test_schema_prints_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].startswith("https://json-schema.org/")


def test_version_names_what_decides_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} >= {"orch", "virtme-ng", "fabric"}


@pytest.mark.parametrize(("stated", "given", "boots"), [(None, None, 1), (3, None, 3), (3, 1, 1), (None, 5, 5)])
def test_the_command_line_wins_over_the_scenario(
    tmp_path: Path, stated: int | None, given: int | None, boots: int
) -> None:
    path = tmp_path / "pud.yaml"
    path.write_text(PUD.read_text() + (f"repeat: {stated}\n" if stated else ""))
    assert load_with_overrides(ScenarioOptions(path, repeat=given)).repeat == boots
