# SPDX-License-Identifier: GPL-2.0-only
"""The objects that a flipped option does not affect.

An error here gives a wrong kernel.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kernel.build.incremental import (
    affected_objects,
    guarded_names,
    objects_using,
    read_record,
    spare_untouched,
    split_guarded,
    strip_comments,
)

FLIPPED = frozenset({"X"})

GUARDED = """\
#ifdef CONFIG_X
static inline int special(int pmd)
{
\treturn pmd & 1;
}
#else
static inline int special(int pmd)
{
\treturn 0;
}
#endif
"""


@dataclass(frozen=True)
class Toy:
    """A source tree with a build directory of Kbuild records."""

    tree: Path

    @property
    def build(self) -> Path:
        return self.tree / "build"

    def write(self, name: str, text: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def object(self, name: str, source: str, *headers: str, options: tuple[str, ...] = ("SMP", "X")) -> Path:
        """Write source and record of the object `name`, from `source` text and existing headers."""
        file = f"{name}.S" if "/* asm */" in source else f"{name}.c"
        self.write(file, source)
        wildcards = "".join(f"    $(wildcard include/config/{option}) \\\n" for option in options)
        dependencies = "".join(f"  ../{header} \\\n" for header in headers)
        target = f"{name}.o"
        record = (
            f"savedcmd_{target} := gcc -Wp,-MMD,{name}.d -include ../include/kconfig.h -c -o {target} ../{file} \n\n"
            f"source_{target} := ../{file}\n\n"
            f"deps_{target} := \\\n{wildcards}  ../include/kconfig.h \\\n{dependencies}\n"
            f"{target}: $(deps_{target})\n\n$(deps_{target}):\n"
        )
        place = self.build / target
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("object")
        place.with_name(f".{place.name}.cmd").write_text(record)
        return place

    def affected(self) -> set[str]:
        """Return the names of the objects that must be built again when X flips."""
        users = list(objects_using(self.build, FLIPPED))
        return {path.name for path in affected_objects(self.build, users, FLIPPED)}


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    made = Toy(tmp_path / "tree")
    made.write("include/kconfig.h", "#define __is_defined(x) 1\n")
    made.write("include/guarded.h", GUARDED)
    return made


def test_an_object_that_only_includes_the_header_is_spared(toy: Toy) -> None:
    toy.object("bystander", "int main(void) { return 0; }\n", "include/guarded.h")
    assert toy.affected() == set()


def test_an_object_whose_source_calls_the_function_is_affected(toy: Toy) -> None:
    toy.object("caller", "int f(void) { return special(1); }\n", "include/guarded.h")
    toy.object("bystander", "int g(void) { return 0; }\n", "include/guarded.h")
    assert toy.affected() == {"caller.o"}


def test_a_call_in_an_inline_function_of_another_header_counts(toy: Toy) -> None:
    toy.write("include/wrapper.h", "static inline int wrapped(int x) { return special(x); }\n")
    toy.object("caller", "int f(void) { return 0; }\n", "include/guarded.h", "include/wrapper.h")
    assert toy.affected() == {"caller.o"}


def test_a_call_from_elsewhere_in_the_same_header_counts(toy: Toy) -> None:
    toy.write("include/guarded.h", GUARDED + "static inline int wrapped(int x) { return special(x); }\n")
    toy.object("caller", "int f(void) { return 0; }\n", "include/guarded.h")
    assert toy.affected() == {"caller.o"}


def test_a_source_that_names_the_option_is_affected(toy: Toy) -> None:
    toy.object("own", "int f(void) { return IS_ENABLED(CONFIG_X); }\n", "include/guarded.h")
    assert toy.affected() == {"own.o"}


@pytest.mark.parametrize(
    "header",
    [
        "struct s {\n#ifdef CONFIG_X\n\tint member;\n#endif\n};\n",
        "#ifdef CONFIG_X\nextern int variable;\n#endif\n",
        "#ifdef CONFIG_X\nint special(int);\n#endif\n",
        "#ifdef CONFIG_X\ntypedef long word_t;\n#endif\n",
        "#ifdef CONFIG_X\n#include <linux/other.h>\n#endif\n",
        "#ifdef CONFIG_X\n#pragma pack(1)\n#endif\n",
        '#ifndef CONFIG_X\n#error "needs X"\n#endif\n',
        "#ifdef CONFIG_X\nint special(int x) { return x; }\n#endif\n",
        "#ifdef CONFIG_X\nstatic int special(int x) { return x; }\n#endif\n",
        "#ifdef CONFIG_X\n#define special(x) \\\n\tdo_it(x)\n#endif\n",
        "#ifdef CONFIG_X\nstatic inline int f(void) { return 0; }\nstatic int counter;\n#endif\n",
        "#ifdef CONFIG_X\nstatic int counter;\nstatic inline int f(void) { return 0; }\n#endif\n",
        "#ifdef CONFIG_Y\n#elif defined(CONFIG_X)\nextern int variable;\n#endif\n",
        "#ifdef CONFIG_Y\nextern int variable;\n#elif defined(CONFIG_X)\n#endif\n",
        "#ifdef CONFIG_X\n#else\nextern int variable;\n#endif\n",
        "#if defined(CONFIG_Y) || \\\n\tdefined(CONFIG_X)\nextern int variable;\n#endif\n",
        "#ifdef CONFIG_X_MODULE\nextern int variable;\n#endif\n",
        "static inline int f(void) { return IS_ENABLED(CONFIG_X); }\n",
        "#define HAVE_X IS_ENABLED(CONFIG_X)\n",
        "#ifdef CONFIG_X\nstatic inline void __used f(void) { }\n#endif\n",
        "#ifdef CONFIG_X\nstatic inline void __attribute__((used)) f(void) { }\n#endif\n",
        '#ifdef CONFIG_X\nstatic inline void f(void) { _Pragma("pack(1)") }\n#endif\n',
    ],
)
def test_a_header_whose_regions_hold_more_than_inline_functions_affects_all(toy: Toy, header: str) -> None:
    toy.write("include/more.h", header)
    toy.object("bystander", "int stranger(int y) { return y; }\n", "include/more.h")
    assert toy.affected() == {"bystander.o"}


def test_an_option_in_a_comment_affects_nothing(toy: Toy) -> None:
    toy.write("include/comment.h", "/* CONFIG_X would\n * help */\nint f(void); // see CONFIG_X\n")
    toy.object("bystander", "int f(void) { return 0; /* CONFIG_X */ }\n", "include/comment.h")
    assert toy.affected() == set()


def test_macros_under_the_option_affect_only_who_uses_them(toy: Toy) -> None:
    toy.write("include/macro.h", "#ifdef CONFIG_X\n#define HAVE_SPECIAL 1\n#undef OLD_SPECIAL\n#endif\n")
    toy.object("tester", "#ifdef HAVE_SPECIAL\nint x;\n#endif\n", "include/macro.h")
    toy.object("undone", "int x = OLD_SPECIAL;\n", "include/macro.h")
    toy.object("bystander", "int x;\n", "include/macro.h")
    assert toy.affected() == {"tester.o", "undone.o"}


def test_assembler_sources_are_judged_by_their_macros(toy: Toy) -> None:
    toy.write("include/macro.h", "#ifdef CONFIG_X\n#define OFFSET 8\n#else\n#define OFFSET 0\n#endif\n")
    toy.object("entry", "/* asm */\n# don't /* mind */ the quote\n\tmov OFFSET(%rsp), %rax\n", "include/macro.h")
    toy.object("other", "/* asm */\n\tret\n", "include/macro.h")
    assert toy.affected() == {"entry.o"}


def test_functions_between_nested_conditionals_all_count(toy: Toy) -> None:
    nested = (
        "#ifdef CONFIG_X\n"
        "#ifdef A\nstatic inline int a(void) { return 1; }\n"
        "#else\nstatic inline int b(void) { return 1; }\n#endif\n"
        "#endif\n"
    )
    toy.write("include/nested.h", nested)
    toy.object("first", "int f(void) { return a(); }\n", "include/nested.h")
    toy.object("second", "int f(void) { return b(); }\n", "include/nested.h")
    toy.object("bystander", "int f(void) { return 0; }\n", "include/nested.h")
    assert toy.affected() == {"first.o", "second.o"}


def test_a_conditional_inside_a_guarded_function_hides_no_other_function(toy: Toy) -> None:
    opens = "static inline int opens(void) {\n#ifdef A\n\tif (1) {\n#else\n\t{\n#endif\n\t} return 0; }\n"
    closes = "static inline int closes(void) {\n#ifdef A\n\treturn 1; }\n#else\n\treturn 0; }\n#endif\n"
    toy.write("include/odd.h", f"#ifdef CONFIG_X\n{opens}{closes}#endif\n")
    toy.object("caller", "int g(void) { return closes(); }\n", "include/odd.h")
    assert toy.affected() == {"caller.o"}


def test_braces_in_literals_hide_no_function(toy: Toy) -> None:
    braces = (
        "#ifdef CONFIG_X\n"
        "static inline int opens(char c) { return c == '{'; }\n"
        "static inline int closes(char c) { return c == '}'; }\n"
        "#endif\n"
    )
    toy.write("include/braces.h", braces)
    toy.object("caller", "int f(void) { return closes('x'); }\n", "include/braces.h")
    assert toy.affected() == {"caller.o"}


def test_an_attribute_with_arguments_does_not_hide_the_name_of_the_function(toy: Toy) -> None:
    toy.write(
        "include/attribute.h", "#ifdef CONFIG_X\nstatic inline __printf(1, 2) int say(char *f) { return 0; }\n#endif\n"
    )
    toy.object("caller", 'int f(void) { return say("x"); }\n', "include/attribute.h")
    assert toy.affected() == {"caller.o"}


@pytest.mark.parametrize(
    "source",
    [
        'char *glob = "/*"; int f(void) { return special(1); } /* end */\n',
        'int f(void) { log("http://x", special(1)); }\n',
        "int f(void) { return '\"' + special(1) + '\"'; /* \" */ }\n",
        'char *s = "a\\"/*"; int f(void) { return special(1); } /* */\n',
    ],
)
def test_what_looks_like_a_comment_in_a_literal_hides_no_call(toy: Toy, source: str) -> None:
    toy.object("caller", source, "include/guarded.h")
    assert toy.affected() == {"caller.o"}


@pytest.mark.parametrize(
    "macro",
    ["#define test(l) l##cial(1)\n", "#define test(l) spe##l(1)\n", "#define test(a, long) s##a##long##ial(1)\n"],
)
def test_a_name_that_a_macro_may_paste_together_counts(toy: Toy, macro: str) -> None:
    toy.write("include/paste.h", macro)
    toy.object("caller", "int f(void) { return test(spe); }\n", "include/guarded.h", "include/paste.h")
    assert toy.affected() == {"caller.o"}


def test_a_header_that_a_patch_has_removed_proves_nothing(toy: Toy) -> None:
    toy.write("include/gone.h", "\n")
    toy.object("bystander", "int f(void) { return 0; }\n", "include/guarded.h", "include/gone.h")
    (toy.tree / "include/gone.h").unlink()
    assert toy.affected() == {"bystander.o"}


def test_a_source_that_a_patch_has_removed_proves_nothing(toy: Toy) -> None:
    toy.object("bystander", "int f(void) { return 0; }\n", "include/guarded.h")
    (toy.tree / "bystander.c").unlink()
    assert toy.affected() == {"bystander.o"}


@pytest.mark.parametrize("cut", ["source_", "deps_"])
def test_a_record_that_is_not_understood_proves_nothing(toy: Toy, cut: str) -> None:
    target = toy.object("bystander", "int f(void) { return 0; }\n", "include/guarded.h")
    record = target.with_name(".bystander.o.cmd")
    record.write_text(record.read_text().replace(f"{cut}bystander.o :=", "other :="))
    assert toy.affected() == {"bystander.o"}


def test_objects_that_do_not_record_the_option_are_not_looked_at(toy: Toy) -> None:
    toy.object("stranger", "int f(void) { return special(1); }\n", "include/guarded.h", options=("X_LONGER", "Y"))
    assert toy.affected() == set()


def test_a_longer_option_name_is_not_the_option(toy: Toy) -> None:
    names = guarded_names("#ifdef CONFIG_XY\nextern int v;\n#endif\n" + GUARDED, FLIPPED)
    assert names in (None, frozenset({"special"}))


def test_two_flipped_options_are_judged_together() -> None:
    text = "#ifdef CONFIG_A\nstatic inline int a(void) { return 0; }\n#endif\n#ifdef CONFIG_B\n#define B a()\n#endif\n"
    assert guarded_names(text, frozenset({"A", "B"})) == frozenset({"a", "B"})


def test_a_record_names_the_files_without_makefile_syntax(toy: Toy) -> None:
    target = toy.object("bystander", "\n", "include/guarded.h")
    record = read_record(target.with_name(".bystander.o.cmd"), FLIPPED)
    assert record is not None
    assert record.target == target
    assert record.source == "../bystander.c"
    assert record.files == ("../include/kconfig.h", "../include/guarded.h")


def flip(toy: Toy, *names: str) -> None:
    """Change the markers of options as ``make syncconfig`` does."""
    for name in names:
        (toy.build / "include/config" / name).touch()


@pytest.fixture
def marked(toy: Toy) -> Toy:
    config = toy.build / "include/config"
    config.mkdir(parents=True)
    for name in ("X", "SMP", "auto.conf"):
        (config / name).touch()
        os.utime(config / name, ns=(10**18, 10**18))
    return toy


def test_the_marker_goes_back_and_only_the_affected_objects_are_removed(marked: Toy) -> None:
    caller = marked.object("caller", "int f(void) { return special(1); }\n", "include/guarded.h")
    bystander = marked.object("bystander", "int g(void) { return 0; }\n", "include/guarded.h")
    with spare_untouched(marked.tree):
        flip(marked, "X")
    assert (marked.build / "include/config/X").stat().st_mtime_ns == 10**18
    assert not caller.exists()
    assert bystander.exists()


def test_where_nothing_is_spared_make_decides_by_itself(marked: Toy) -> None:
    caller = marked.object("caller", "int f(void) { return special(1); }\n", "include/guarded.h")
    with spare_untouched(marked.tree):
        flip(marked, "X")
    assert (marked.build / "include/config/X").stat().st_mtime_ns > 10**18
    assert caller.exists()


def test_the_marker_of_a_new_option_is_older_than_the_spared_objects(marked: Toy) -> None:
    bystander = marked.object("bystander", "int g(void) { return 0; }\n", "include/guarded.h")
    (marked.build / "include/config/X").unlink()
    with spare_untouched(marked.tree):
        flip(marked, "X")
    assert (marked.build / "include/config/X").stat().st_mtime_ns < bystander.stat().st_mtime_ns


def test_generated_files_beside_the_markers_are_left_alone(marked: Toy) -> None:
    marked.object("bystander", "int g(void) { return 0; }\n", "include/guarded.h")
    with spare_untouched(marked.tree):
        flip(marked, "X", "auto.conf")
    assert (marked.build / "include/config/auto.conf").stat().st_mtime_ns > 10**18


def test_an_affected_object_that_is_not_there_is_no_problem(marked: Toy) -> None:
    marked.object("caller", "int f(void) { return special(1); }\n", "include/guarded.h").unlink()
    marked.object("bystander", "int g(void) { return 0; }\n", "include/guarded.h")
    with spare_untouched(marked.tree):
        flip(marked, "X")
    assert not (marked.build / "caller.o").exists()
    shutil.rmtree(marked.tree)


LINES = st.lists(
    st.sampled_from(["#if CONFIG_X", "#ifdef CONFIG_X", "#ifdef Y", "#elif CONFIG_X", "#else", "#endif", "int a;", ""])
    | st.text(alphabet=st.characters(exclude_characters="\n"), max_size=8)
)


@given(LINES)
def test_inside_and_outside_partition_the_lines_of_any_text(lines: list[str]) -> None:
    inside, outside = split_guarded("\n".join(lines), FLIPPED)
    parts = [*inside.split("\n"), *outside.split("\n")]
    assert sorted(filter(None, parts)) == sorted(filter(None, lines))


@given(LINES)
def test_no_text_outside_of_a_region_names_the_option_in_a_directive_of_its_own(lines: list[str]) -> None:
    outside = split_guarded("\n".join(lines), FLIPPED)[1].split("\n")
    assert not {"#if CONFIG_X", "#ifdef CONFIG_X"}.intersection(outside)


@given(st.text(st.sampled_from("abc*/ \n\\x'")).filter(lambda text: "*/" not in text))
def test_the_code_behind_a_comment_is_kept(text: str) -> None:
    comment = f"/* {text} */"
    assert strip_comments(f"int code; {comment} int more;") == "int code;   int more;"


@given(st.text(st.sampled_from("abc*/ ")))
def test_a_string_is_kept_as_it_is(text: str) -> None:
    assert strip_comments(f'f("{text}", code);') == f'f("{text}", code);'
