# SPDX-License-Identifier: GPL-2.0-only
"""For any content of a scenario file, orch loads it or reports problems as sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestrator.errors import ScenarioError
from orchestrator.scenario.load import load
from tests.unit.scenario.test_load import FULL, data_dir


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


SOURCES = """\
description: Which of all these kernels?
machine: {iommu: auto}
workloads:
  own: {command: ./x}
kernels:
  tree: {source: {tree: .}, patches: [{revert: 0123abc}, {range: A..B}], modules: yes}
  git: {source: {git: 'https://example.org/linux', ref: topic~3}, patches: {range: A..B, git: .}, arch: arm64}
  tarball: {source: {tarball: pud.yaml}, patches: {message: a-1@b.c, version: 2, mbox: pud.yaml}, compiler: clang-16}
  image: {extends: tree, source: {image: pud.yaml, modules: ., config: pud.yaml}, options: }
  stock: {source: {debian-image: linux-image-amd64, suite: sid, version: 7.3.4-1}}
"""

MATRIX = """\
description: Which of all these combinations?
base: 7.3-pud
devices: {testdev: {emulated: pci-testdev, bar: 4G}}
workloads: {bar: {run: alignment, device: testdev}}
matrix:
  axes:
    version:
      "6.12": {source: {debian: linux-source-6.12, suite: sid}, config: guest, expect: {qemu: {level: PTE}}}
      "7.3": {source: {git: .}, config: [guest, vfio], options: {A: y}}
    patch: {plain: , pud: {patches: mm-pud}, both: {patches: [mm-pud, {revert: abc}], options: {CONFIG_A: n}}}
    config: {usual: {}, debug: {config: [debug], can: {levels: PMD}, xfail: {life.fork: unknown}}}
  exclude:
    - {version: "6.12", patch: [pud, both]}
    - {config: debug, patch: pud}
  include:
    - {combination: {version: 7.3, patch: plain, config: usual}, name: today, arch: x86_64}
    - {combination: {version: 6.12, patch: pud, config: usual}, patches: vfio-thp}
kernels:
  mine: {extends: today, options: {B: 1}}
"""


def _mutations() -> st.SearchStrategy[str]:
    """Return a scenario in which a part is replaced by something else."""
    words = st.sampled_from(
        ["kernels", "base", "~", "[", "{", "}", "&a ", "*a", "<<: ", "\n", ": ", "- ", '"', "\t", "9", "7.3", "plain"]
    )
    return st.sampled_from([FULL, SOURCES, MATRIX]).flatmap(lambda text: _mutations_of(text, words))


def _mutations_of(text: str, words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spot = st.integers(0, len(text))
    return st.builds(
        lambda begin, length, words: text[:begin] + "".join(words) + text[begin + length :],
        spot,
        st.integers(0, 40),
        st.lists(words | st.text(max_size=5), max_size=4),
    )


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_mutations() | st.text() | st.text(alphabet="ab:{}[]-&*!<>|'\"\\#%@,? \n\t0~U", max_size=60))
@example(SOURCES)
@example(MATRIX)
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
