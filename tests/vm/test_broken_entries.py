# SPDX-License-Identifier: GPL-2.0-only
"""A kernel whose entries show a wrong page, or have a wrong attribute.

It is broken in a way of its own for each device, by the device's slot (patches/faulty-entries.patch).  Each way fails
the cases named here and no others.

"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.vm.conftest import PATCHES, Finished, orch

CACHED = "not of the memory type of pgprot_noncached(), the first one is WB"
LIFE = ("mprotect", "mprotect-pmd")


@dataclass(frozen=True)
class Way:
    """One way in which the kernel is broken.

    It has the workload's options, the cases that fail, and words of the first.
    """

    name: str
    options: str
    failed: frozenset[str]
    words: tuple[str, ...] = ()


def page(name: str, words: str, block: int, placement: str = "pmd", length: str = "64M") -> Way:
    """A wrong page.

    `words` name the pass, and `block` of 2 MiB is the first whose page is wrong.
    """
    options = f"length: {length}, placements: [{placement}, misaligned], tests: content"
    return Way(name, options, frozenset({f"content.{placement}/run"}), (words, f"0x{block * (2 << 20):x}"))


def attribute(name: str, words: str, levels: str) -> Way:
    """A wrong attribute of these levels.

    The mapping starts at an odd page, so that it has PTE, PMD and PUD entries.
    """
    levels_of = {"offset": "PTE PMD PUD", "pmd": "PTE PMD"}
    failed = {place for place, has in levels_of.items() if set(levels.split()) & set(has.split())}
    cases = {f"{place}/{check}" for place in failed for check in ("run", "attributes")}
    return Way(name, "offset: 4K, length: 2G, placements: [offset, pmd], tests: map", frozenset(cases), (words,))


WAYS = (
    Way("intact", "length: 64M, placements: [offset, pmd, misaligned], tests: [map, content, life]", frozenset()),
    page("pmd-page", "pass fresh", 1),
    page("last-block", "pass fresh", 31),
    page("inner-block", "pass fresh", 17),
    page("inner-of-pud", "pass fresh", 0, "offset", "2G"),
    page("second", "pass zapped", 5),
    page("second-mmap", "pass remapped", 5),
    page("not-first", "pass fresh", 5),
    page("write", "pass written", 5),
    attribute("cached", f"entries of the fresh mapping are {CACHED}", "PTE PMD PUD"),
    attribute("cached-pmd", f"PMD entries of the fresh mapping are {CACHED}", "PMD"),
    attribute("combined-pud", "1 of 1 PUD entries of the fresh mapping are not of the memory type", "PUD"),
    Way(
        "writable",
        "length: 64M, placements: offset, tests: [map, life]",
        frozenset(f"life.{what}/run" for what in (*LIFE, "mprotect-pte")),
        ("entries of a mapping for reading only are writable, and only reading was asked for",),
    ),
    attribute("executable", "entries of the fresh mapping are executable", "PTE PMD PUD"),
    Way(
        "mprotect",
        "length: 64M, placements: offset, tests: [map, life]",
        frozenset(f"life.{what}/run" for what in LIFE),
        ("PMD entries just made read-only are not of the memory type",),
    ),
)

SCENARIO = """\
name: broken-entries
description: A kernel whose entries are wrong, on purpose.
devices:
{devices}
workloads:
{workloads}
kernels:
  faulty:
    source: {{debian: linux-source-7.3, suite: trixie-backports}}
    config: [guest, vfio]
    patches: {patch}
"""


def scenario() -> str:
    """A device for each way, in the order in which the patch numbers them."""
    size = {way.name: "4G" if "2G" in way.options else "64M" for way in WAYS}
    return SCENARIO.format(
        devices="\n".join(f"  {way.name}: {{emulated: ivshmem-plain, bar: {size[way.name]}}}" for way in WAYS),
        workloads="\n".join(
            f"  {way.name}: {{run: alignment, device: {way.name}, bars: 2, {way.options}, seed: 1, timeout: 2m}}"
            for way in WAYS
        ),
        patch=PATCHES / "faulty-entries.patch",
    )


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    home = tmp_path_factory.mktemp("entries")
    (home / "entries.yaml").write_text(scenario())
    return orch(home / "results", "run", str(home / "entries.yaml"))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_what_is_broken_fails_these_cases_alone(faulty: Finished, way: Way) -> None:
    result = json.loads((faulty.run / f"boots/faulty/{way.name}/result.json").read_text())
    assert result["boot"]["end"] == "ok"
    wrong = {
        f"{case['id']['test']}/{case['id']['check']}": case["message"]
        for case in result["cases"]
        if case["status"] not in ("PASS", "SKIP")
    }
    assert wrong.keys() == way.failed
    text = " | ".join(message for name, message in wrong.items() if name.endswith("/run"))
    assert all(words in text for words in way.words), text
