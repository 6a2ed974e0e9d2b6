# SPDX-License-Identifier: GPL-2.0-only
"""``orch diff``: its exit status, its messages, and its pairs of kernels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli.main import main

RUN = Path(__file__).resolve().parents[1] / "report/data/run-before-layout"
BOOT = "boots/vfio-thp/alignment/result.json"


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A copy of a stored run, in a directory of results."""
    shutil.copytree(RUN, tmp_path / "results/second")
    return tmp_path / "results/second"


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Change the text of a file."""
    path.write_text(change(path.read_text()))


def result(run: Path, **fields: object) -> None:
    """Change fields of every case of a boot."""
    data = json.loads((run / BOOT).read_text())
    data["cases"] = [{**case, **fields} for case in data["cases"]]
    data["measurements"] = []
    (run / BOOT).write_text(json.dumps(data))


def test_equal_runs_are_status_0(second: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(RUN), "second", "--results", str(second.parent)]) == 0
    assert "nothing differs" in capsys.readouterr().out


def test_a_regression_is_status_1_and_a_fix_is_not(second: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(second / BOOT, lambda text: text.replace('"value": 1024', '"value": 2048'))
    assert main(["diff", str(RUN), str(second)]) == 1
    assert "regression" in capsys.readouterr().out
    assert main(["diff", str(second), str(RUN)]) == 0
    assert "fix" in capsys.readouterr().out


@pytest.mark.parametrize("status", ["ERROR", "SKIP"])
def test_a_result_that_is_lost_is_status_3_but_not_a_skipped_test(second: Path, status: str) -> None:
    result(second, status=status)
    assert main(["diff", str(RUN), str(second)]) == (3 if status == "ERROR" else 0)


def test_a_kernel_of_one_run_is_compared_with_another_of_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = ["--kernels", "base=vfio-size", "--kernels", "vfio-size=base,mm-align"]
    assert main(["diff", str(RUN), str(RUN), "--json", *pairs]) == 1
    found = json.loads(capsys.readouterr().out)["pairs"]
    assert [(pair["base"], pair["variant"], pair["same_build"]) for pair in found] == [
        ("base", "vfio-size", False),
        ("vfio-size", "base", False),
        ("mm-align", "mm-align", True),
    ]
    changes = [{each["change"] for each in pair["differences"]} for pair in found]
    assert changes == [{"fix"}, {"regression"}, set()]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("basse=vfio-size", "has no kernel 'basse'; did you mean base?"),
        ("base=vfio", "has no kernel 'vfio'; did you mean vfio-thp or vfio-size?"),
        ("base=\x1b[31m", r"has no kernel '\x1b[31m'"),
    ],
)
def test_a_wrong_name_is_status_2(pairs: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(RUN), str(RUN), "--kernels", pairs]) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert not output.out


@pytest.mark.parametrize("pairs", ["", "=", "base=", "=base", "a=b=c", "base,"])
def test_a_pair_that_is_none_is_status_2(pairs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["diff", str(RUN), str(RUN), "--kernels", pairs])
    assert ended.value.code == 2
    assert "must be pairs of kernels such as base=patched,old=new" in capsys.readouterr().err


def test_runs_without_a_common_kernel_are_status_2(second: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads((second / "run.json").read_text())
    data["scenario"] |= {"kernels": ["b"], "base": "b"}
    data["jobs"] = []
    (second / "run.json").write_text(json.dumps(data))
    assert main(["diff", str(RUN), str(second)]) == 2
    assert "no kernel has the same name in both runs" in capsys.readouterr().err
    assert main(["diff", str(RUN), str(second), "--kernels", "base=b"]) == 3


def test_runs_of_another_device_are_status_2(second: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(second / "run.json", lambda text: text.replace('"bar_size": 4294967296', '"bar_size": 8589934592'))
    assert main(["diff", str(RUN), str(second)]) == 2
    shown = capsys.readouterr().err
    assert "nothing can be compared" in shown
    assert "device testdev: bar_size 4294967296 in the first, 8589934592 in the second" in shown


def test_no_such_run_is_status_2_and_an_unreadable_one_3(second: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(RUN), "secnd", "--results", str(second.parent)]) == 2
    assert "did you mean 'second'?" in capsys.readouterr().err
    for name in ("run.json", BOOT):
        edit(second / name, lambda text: text[:-20])
        assert main(["diff", str(RUN), str(second)]) == 3
        assert main(["diff", str(second), str(RUN)]) == 3
        assert "damaged" in capsys.readouterr().err
        shutil.copy(RUN / name, second / name)
