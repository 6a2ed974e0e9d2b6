# SPDX-License-Identifier: GPL-2.0-only
"""Whatever a scenario file says, orch answers with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestrator.errors import ScenarioError
from orchestrator.scenario.load import load
from tests.unit.test_scenario_load import FULL, data_dir


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _mutations() -> st.SearchStrategy[str]:
    """The full scenario with a part cut out, and something else put there."""
    spot = st.integers(0, len(FULL))
    words = st.sampled_from(
        ["kernels", "base", "~", "[", "{", "}", "&a ", "*a", "<<: ", "\n", ": ", "- ", '"', "\t", "9"]
    )
    return st.builds(
        lambda begin, length, words: FULL[:begin] + "".join(words) + FULL[begin + length :],
        spot,
        st.integers(0, 40),
        st.lists(words | st.text(max_size=5), max_size=4),
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_mutations() | st.text() | st.text(alphabet="ab:{}[]-&*!<>|'\"\\#%@,? \n\t0~U", max_size=60))
@example("? - a\n: b")
@example("%YAML 9.9\n---\na: b")
@example('a: "\\ud800"')
@example("kernels: {'[key]': {options: {'[key]': 1}}}")
def test_whatever_the_text_says_a_scenario_error_is_all_that_is_raised(tmp_path: Path, text: str) -> None:
    data = data_dir(tmp_path)
    path = tmp_path / "pud.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(path, data=data)
    except ScenarioError as error:
        assert error.problems
        assert all(problem.where.startswith("pud.yaml") for problem in error.problems)
        assert all("\n" not in str(problem) for problem in error.problems)
        assert str(error).encode()
