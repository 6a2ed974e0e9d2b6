# SPDX-License-Identifier: GPL-2.0-only
"""The JSON Schema that editors use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.errors import ScenarioError
from orchestrator.scenario.schema.json import json_schema
from tests.unit.scenario.test_load import FULL, SMALL, load_text, small

KEYS = {
    "name", "description", "base", "machine", "cpus", "memory", "iommu", "accelerator", "virtualization",
    "devices", "emulated", "bar",
    "kernels", "extends", "source", "debian", "suite", "version", "config", "patches", "options", "expect",
    "can", "levels", "arch", "compiler", "modules", "git", "ref", "tree", "tarball", "sha256", "image", "debian-image",
    "file", "range", "revert", "message", "mbox", "matrix", "axes", "exclude", "include", "combination",
    "alignment", "level", "entries", "faults", "dma-faults", "stage2", "xfail", "workloads", "run", "device", "bars",
    "offset",
    "length", "placements", "timeout", "properties", "tests", "repeat",
    "repeats", "ranges", "seed", "hole",
    "vmm", "path", "expect-vmm",
    "selftests", "only", "test-timeout", "command", "files", "outcome", "environment", "setup",
    "passthrough", "host", "build-host", "tag", "address", "class", "min-bar", "resize", "fallback",
}  # fmt: skip


def models() -> dict[str, dict[str, Any]]:
    schema: dict[str, Any] = dict(json_schema())
    return {"scenario": schema, **schema["$defs"]}


def accepts(text: str) -> bool:
    """Return whether an editor, which reads YAML with numbers, finds no mistake."""
    return Draft202012Validator(json_schema()).is_valid(yaml.safe_load(text))


def loads(tmp_path: Path, text: str) -> bool:
    try:
        load_text(tmp_path, text)
    except ScenarioError:
        return False
    return True


def test_the_schema_is_a_schema() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "urn:orch:scenario"
    assert schema["title"] == "orch scenario"
    assert json.loads(json.dumps(schema)) == schema


def test_every_key_has_a_description() -> None:
    found = set()
    for model, schema in models().items():
        assert schema["description"], model
        for key, about in schema["properties"].items():
            found.add(key)
            text = about.get("description", "")
            assert text.endswith("."), f"{model}.{key} has no description, or one that is no sentence"
    assert found == KEYS


def test_every_key_and_no_class_of_ours_is_visible() -> None:
    assert all(schema["additionalProperties"] is False for schema in models().values())
    assert not any("Entry" in str(schema.get("title", "")) for schema in models().values())


def patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for item in schema.values():
            yield from patterns(item)
    elif isinstance(schema, list):
        for item in schema:
            yield from patterns(item)


def test_patterns_match_the_whole_of_a_text() -> None:
    found = list(patterns(json_schema()))
    assert found
    assert all(pattern.startswith("^") and pattern.endswith("$") for pattern in found)


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        SMALL,
        small("options: {NR_CPUS: 8, KASAN: n}", "bars: 2, length: 4096, timeout: 90, placements: qemu"),
        small("expect: {offset: {level: pmd, dma-faults: 0}}", "bars: [0, 2], offset: 0x1000"),
        SMALL.replace("pci-testdev, bar: 4G", "nvme, properties: {serial: x, max_ioqpairs: 64}"),
        SMALL.replace("pci-testdev", "ivshmem-plain"),
        small(workload="tests: [ranges, random, life], hole: 1G, repeats: 10, ranges: 100, seed: 7"),
        small(workload="tests: repeat"),
        small("can: {levels: [PTE, pmd], faults: mapping}"),
        small("can: {levels: PTE}\n    extends:"),
        small("config:\n    patches:\n    expect:\n    can:", top="machine:\nbase:\n"),
        SMALL.replace("trixie", "trixie, version: 6.10"),
        small(top="repeat: 1"),
        small(top="repeat: 100"),
    ],
)
def test_the_schema_accepts_what_loads(tmp_path: Path, text: str) -> None:
    assert loads(tmp_path, text)
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        SMALL.replace("description", "descripton"),
        SMALL.replace("bar: 4G", "bar: big"),
        SMALL.replace("bar: 4G", "bar: 1"),
        SMALL.replace("pci-testdev", "sdhci-pci"),
        SMALL.replace("pci-testdev, bar: 4G", "'no device'"),
        SMALL.replace("bar: 4G", "bar: 4G, properties: {'a b': c}"),
        SMALL.replace("bar: 4G", "bar: 4G, properties: {a: ''}"),
        small(workload="tests: []"),
        small(workload="tests: [map, map]"),
        small(workload="tests: [mpa]"),
        small(workload="repeats: 0"),
        small(workload="ranges: 100001"),
        small(workload="seed: -1"),
        small(workload="hole: low"),
        SMALL.replace(", bar: 4G", ""),
        SMALL.replace("  base", "  Base"),
        SMALL.replace("  testdev", "  ..").replace("device: testdev", "device: .."),
        SMALL.replace("run: alignment", "run: x"),
        SMALL[: SMALL.index("workloads")] + "workloads: {}",
        SMALL.replace("linux-source-6.12", "linux"),
        small("patchs: x"),
        small("options: {KASAN: yes}"),
        small("options: {A B: y}"),
        small("expect: {qmeu: {faults: 1}}"),
        small("expect: {qemu: {}}"),
        small("expect: {qemu: {xfail: why}}"),
        small("expect: {qemu: {level: P4D}}"),
        small("expect: {qemu: {faults: -1}}"),
        small("expect: {qemu: PUD}"),
        small("can: {levels: []}"),
        small("can: {levels: [P4D]}"),
        small("can: {faults: all}"),
        small("can: {faults: 1}"),
        small("can: PUD"),
        small("patches: {a: b}"),
        small(workload="bars: 6"),
        small(workload="bars: []"),
        small(workload="bars: [2, 2]"),
        small(workload="placements: [qemu, qemu]"),
        small(workload="placements: [qmeu]"),
        small(workload="timeout: soon"),
        small(workload="timeout: 0"),
        small(top="machine: {cpus: 0}"),
        small(top="machine: {memory: 2}"),
        small(top="machine: {accelerator: x}"),
        small(top="name: A"),
        small(top="repeat: 0"),
        small(top="repeat: 101"),
        small(top="repeat: 1.5"),
        small(top="repeat: often"),
    ],
)
def test_the_schema_rejects_what_does_not_load(tmp_path: Path, text: str) -> None:
    assert not loads(tmp_path, text)
    assert not accepts(text)
