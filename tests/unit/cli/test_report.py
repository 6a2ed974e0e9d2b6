# SPDX-License-Identifier: GPL-2.0-only
"""``orch report``: which form goes where, and with which exit status."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from orchestrator.cli.main import main

STORED = Path(__file__).parents[1] / "report/data/run-before-layout"
BEGINNINGS = {"--html": "<!DOCTYPE html>", "--markdown": "## `pud`", "--junit": "<?xml", "--kcidb": "{\n"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A stored run in a results directory."""
    shutil.copytree(STORED, tmp_path / "results/pud-1")
    return tmp_path / "results/pud-1"


def report(run: Path, *arguments: str) -> int:
    return main(["report", *arguments, "--results", str(run.parent)])


def test_a_page_is_written_into_the_run_and_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(run, "pud-1") == 0
    assert capsys.readouterr().out == f"{run}/report.html\n"
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_the_newest_run_is_the_default(run: Path) -> None:
    (run.parent / "latest").symlink_to(run.name)
    assert report(run) == 0
    assert (run / "report.html").exists()


@pytest.mark.parametrize("form", BEGINNINGS)
def test_each_form_goes_to_the_standard_output_and_to_a_file(
    run: Path, tmp_path: Path, form: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert report(run, "pud-1", form, "-o", "-") == 0
    shown = capsysbinary.readouterr().out.decode()
    assert shown.startswith(BEGINNINGS[form])
    assert report(run, "pud-1", form, "--output", str(tmp_path / "x")) == 0
    assert (tmp_path / "x").read_text() == shown
    assert capsysbinary.readouterr().out == b""
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("form", [form for form in BEGINNINGS if form != "--html"])
def test_all_but_a_page_is_printed(run: Path, form: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert report(run, "pud-1", form) == 0
    assert capsysbinary.readouterr().out.startswith(BEGINNINGS[form].encode())


def test_several_runs_are_one_document(run: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert report(run, "pud-1", str(run), "--junit") == 0
    assert capsysbinary.readouterr().out.count(b"<testsuite ") == 10
    assert report(run, "pud-1", str(run), "--kcidb", "--origin", "my_lab") == 0
    assert json.loads(capsysbinary.readouterr().out)["tests"][0]["origin"] == "my_lab"


@pytest.mark.parametrize("form", ["--html", "--markdown"])
def test_what_shows_one_run_refuses_several(run: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(run, "pud-1", "pud-1", form) == 2
    assert capsys.readouterr().err == f"orch: {form} shows one run, not 2; --mail, --junit and --kcidb take several\n"


def failing(run: Path) -> Path:
    """Return a copy of a run in which a case failed."""
    other = run.parent / "pud-2"
    shutil.copytree(run, other)
    result = other / "boots/base/alignment/result.json"
    result.write_text(result.read_text().replace('"status": "PASS"', '"status": "FAIL"', 1))
    return other


@pytest.mark.parametrize(("names", "status"), [(("pud-2",), 1), (("pud-1", "pud-2"), 1), (("pud-1", "pud-1"), 0)])
def test_the_exit_status_is_that_of_compare(run: Path, names: tuple[str, ...], status: int) -> None:
    failing(run)
    assert report(run, *names, "--junit", "-o", str(run / "x.xml")) == status
    assert (run / "x.xml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such",), "no run 'no-such'; did you mean 'pud-1'?"),
        (("pud-1", "-o", "none/x"), "is in a directory that does not exist; name a file, or - for the standard output"),
        (("pud-1", "-o", "."), "is a directory; name a file, or - for the standard output"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    run: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(run, *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [("--html", "--junit"), ("--origin", "My Lab"), ("--origin", ""), ("--origin", "a:b"), ("-o",)]
)
def test_a_wrong_command_line(run: Path, wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        report(run, "pud-1", *wrong)
    assert stopped.value.code == 2


def test_a_device_or_a_pipe_is_written_to_and_stays_what_it_is(run: Path, tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    assert report(run, "pud-1", "--junit", "-o", str(pipe)) == 0
    reader.join(10)
    assert got[0].startswith(b"<?xml")
    assert report(run, "pud-1", "--junit", "-o", os.devnull) == 0
    assert pipe.is_fifo()
    assert Path(os.devnull).is_char_device()


def test_a_link_that_the_user_names_is_followed_and_one_in_the_run_is_not(run: Path, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("mine")
    link.symlink_to(target)
    (run / "report.html").symlink_to(target)
    assert report(run, "pud-1") == 0
    assert target.read_text() == "mine"
    assert not (run / "report.html").is_symlink()
    assert report(run, "pud-1", "-o", str(link)) == 0
    assert link.is_symlink()
    assert target.read_text().startswith("<!DOCTYPE html>")
