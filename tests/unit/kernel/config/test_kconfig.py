# SPDX-License-Identifier: GPL-2.0-only
"""The Kconfig reader, on excerpts in the style of the kernel's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.kernel.config.kconfig import Symbol, find_symbol, symbol_names

KCONFIG = """\
mainmenu "Linux/$(ARCH) Kernel Configuration"

if-success = $(shell,$(1))

source "arch/$(SRCARCH)/Kconfig"
source "mm/Kconfig"
	source	"drivers/Kconfig.other" # a comment
source missing/Kconfig

config DEFCONFIG_LIST
\tstring
\tdefault "/lib/modules"

comment "no option"
\tdepends on NEVER
"""
MM = """\
config ARCH_SUPPORTS_PMD_PFNMAP
\tdef_bool y
\tdepends on ARCH_SUPPORTS_HUGE_PFNMAP && HAVE_ARCH_TRANSPARENT_HUGEPAGE

config PTDUMP_DEBUGFS
\tbool "Export kernel pagetable layout"
\tdepends on DEBUG_KERNEL
\tdepends on DEBUG_FS  # for the file
\tdepends on ARCH_HAS_PTDUMP && \\
\t\tSYSFS
\tselect PTDUMP
\thelp
\t  Say Y here to see the page tables. It
\t  depends on nothing that you could see,
\t  select nothing and
\t  bool "this is no prompt".

config PTDUMP
\tbool

menu "Memory"
\tdepends on MMU
\tvisible if EXPERT

if SPARSEMEM && !FLATMEM # what a comment
config VMEMMAP
\tbool "Virtual map"

menuconfig DAMON
\ttristate "Data access"
\timply PTDUMP
endif # SPARSEMEM

config AFTER_IF
\tbool "After"
endmenu

config AFTER_MENU
\tprompt "After the menu"
\tbool
"""
DRIVERS = """\
menuconfig VFIO
\ttristate "VFIO"
\tselect PTDUMP if DEBUG_FS

if VFIO
source "drivers/vfio/pci/Kconfig"
config VFIO_GROUP
\tbool "Groups"
endif

choice
\tprompt "Which"
\tdepends on VFIO
config CHOICE_A
\tbool "A"
endchoice

config PTDUMP
\tbool "Dump, again"
\tdepends on VFIO
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "Kconfig": KCONFIG,
        "mm/Kconfig": MM,
        "drivers/Kconfig.other": DRIVERS,
        "drivers/vfio/pci/Kconfig": 'config VFIO_PCI\n\ttristate "PCI"\n\tdepends on PCI\nsource "Kconfig"\n',
        "drivers/vfio/Kconfig": "config FROM_NOWHERE\n\tbool\n",
        "arch/x86/Kconfig": 'config X86\n\tdef_bool y\nsource arch/arm/crypto/Kconfig\nconfig MMU\n\tbool "x86 MMU"\n',
        "arch/arm/Kconfig": "config ARM\n\tdef_bool y\n",
        "arch/arm/crypto/Kconfig": 'config CRYPTO_OF_ARM\n\tbool "Shared"\n',
        "arch/arm64/Kconfig": "config ARM64\n\tdef_bool y\n\tselect PTDUMP\n",
        "Documentation/Kconfig": "config FROM_DOCUMENTATION\n\tbool\n",
        "build/Kconfig": "config FROM_BUILD\n\tbool\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def symbol(tree: Path, name: str) -> Symbol:
    found = find_symbol(tree, name)
    assert found is not None
    return found


def test_dependencies_are_listed_without_comments_and_with_their_continuation(tree: Path) -> None:
    found = symbol(tree, "PTDUMP_DEBUGFS")
    assert found.prompt
    assert [" ".join(condition.split()) for condition in found.depends] == [
        "DEBUG_KERNEL",
        "DEBUG_FS",
        "ARCH_HAS_PTDUMP && SYSFS",
    ]


def test_an_option_without_a_prompt_cannot_be_set(tree: Path) -> None:
    assert not symbol(tree, "ARCH_SUPPORTS_PMD_PFNMAP").prompt


def test_help_text_is_no_attribute(tree: Path) -> None:
    found = symbol(tree, "PTDUMP_DEBUGFS")
    assert not any("nothing" in condition for condition in found.depends)
    assert symbol_names(tree)
    assert find_symbol(tree, "nothing") is None


