# SPDX-License-Identifier: GPL-2.0-only
"""A run that was stored before the packages were moved is shown as before.

data/run-before-layout holds what `orch compare` reads of a run of scenarios/pud.yaml, and the two files beside it what
it printed for it at the time.  A change of them is a change of a format that users have on disk.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.cli.main import main

DATA = Path(__file__).parent / "data"
RUN = DATA / "run-before-layout"


@pytest.mark.parametrize(("option", "golden"), [((), "txt"), (("--json",), "json")])
def test_it_is_printed_as_before(
    option: tuple[str, ...], golden: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["compare", str(RUN), *option]) == 0
    assert capsys.readouterr().out.replace(str(RUN), "RUN") == RUN.with_suffix(f".{golden}").read_text()


def test_a_changed_measurement_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    changed = tmp_path / "run"
    shutil.copytree(RUN, changed)
    result = changed / "boots/vfio-thp/alignment/result.json"
    result.write_text(result.read_text().replace("1024", "1025"))
    main(["compare", str(changed)])
    assert capsys.readouterr().out.replace(str(changed), "RUN") != RUN.with_suffix(".txt").read_text()
