# SPDX-License-Identifier: GPL-2.0-only
"""Configurations: requests, and the messages for requests that are not met."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import CommandError, ConfigError
from orchestrator.kernel.config.fragments import parse, required, resolve, to_text, verify, virtme_request, wishes
from orchestrator.kernel.model import Toolchain
from tests.fakes import Answer, Call, FakeHost

KCONFIG = """\
config DEBUG_KERNEL
\tbool "Kernel debugging"

config PTDUMP_DEBUGFS
\tbool "Export page tables"
\tdepends on DEBUG_KERNEL || 64BIT
\tdepends on DEBUG_FS

config VFIO_PCI_MMAP
\tdef_bool y if !S390
\tdepends on VFIO_PCI_CORE

config INTERVAL_TREE
\tbool "Interval trees"

config BARE
\tbool "Depends on nothing"

config IOMMUFD
\ttristate "IOMMUFD"
\tselect INTERVAL_TREE

config VFIO
\ttristate "VFIO"
\tselect INTERVAL_TREE if MMU
"""

NAMES = st.from_regex(r"[A-Z0-9][A-Z0-9_]{0,12}", fullmatch=True)
VALUES = st.sampled_from(["y", "m", "n", "64", "0x1000", '""', '"ttyS0,115200 # \\"x\\""'])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "Kconfig").write_text(KCONFIG)
    return tmp_path


@given(st.dictionaries(NAMES, VALUES))
def test_what_is_written_is_what_is_read(options: dict[str, str]) -> None:
    assert parse(to_text(options)) == options


def test_the_last_statement_of_an_option_counts_and_comments_do_not() -> None:
    text = "# CONFIG_A is a comment\nCONFIG_A=y\n  CONFIG_B=m  \n# CONFIG_A is not set\nCONFIG_B=y\nCONFIGX=y\n"
    assert parse(text) == {"A": "n", "B": "y"}


def fragment(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_the_last_fragment_wins_and_an_option_wins_over_all(tmp_path: Path) -> None:
    first = fragment(tmp_path, "a.config", "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n")
    second = fragment(tmp_path, "b.config", "# why\n\n# CONFIG_B is not set\nCONFIG_C=m\n")
    assert dict(required((first, second), [("C", "n"), ("D", "64")])) == {"A": "y", "B": "n", "C": "n", "D": "64"}


@pytest.mark.parametrize("line", ["A=y", "CONFIG_A", "CONFIG_A y", "CONFIG_A-B=y"])
def test_a_strange_line_is_named_with_its_place(tmp_path: Path, line: str) -> None:
    path = fragment(tmp_path, "a.config", f"# comment\nCONFIG_B=y\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        required((path,), ())
    assert str(caught.value) == f"{path}:3: '{line}' is no option; write CONFIG_NAME=value"


def complaint(tree: Path, wanted: dict[str, str], final: str) -> str:
    with pytest.raises(ConfigError) as caught:
        verify(tree, tuple(wanted.items()), final, "s.yaml:7: kernel 'huge'")
    return str(caught.value)


def test_what_holds_is_silent(tree: Path) -> None:
    verify(
        tree, (("A", "y"), ("B", "n"), ("C", "n"), ("D", "64")), "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=64\n", ""
    )


def test_an_unmet_dependency_is_shown_with_the_value_of_each_of_its_options(tree: Path) -> None:
    text = complaint(tree, {"PTDUMP_DEBUGFS": "y"}, "CONFIG_DEBUG_FS=y\nCONFIG_64BIT=m\n")
    assert text == (
        "s.yaml:7: kernel 'huge': CONFIG_PTDUMP_DEBUGFS=y did not survive (it is n); "
        "it depends on (DEBUG_KERNEL [n] || 64BIT [m]) && DEBUG_FS [y]"
    )


def test_an_option_without_a_prompt_is_reported_to_follow_from_others(tree: Path) -> None:
    text = complaint(tree, {"VFIO_PCI_MMAP": "y"}, "")
    assert text.endswith("it has no prompt and follows from others: VFIO_PCI_CORE [n]")


def test_an_unknown_option_gets_a_suggestion(tree: Path) -> None:
    text = complaint(tree, {"PTDUMP_DEBUGF": "y"}, "")
    assert text.endswith("this source has no such option; did you mean PTDUMP_DEBUGFS?")


def test_an_option_like_no_other_gets_none(tree: Path) -> None:
    assert complaint(tree, {"QQQQ": "y"}, "").endswith("this source has no such option")


def test_an_option_that_stays_on_names_only_the_selectors_that_are_on(tree: Path) -> None:
    text = complaint(tree, {"INTERVAL_TREE": "n"}, "CONFIG_INTERVAL_TREE=y\nCONFIG_IOMMUFD=m\n")
    assert text.endswith("CONFIG_INTERVAL_TREE=n did not survive (it is y); it is selected by IOMMUFD")


def test_an_option_that_depends_on_nothing_says_so(tree: Path) -> None:
    assert complaint(tree, {"BARE": "m"}, "CONFIG_BARE=y\n").endswith("(it is y); it depends on nothing")


def test_every_lost_option_is_reported_at_once(tree: Path) -> None:
    lines = complaint(tree, {"BARE": "y", "DEBUG_KERNEL": "y", "PTDUMP_DEBUGFS": "n"}, "").splitlines()
    assert len(lines) == 2
    assert all(line.startswith("s.yaml:7: kernel 'huge': ") for line in lines)


def test_virtmes_request_is_what_it_prints_without_its_chatter() -> None:
    printed = "I: using x86_64\nCONFIG_VIRTIO=y\n##: 9p\n# CONFIG_MODULES is not set\n"
    host = FakeHost([(("virtme-configkernel",), Answer(printed))])
    assert virtme_request(host, "virtme-configkernel", "x86_64") == "CONFIG_VIRTIO=y\n# CONFIG_MODULES is not set\n"
    assert host.calls[0].argv[1:] == ("--arch", "x86_64", "--allnoconfig", "--dry-run")


def test_kconfig_is_asked_from_nothing_and_its_answer_is_the_configuration(tree: Path) -> None:
    def allnoconfig(call: Call) -> Answer:
        request = next(word for word in call.argv if word.startswith("KCONFIG_ALLCONFIG=")).split("=")[1]
        assert Path(request).read_text() == "CONFIG_A=y\n"
        (tree / "build/.config").write_text("CONFIG_A=y\nCONFIG_B=y\n")
        return Answer()

    host = FakeHost([(("make", "-C", str(tree), "O=build", "ARCH=x86_64"), allnoconfig)])
    assert resolve(host, tree, "CONFIG_A=y\n", Toolchain("gcc 12", "ld 2")) == "CONFIG_A=y\nCONFIG_B=y\n"
    assert host.calls[0].argv[-1] == "allnoconfig"


def test_a_failing_kconfig_is_the_machines_fault(tree: Path) -> None:
    host = FakeHost([(("make",), Answer("flex: not found\n", 2))])
    with pytest.raises(CommandError, match=r"make allnoconfig failed(.|\n)*flex: not found"):
        resolve(host, tree, "", Toolchain("gcc 12", "ld 2"))


def test_kconfig_sees_the_compiler_that_will_build(tree: Path) -> None:
    def allnoconfig(_: Call) -> Answer:
        (tree / "build/.config").write_text("")
        return Answer()

    host = FakeHost([(("make", "-C", str(tree), "O=build", "ARCH=arm64", "LLVM=-19"), allnoconfig)])
    assert resolve(host, tree, "", Toolchain("clang-19 (19.1)", "LLD", "arm64")) == ""


def test_a_scenarios_text_value_is_quoted_as_kconfig_does() -> None:
    options = [("A", "y"), ("CMDLINE", "ttyS0,115200"), ("B", "0x10"), ("C", "64"), ("D", '"quoted"')]
    assert dict(required((), options)) == {
        "A": "y",
        "CMDLINE": '"ttyS0,115200"',
        "B": "0x10",
        "C": "64",
        "D": '"quoted"',
    }


def test_a_requested_option_is_asked_for_but_not_required(tmp_path: Path) -> None:
    """Before Linux 6.2, VFIO groups are always there, and no option VFIO_GROUP exists."""
    fragment = tmp_path / "vfio.config"
    fragment.write_text("CONFIG_VFIO=y\n# wish: CONFIG_VFIO_GROUP=y\n# wish CONFIG_OTHER=y\n")
    assert wishes((fragment,)) == {"VFIO_GROUP": "y"}
    assert required((fragment,), ()) == (("VFIO", "y"),)


def test_every_fragment_of_ours_can_be_read() -> None:
    for fragment in (Path(__file__).parents[4] / "kernels/configs").glob("*.config"):
        assert required((fragment,), ()), fragment


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("CONFIG_A=y", "y"),
        ("CONFIG_A=y # need it", "y"),
        ("CONFIG_A=y# need it", "y"),
        ("CONFIG_A=m\t# module", "m"),
        ("  CONFIG_A=17  ", "17"),
        ("CONFIG_A=0x10 # hex", "0x10"),
        ('CONFIG_A="x # y"', '"x # y"'),
        ('CONFIG_A="x # y" # a comment', '"x # y"'),
        ('CONFIG_A="a \\" # b"', '"a \\" # b"'),
        ("CONFIG_A=", ""),
        ("# CONFIG_A is not set", "n"),
        ("CONFIG_A=y\r", "y"),
        ("CONFIG_A=n", "n"),
    ],
)
def test_a_comment_behind_a_value_is_no_part_of_it(tmp_path: Path, line: str, value: str) -> None:
    assert parse(line + "\n") == {"A": value}
    fragment = tmp_path / "a.config"
    fragment.write_text(f"\ufeff{line}\n")
    assert required((fragment,), ()) == (("A", value),)


def test_the_member_of_a_choice_that_lost_is_named_with_the_one_that_is_set(tmp_path: Path) -> None:
    (tmp_path / "Kconfig").write_text(
        'choice\n\tprompt "Timer"\n\tconfig HZ_100\n\t\tbool "a"\n\tconfig HZ_1000\n\t\tbool "b"\nendchoice\n'
    )
    wanted = (("HZ_100", "y"), ("HZ_1000", "y"))
    with pytest.raises(ConfigError) as refused:
        verify(tmp_path, wanted, "CONFIG_HZ_1000=y\n# CONFIG_HZ_100 is not set\n", "s.yaml:3: kernel 'k'")
    lost = "s.yaml:3: kernel 'k': CONFIG_HZ_100=y did not survive (it is n)"
    assert str(refused.value) == f"{lost}; it is a member of the choice 'Timer', of which CONFIG_HZ_1000 is set"
