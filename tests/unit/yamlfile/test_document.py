# SPDX-License-Identifier: GPL-2.0-only
"""YAML as texts with their lines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.errors import ScenarioError
from orchestrator.yamlfile.document import Document, read_document


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes) -> Document:
    path = Path("a.yaml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_document(path)


def refusal(text: str | bytes) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["00:05.0", "6.10", "12:30", "0x10", "010", "yes", "no", "on", "true", "1_000", "1e3", ".inf", "2026-01-01", "="],
)
def test_a_scalar_stays_what_the_user_wrote(text: str) -> None:
    assert read(f"a: {text}\nb: [{text}]\n{text}: c\n").value == {"a": text, "b": [text], text: "c"}


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_an_empty_value_is_none(text: str) -> None:
    assert read(f"a: {text}\nb: 1").value == {"a": None, "b": "1"}


@pytest.mark.parametrize("text", ["''", '"~"', "'null'"])
def test_a_quoted_value_is_not_empty(text: str) -> None:
    assert read(f"a: {text}").value == {"a": text[1:-1]}


def test_every_key_and_item_has_its_line() -> None:
    document = read("# why\na: 1\nb:\n  c:\n    - x\n    - y: 1\n      z: 2\n")
    assert document.lines == {
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "c", 0): 5,
        ("b", "c", 1): 6,
        ("b", "c", 1, "y"): 6,
        ("b", "c", 1, "z"): 7,
    }


def test_what_is_not_in_the_file_has_the_line_of_what_is_around_it() -> None:
    document = read("a: 1\nb:\n  c: 1\n")
    assert document.line(("b", "c", 0)) == 3
    assert document.line(("b", "missing")) == 2
    assert document.line(("missing",)) == 1
    assert document.where(("b",)) == "a.yaml:2"


def test_where_is_absolute_for_a_file_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = read("a: 1")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert document.where(("a",)) == f"{tmp_path}/a.yaml:1"


def test_get_and_names() -> None:
    document = read("a: {b: [x], c: 1}\nd: 1\n")
    assert document.get(("a", "c")) == "1"
    assert document.get(("a", "b", "c")) is None
    assert document.get(("x", "y")) is None
    assert document.names("a") == ["b", "c"]
    assert document.names("d") == []


def test_duplicate_keys_are_found_at_every_depth_and_the_first_one_stays() -> None:
    document = read("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n")
    assert document.value == {"a": "1", "b": {"c": "1"}}
    assert list(document.findings) == [
        (4, "key 'c' is given twice, first on line 3; remove one of them"),
        (5, "key 'a' is given twice, first on line 1; remove one of them"),
    ]


def test_an_alias_stands_for_its_value() -> None:
    document = read("a: &x {b: 1}\nc: *x\n")
    assert document.value == {"a": {"b": "1"}, "c": {"b": "1"}}
    assert document.lines["c",] == 2
    assert document.lines["c", "b"] == 1


def test_a_merge_key_adds_what_the_mapping_does_not_say() -> None:
    document = read("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\n")
    assert document.value["c"] == {"x": "3", "y": "1", "z": "2"}
    assert document.lines["c", "x"] == 5
    assert document.lines["c", "z"] == 2
    assert document.findings == ()


def test_a_merge_key_merges_what_is_merged() -> None:
    assert read("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}").value["c"] == {"y": "2", "x": "1"}


def test_a_merge_key_takes_mappings_only() -> None:
    document = read("a: &a [1]\nb: {<<: *a}\nc: {'<<': 1}")
    assert [line for line, _ in document.findings] == [2]
    assert "'<<' merges mappings only" in document.findings[0].what
    assert document.value["c"] == {"<<": "1"}


def test_an_alias_of_what_is_around_it() -> None:
    document = read("a: &a\n  b: *a\n")
    assert document.value == {"a": {"b": None}}
    assert "contains it" in document.findings[0].what


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}", "~", ""])
def test_a_key_is_a_plain_name(key: str) -> None:
    document = read(f"a: 1\n? {key}\n: 1\n")
    assert document.findings[0].what == "a key must be a plain name"


def test_a_tag_is_refused() -> None:
    document = read("a: !!python/name:os.system x\nb: !foo x\n")
    assert [line for line, _ in document.findings] == [2]
    assert read("a: !!int 5").value == {"a": "5"}


def test_half_a_character_is_refused() -> None:
    document = read('a: "\\uD800"\n')
    assert document.value == {"a": ""}
    assert "surrogate" in document.findings[0].what


def test_a_byte_order_mark_is_no_matter() -> None:
    assert read(b"\xef\xbb\xbfa: 1").value == {"a": "1"}


@pytest.mark.parametrize(
    ("text", "line", "fix"),
    [
        ("a: b\n\tc: d\n", 2, "spaces, not with tabs"),
        ("a: b: c\n", 1, "quote a value that has ': '"),
        ("a: {b: 1\nc: 2\n", 2, "close the mapping with '}'"),
        ("a: [b, c\nd: 2\n", 2, "close the list with ']'"),
        ('a: "b\nc: d\n', 3, "close the quote"),
        ("a: *b\n", 1, "define it above"),
        ("a: 1\n---\nb: 1\n", 2, "remove the '---'"),
        ("a:\n  b: 1\n - c\n", 3, "check the indentation"),
        ("a: @b\n", 1, "quote the value"),
    ],
)
def test_a_syntax_error_says_where_and_how_to_fix_it(text: str, line: int, fix: str) -> None:
    message = refusal(text)
    assert message.startswith(f"a.yaml:{line}: not valid YAML: ")
    assert fix in message
    assert "\n" not in message


def test_a_syntax_error_names_the_line_on_which_it_began() -> None:
    assert "a quoted scalar that begins on line 2" in refusal('a: 1\nb: "c\n\n')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.yaml: the scenario is empty"),
        ("# nothing\n", "a.yaml: the scenario is empty"),
        ("- a\n- b\n", "a.yaml:1: a scenario is a mapping of keys to values, not a list"),
        ("hello\n", "a.yaml:1: a scenario is a mapping of keys to values, not 'hello'"),
        (b"a: 1\nb: \xff\n", "a.yaml:2: not UTF-8 text; save the file as UTF-8"),
        ("a: 1\nb: \x01\n", "a.yaml:2: YAML allows no control characters such as '\\x01'; remove it"),
        ('a: "\\UFFFFFFFF"\n', "a.yaml: not valid YAML: an escape in a quoted text names no character"),
    ],
)
def test_what_is_no_scenario_at_all(text: str | bytes, message: str) -> None:
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 5000,
        "a: &a {<<: *a}",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in pairwise("abcdefg")),
        "a: &a {x: 1}\n"
        + "".join(f"{b}: &{b} {{<<: [{', '.join(['*' + a] * 10)}]}}\n" for a, b in pairwise("abcdefg")),
    ],
    ids=["deep", "merges itself", "aliases of aliases", "merges of merges"],
)
def test_a_file_made_to_exhaust_memory_is_refused(text: str) -> None:
    assert refusal(text) == "a.yaml: nested too deeply or too large to be a scenario"


def test_a_missing_file() -> None:
    with pytest.raises(ScenarioError) as caught:
        read_document(Path("nope.yaml"))
    assert str(caught.value) == "nope.yaml: cannot read the scenario: No such file or directory"


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot read the scenario: it is a directory, not a file"):
        read_document(tmp_path)


def test_an_impossible_file_name() -> None:
    with pytest.raises(ScenarioError, match="cannot read the scenario"):
        read_document(Path("a\0b"))