def test_if_and_menu_blocks_stand_before_the_options_own_conditions(tree: Path) -> None:
    assert symbol(tree, "VMEMMAP").depends == ("MMU", "SPARSEMEM && !FLATMEM")
    assert symbol(tree, "DAMON").depends == ("MMU", "SPARSEMEM && !FLATMEM")


def test_a_block_ends_where_it_ends(tree: Path) -> None:
    assert symbol(tree, "AFTER_IF").depends == ("MMU",)
    assert symbol(tree, "AFTER_MENU").depends == ()


def test_source_ends_an_entry_and_opens_no_block(tree: Path) -> None:
    assert symbol(tree, "VFIO_GROUP").depends == ("VFIO",)
    assert symbol(tree, "VFIO").depends == ()


def test_members_of_a_choice_have_its_dependencies(tree: Path) -> None:
    assert symbol(tree, "CHOICE_A").depends == ("VFIO",)


def test_a_prompt_line_of_its_own_counts(tree: Path) -> None:
    assert symbol(tree, "AFTER_MENU").prompt


def test_two_definitions_come_together(tree: Path) -> None:
    found = symbol(tree, "PTDUMP")
    assert found.prompt
    assert "VFIO" in found.depends


def test_selectors_are_known_with_and_without_condition_and_not_from_another_architecture(tree: Path) -> None:
    assert set(symbol(tree, "PTDUMP").selected_by) == {"PTDUMP_DEBUGFS", "DAMON", "VFIO"}


def test_an_unknown_option_is_none(tree: Path) -> None:
    assert find_symbol(tree, "PTDUMP_DEBUG") is None
    assert find_symbol(tree, "ARM64") is None


def test_another_architecture_has_its_own_options_and_selectors(tree: Path) -> None:
    found = find_symbol(tree, "PTDUMP", "arm64")
    assert found is not None
    assert "ARM64" in found.selected_by
    assert find_symbol(tree, "X86", "arm64") is None
    names = set(symbol_names(tree, "arm64"))
    assert {"ARM64", "VFIO"} <= names
    assert not names & {"X86", "MMU"}


def test_names_are_those_that_kconfig_reads_for_x86(tree: Path) -> None:
    names = set(symbol_names(tree))
    assert {"X86", "MMU", "VFIO", "DAMON", "VFIO_PCI", "CRYPTO_OF_ARM"} <= names
    assert not names & {"ARM64", "ARM", "FROM_DOCUMENTATION", "FROM_BUILD", "FROM_NOWHERE"}


def test_conditions_around_a_source_line_hold_for_what_it_names(tree: Path) -> None:
    assert symbol(tree, "VFIO_PCI").depends == ("VFIO", "PCI")


def test_a_macro_whose_name_begins_with_a_keyword_opens_no_block(tree: Path) -> None:
    assert symbol(tree, "X86").depends == ()


CHOICE = """\
choice
TABprompt "Timer frequency"
TABdefault HZ_250
TABdepends on TIMERS
TABhelp
TAB  Allows the configuration of the timer frequency.

TABconfig HZ_100
TABTABbool "100 HZ"
TABhelp
TAB  100 Hz is a typical choice.  A line of help can read
TAB  config NOT_AN_OPTION
TAB  choice

TABconfig HZ_250
TABTABbool "250 HZ"

TABconfig HZ_1000 # a comment
TABTABbool "1000 HZ"
endchoice

config HZ
TABint
TABdefault 100 if HZ_100
""".replace("TAB", "\t")


@pytest.mark.parametrize("name", ["HZ_100", "HZ_250", "HZ_1000"])
def test_a_member_of_a_choice_is_found_with_the_others(tmp_path: Path, name: str) -> None:
    (tmp_path / "Kconfig").write_text(CHOICE)
    symbol = find_symbol(tmp_path, name)
    assert symbol
    assert (symbol.choice, symbol.members) == ("Timer frequency", ("HZ_100", "HZ_250", "HZ_1000"))
    assert (symbol.prompt, symbol.depends) == (True, ("TIMERS",))


def test_help_is_no_definition_and_what_follows_a_choice_is_none_of_its_members(tmp_path: Path) -> None:
    (tmp_path / "Kconfig").write_text(CHOICE)
    assert find_symbol(tmp_path, "NOT_AN_OPTION") is None
    behind = find_symbol(tmp_path, "HZ")
    assert behind
    assert (behind.choice, behind.depends) == ("", ())
