# SPDX-License-Identifier: GPL-2.0-only
"""``orch cache``: its output on a terminal of 80 columns, and its exit status."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.cli import main as cli
from orchestrator.host.lock import holders
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.report.cache import age_text, size_text
from tests.unit.kernel.cache.test_entries import ID, base, built, flip, made

__all__ = ["made"]


@pytest.fixture
def cache(made: KernelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelCache:
    """A copy of the cache with the toy kernel's builds; the terminal has 80 columns."""
    subprocess.run(("cp", "-a", made.root, tmp_path / "cache"), check=True)
    monkeypatch.setenv("COLUMNS", "80")
    return KernelCache(tmp_path / "cache")


def orch(cache: KernelCache, *arguments: str) -> int:
    """Run ``orch cache`` on `cache`."""
    return cli.main(["cache", *arguments, "--cache", str(cache.root)])


def test_the_list_fits_80_columns_and_ends_with_the_total(
    cache: KernelCache, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = cache.builds / built(cache) / "provenance.json"
    patches = [{"name": f"0001-a-patch-with-{'a-very-' * 9}long-name.patch", "sha256": "0"}]
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "patches": patches}))
    assert orch(cache, "ls") == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert max(len(line.replace(str(cache.root), "CACHE")) for line in lines) <= 80
    assert lines[0].split() == ["key", "size", "last", "used"]
    assert lines[1].startswith("sources: ")
    assert lines[2].split()[:3] == ["linux-source-7.3", "7.3.4-1", ID[:12]]
    assert "  base: Linux 7.3.4 + a-patch-with-a-very...  " in shown
    assert built(cache)[:12] in shown
    assert lines[-1].endswith(f" in {cache.root}")


def test_the_list_as_json_has_every_entry_in_bytes(cache: KernelCache, capsys: pytest.CaptureFixture[str]) -> None:
    os.utime(cache.builds / built(cache), (1_000_000_000, 1_000_000_000))
    assert orch(cache, "ls", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["bytes"] == sum(entry["bytes"] for entry in shown["entries"])
    build = next(one for one in shown["entries"] if one["path"] == str(cache.builds / built(cache)))
    assert (build["kind"], build["what"], build["used"]) == ("builds", "base: Linux 7.3.4", "2001-09-09T01:46:40Z")


def test_a_cache_that_is_not_there_is_empty_and_stays_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = KernelCache(tmp_path / "none")
    assert [orch(nothing, *action.split()) for action in ("ls", "gc --keep 1G", "verify", "verify --repair")] == [0] * 4
    assert capsys.readouterr().out.splitlines()[0] == f"0 KiB in {nothing.root}"
    assert not nothing.root.exists()


def test_gc_says_what_it_removed_and_what_is_left(cache: KernelCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert orch(cache, "gc", "--dry-run") == 0
    would = capsys.readouterr().out.splitlines()
    assert would[0] == "would remove, not needed:"
    assert (cache.root / "work/00.1a2b3c4d").exists()
    assert orch(cache, "gc") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "removed, not needed:"
    assert [line.split()[:3] for line in shown[1:4]] == [line.split()[:3] for line in would[1:4]]
    assert shown[1].startswith("  left behind: ")
    assert shown[-1].startswith("freed ") and shown[-1].endswith(" left")
    assert max(map(len, shown)) <= 80
    assert not (cache.root / "work/00.1a2b3c4d").exists()
    assert cache.lookup(base(cache))


def test_gc_keeps_at_most_the_given_size(cache: KernelCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert orch(cache, "ls", "--json") == 0
    keep = json.loads(capsys.readouterr().out)["bytes"] // 2
    assert orch(cache, "gc", "--keep", str(keep)) == 0
    assert "not used for longest" in capsys.readouterr().out
    assert orch(cache, "ls", "--json") == 0
    assert json.loads(capsys.readouterr().out)["bytes"] <= keep
    assert orch(cache, "verify") == 0


def test_gc_says_when_it_may_not_remove_more(cache: KernelCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert orch(cache, "gc", "--keep", "0") == 0
    assert "gc does not touch" in capsys.readouterr().out
    assert (cache.root / "mine/notes").exists()


@pytest.mark.parametrize("size", ["20X", "-1", "much", "1KB"])
def test_a_size_that_is_none_is_a_wrong_command_line(
    cache: KernelCache, size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        orch(cache, "gc", f"--keep={size}")
    assert ended.value.code == 2
    assert "must be a size such as 20G" in capsys.readouterr().err


def test_verify_says_that_all_is_whole(cache: KernelCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert orch(cache, "verify") == 0
    assert capsys.readouterr().out == "11 entries are whole, 0 broken\n"


def test_verify_lists_what_is_broken_and_repair_removes_it(
    cache: KernelCache, capsys: pytest.CaptureFixture[str]
) -> None:
    key = built(cache)
    flip(cache.builds / key / "vmlinux")
    shutil.rmtree(cache.root / "trees" / key / "tree/build")
    assert orch(cache, "verify") == 3
    broken = [
        f"builds/{key[:12]}: the content of vmlinux has changed",
        f"trees/{key[:12]}: build/.config is missing",
        "9 entries are whole, 2 broken",
    ]
    assert capsys.readouterr().out.splitlines() == [*broken, "remove them with --repair"]
    assert (cache.builds / key).exists()
    assert orch(cache, "verify", "--repair") == 0
    assert capsys.readouterr().out.splitlines() == [*broken, "they are removed, and will be made again"]
    assert not (cache.builds / key).exists()
    assert not (cache.root / "recipes" / base(cache).key).exists()
    assert orch(cache, "verify") == 0


def test_nobody_holds_a_cache_that_is_not_in_use(cache: KernelCache) -> None:
    assert orch(cache, "gc") == 0
    assert holders(cache.users) == ()
    assert holders(cache.root / "no-such-file") == ()


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 KiB"),
        (1, "1 KiB"),
        (4096, "4 KiB"),
        (1 << 20, "1.0 MiB"),
        (1900 << 20, "1.9 GiB"),
        (20 << 30, "20.0 GiB"),
    ],
)
def test_sizes_are_short(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "now"), (59, "now"), (60, "1 min"), (7200, "2 h"), (2e5, "2 d"), (4e7, "1 y")]
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert age_text(seconds) == text
