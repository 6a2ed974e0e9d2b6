# SPDX-License-Identifier: GPL-2.0-only
"""What ``orch report`` makes of a real run."""

from __future__ import annotations

import json
from pathlib import Path

import html5lib
import junitparser
import pytest
from kcidb_io.schema import LATEST

from tests.vm.conftest import Finished, orch


@pytest.fixture(scope="module")
def forms(pud: Finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The main scenario's run in each form."""
    place = tmp_path_factory.mktemp("report")
    done = {}
    for form in ("html", "markdown", "junit", "kcidb"):
        finished = orch(pud.results, "report", str(pud.run), f"--{form}", "-o", str(place / form))
        assert finished.status == 0, finished.err
        done[form] = (place / form).read_text()
    return done


def test_the_page_has_a_picture_of_each_placement(forms: dict[str, str]) -> None:
    root = html5lib.parse(forms["html"], namespaceHTMLElements=False)
    pictures = [one for one in root.iter("figure") if one.get("class") == "mapping"]
    words = [" ".join("".join(one.itertext()).split()) for one in pictures]
    assert len(words) == 4
    assert "524,288 PTE, as predicted" in words[0]
    assert "1,024 PMD, as predicted" in words[0]
    assert "2 PUD, as predicted" in words[0]
    assert all("does not follow" not in one for one in words)
    assert len(forms["html"]) < 200_000


def test_the_other_forms_have_all_cases(forms: dict[str, str], pud: Finished) -> None:
    cases = sum(pud.record["counts"].values())
    assert junitparser.JUnitXml.fromstring(forms["junit"].encode()).tests == cases
    report = json.loads(forms["kcidb"])
    LATEST.validate(report)
    assert len(report["tests"]) == cases
    assert [build["config_name"] for build in report["builds"]] == ["guest+vfio"] * 5
    assert {checkout["patchset_hash"] == "" for checkout in report["checkouts"]} == {True, False}
    assert f"{cases} pass" in forms["markdown"]


def test_the_page_is_in_the_directory_of_the_run(pud: Finished) -> None:
    finished = orch(pud.results, "report")
    assert (finished.status, finished.err) == (0, "")
    assert Path(finished.out.strip()) == pud.run / "report.html"
