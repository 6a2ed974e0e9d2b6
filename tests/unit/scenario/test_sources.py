# SPDX-License-Identifier: GPL-2.0-only
"""Sources and patches of kernels: their values, and the messages about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.scenario.model import Kernel
from orchestrator.scenario.resolve.files import is_address, place
from orchestrator.scenario.schema.json import json_schema
from orchestrator.scenario.sources import (
    DebianImageSource,
    DebianSource,
    GitRange,
    GitSource,
    ImageSource,
    Message,
    PatchSource,
    Revert,
    Source,
    TarballSource,
    TreeSource,
)
from tests.unit.scenario.schema.test_schema import accepts, loads
from tests.unit.scenario.test_load import SMALL, load_text, small
from tests.unit.scenario.validate.test_problems import problems

DIGEST = "0123456789abcdef" * 4
DEBIAN = "{debian: linux-source-6.12, suite: trixie}"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios/modules").mkdir(parents=True)
    for name in ("linux.tar.xz", "bzImage", "thread.mbox", "one.patch", "stock.config"):
        (tmp_path / "scenarios" / name).touch()


def sourced(source: str, kernel: str = "", workload: str = "") -> str:
    """Return the small scenario with another source, and more keys of its kernel."""
    return small(kernel, workload).replace(DEBIAN, source)


def patched(patches: str, source: str = "{git: .}") -> str:
    """Return the small scenario with a source that has a history, and patches."""
    return sourced(source, f"patches: {patches}")


def extended(source: str, child: str) -> str:
    """Return the small scenario with another source, and a kernel that extends the first one."""
    return sourced(source).replace("workloads:", f"  b: {{extends: base, {child}}}\nworkloads:")


def kernel(text: str) -> Kernel:
    return load_text(Path.cwd(), text).kernels[0]


SOURCES: list[tuple[str, Source]] = [
    (DEBIAN, DebianSource("linux-source-6.12", "trixie")),
    ("{git: .}", GitSource("{here}", "HEAD")),
    ("{git: ../scenarios, ref: topic~3}", GitSource("{here}/../scenarios", "topic~3")),
    ("{git: 'https://example.org/linux.git', ref: v7.3}", GitSource("https://example.org/linux.git", "v7.3")),
    ("{git: 'git@example.org:linux.git'}", GitSource("git@example.org:linux.git", "HEAD")),
    ("{tree: modules}", TreeSource(Path("{here}/modules"))),
    ("{tarball: linux.tar.xz}", TarballSource("{here}/linux.tar.xz")),
    (f"{{tarball: linux.tar.xz, sha256: {DIGEST.upper()}}}", TarballSource("{here}/linux.tar.xz", DIGEST)),
    (
        f"{{tarball: 'https://example.org/linux.tar.xz', sha256: {DIGEST}}}",
        TarballSource("https://example.org/linux.tar.xz", DIGEST),
    ),
    ("{image: bzImage}", ImageSource(Path("{here}/bzImage"))),
    (
        "{image: modules, modules: modules, config: stock.config}",
        ImageSource(Path("{here}/modules"), Path("{here}/modules"), Path("{here}/stock.config")),
    ),
    ("{debian-image: linux-image-amd64, suite: sid}", DebianImageSource("linux-image-amd64", "sid")),
    (
        "{debian-image: linux-binary-unsigned-7.3.4+deb13-amd64, suite: sid}",
        DebianImageSource("linux-binary-unsigned-7.3.4+deb13-amd64", "sid"),
    ),
    (
        "{debian-image: linux-image-amd64, suite: sid, version: 7.3.4-1}",
        DebianImageSource("linux-image-amd64", "sid", "7.3.4-1"),
    ),
]

PATCHES: list[tuple[str, tuple[PatchSource, ...]]] = [
    ("{range: v7.3..topic}", (GitRange("v7.3..topic"),)),
    ("[{range: A..B, git: .}, {revert: 0123abc}]", (GitRange("A..B", "{here}"), Revert("0123abc"))),
    ("{range: A..B, git: 'https://example.org/x'}", (GitRange("A..B", "https://example.org/x"),)),
    ("{message: <a-1@b.c>}", (Message("a-1@b.c"),)),
    ("{message: a-1@b.c, version: 2, mbox: thread.mbox}", (Message("a-1@b.c", 2, Path("{here}/thread.mbox")),)),
    ("[one.patch, {file: thread.mbox}]", (Path("{here}/one.patch"), Path("{here}/thread.mbox"))),
]


def at_home(value: object) -> str:
    """Return a value with {here} replaced by the scenario's directory."""
    return repr(value).replace("{here}", str(Path.cwd() / "scenarios"))


@pytest.mark.parametrize(("given", "expected"), SOURCES)
def test_a_source_is_what_it_says(given: str, expected: Source) -> None:
    assert repr(kernel(sourced(given)).source) == at_home(expected)


@pytest.mark.parametrize(("given", "expected"), PATCHES)
def test_a_patch_is_what_it_says(given: str, expected: tuple[PatchSource, ...]) -> None:
    assert repr(kernel(patched(given)).patches) == at_home(expected)


def test_a_home_directory_is_a_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kernel(sourced("{tree: ~/scenarios}")).source == TreeSource(tmp_path / "scenarios")
    assert place("~nobody-of-that-name/x", tmp_path) == tmp_path / "~nobody-of-that-name/x"


@pytest.mark.parametrize("text", ["https://a/b", "git@a:b", "host.example:linux", "file:///x", "ssh://a/b"])
def test_an_address_is_no_path(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("text", ["/a/b", "./a:b", "a/b:c", "~/linux", "linux", "a:b"])
def test_a_path_is_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize("source", ["{image: bzImage}", "{debian-image: linux-image-amd64, suite: sid}"])
def test_a_kernel_that_is_built_already_inherits_nothing_of_how_to_build_one(source: str) -> None:
    text = sourced("{git: .}", "config: guest\n    patches: {revert: abc}\n    options: {A: 1}")
    text = text.replace("workloads:", f"  stock: {{extends: base, source: {source}}}\nworkloads:")
    stock = load_text(Path.cwd(), text).kernel("stock")
    assert stock.prebuilt
    assert (stock.patches, stock.config, stock.options) == ((), (), ())
    assert not load_text(Path.cwd(), text).kernel("base").prebuilt


def test_arch_compiler_and_modules_are_inherited() -> None:
    text = sourced(DEBIAN, "arch: arm64\n    compiler: clang-16\n    modules: yes")
    text = text.replace("workloads:", "  b: {extends: base}\n  c: {extends: b, arch: x86_64, modules: no}\nworkloads:")
    found = load_text(Path.cwd(), text)
    settings = [(kernel.arch, kernel.compiler, kernel.modules) for kernel in found.kernels]
    assert settings == [("arm64", "clang-16", True), ("arm64", "clang-16", True), ("x86_64", "clang-16", False)]
    plain = kernel(SMALL)
    assert (plain.arch, plain.compiler, plain.modules) == ("x86_64", "gcc", False)


NO_PLACE = "paths go from the scenario's directory"
HISTORY = "needs a source with a history, and that of kernel 'base' is 'debian'; take it from 'git' or 'tree'"
MISTAKES = [
    # kinds
    (
        sourced("{}"),
        "6: the source of kernel 'base' has none of 'debian', 'git', 'tree', 'tarball', 'image' and 'debian-image'; "
        "add one of them",
    ),
    (
        sourced("{suite: trixie}"),
        "6: the source of kernel 'base' has none of 'debian', 'git', 'tree', 'tarball', 'image' and 'debian-image'; "
        "add one of them",
    ),
    (sourced("{gti: .}"), "6: unknown key 'gti' in the source of kernel 'base'; did you mean 'git'?"),
    (sourced("{git: ., tree: .}"), "6: the source of kernel 'base' has both 'git' and 'tree'; remove one of them"),
    (sourced("{tree: ., ref: topic}"), "6: 'ref' is for 'git'; remove it"),
    (sourced("{git: ., suite: sid}"), "6: 'suite' is for 'debian' and 'debian-image'; remove it"),
    (sourced("{debian: linux-source-6.12}"), "6: the source of kernel 'base' has no 'suite'; add it"),
    (sourced("{debian-image: linux-image-amd64}"), "6: the source of kernel 'base' has no 'suite'; add it"),
    (
        sourced("tree"),
        "6: the source of kernel 'base' must be a mapping with the keys debian, git, ref, tree, tarball, sha256, image"
        ", modules, config, debian-image, suite, version, not 'tree'",
    ),
    # values
    (
        sourced("{debian-image: linux, suite: sid}"),
        "6: 'debian-image' must be a Debian package such as linux-image-amd64, not 'linux'",
    ),
    (
        sourced("{tarball: linux.tar.xz, sha256: 123}"),
        "6: 'sha256' must be a SHA-256: 64 hexadecimal digits, not '123'",
    ),
    (
        sourced("{git: .}", "arch: arm"),
        "7: 'arch' must be one of x86_64, arm64, riscv64, not 'arm'; did you mean 'arm64'?",
    ),
    (
        sourced("{git: .}", "compiler: icc"),
        "7: 'compiler' must be gcc, clang, or a version of it such as clang-16, not 'icc'",
    ),
    (sourced("{git: .}", "modules: some"), "7: 'modules' must be yes or no, not 'some'"),
    # places
    (sourced("{git: ./linux}"), f"6: no directory 'scenarios/linux'; {NO_PLACE}"),
    (sourced("{tree: ../linux}"), f"6: no directory 'linux'; {NO_PLACE}"),
    (sourced("{tree: " + "x" * 300 + "}"), f"6: no directory 'scenarios/{'x' * 47}...'; {NO_PLACE}"),
    (sourced("{tree: bzImage}"), "6: 'scenarios/bzImage' is no directory; give it the path of one"),
    (sourced("{tarball: modules}"), "6: 'scenarios/modules' is no file; give it the path of one"),
    (sourced("{tarball: x.tar}"), f"6: no file 'scenarios/x.tar'; {NO_PLACE}"),
    (sourced("{image: x}"), f"6: no file 'scenarios/x'; {NO_PLACE}"),
    (sourced("{image: bzImage, modules: x}"), f"6: no directory 'scenarios/x'; {NO_PLACE}"),
    (sourced("{image: bzImage, config: x}"), f"6: no file 'scenarios/x'; {NO_PLACE}"),
    (sourced("{tree: 'https://a/b'}"), "6: 'https://a/b' is an address, and 'tree' needs a path"),
    (sourced("{image: 'https://a/b'}"), "6: 'https://a/b' is an address, and 'image' needs a path"),
    (
        sourced("{tarball: 'https://a/b'}"),
        "6: the tarball 'https://a/b' has no 'sha256'; add it, so that the download can be verified",
    ),
    # patches
    (
        patched("[{}]"),
        "7: a patch of kernel 'base' has none of 'file', 'range', 'revert' and 'message'; "
        "add one of them",
    ),
    (
        patched("{version: 2}"),
        "7: a patch of kernel 'base' has none of 'file', 'range', 'revert' and 'message'; "
        "add one of them",
    ),
    (
        patched("{range: A..B, revert: C}"),
        "7: a patch of kernel 'base' has both 'range' and 'revert'; remove one of them",
    ),
    (
        patched("[{message: a@b, revert: C}]"),
        "7: a patch of kernel 'base' has both 'revert' and 'message'; remove one of them",
    ),
    (patched("{revert: C, git: .}"), "7: 'git' is for 'range'; remove it"),
    (patched("[{revert: C, mbox: thread.mbox}]"), "7: 'mbox' is for 'message'; remove it"),
    (patched("{revret: C}"), "7: unknown key 'revret' in a patch of kernel 'base'; did you mean 'revert'?"),
    (patched("{range: A..B, git: ./x}"), f"7: no directory 'scenarios/x'; {NO_PLACE}"),
    (patched("{message: a@b, mbox: x.mbox}"), f"7: no file 'scenarios/x.mbox'; {NO_PLACE}"),
    (patched("{message: a@b, mbox: 'https://a/b'}"), "7: 'https://a/b' is an address, and 'mbox' needs a path"),
    (
        patched("{message: abc}"),
        "7: 'message' must be a message id such as 20240826204353.2228736-1-peterx@redhat.com, not 'abc'",
    ),
    (patched("{message: a@b, version: 0}"), "7: 'version' must be a number from 1 to 999, not '0'"),
    (patched("[{revert: C}, {revert: C}]"), "7: kernel 'base' applies 'C' twice; remove one of them"),
    (patched("{file: x.patch}"), f"7: no patch 'scenarios/x.patch'; {NO_PLACE}"),
    # histories
    (patched("{range: A..B}", DEBIAN), f"7: 'range' {HISTORY}, or name another repository with 'git'"),
    (patched("{revert: C}", DEBIAN), f"7: 'revert' {HISTORY}"),
    (
        extended("{git: .}", f"source: {DEBIAN}").replace("{git: .}", "{git: .}\n    patches: {revert: C}"),
        f"8: 'revert' {HISTORY.replace('base', 'b')}",
    ),
    # built already
    *(
        (
            sourced("{image: bzImage}", f"{key}: {value}"),
            f"7: '{key}' is for kernels that are built, and 'base' is booted as its 'image' is; remove it",
        )
        for key, value in {
            "patches": "mm-pud",
            "config": "guest",
            "options": "{A: 1}",
            "compiler": "gcc",
            "modules": "yes",
        }.items()
    ),
    (
        extended("{debian-image: linux-image-amd64, suite: sid}", "patches: mm-pud"),
        "7: 'patches' is for kernels that are built, and 'b' is booted as its 'debian-image' is; remove it",
    ),
    (
        sourced("{image: bzImage}").replace("run: alignment", "selftests: vfio"),
        "8: workload 'bar' builds the selftests from each kernel's source, and there is none of 'base'; "
        "remove one of them",
    ),
    (
        extended("{image: bzImage}", "arch: x86_64").replace("run: alignment", "selftests: vfio"),
        "9: workload 'bar' builds the selftests from each kernel's source, and there is none of 'base', 'b'; "
        "remove it, or them",
    ),
    # architectures
    (
        sourced("{git: .}", "arch: arm64") + "machine: {iommu: intel}\n",
        "10: the IOMMU 'intel' is for x86_64, and kernel 'base' is for arm64; remove it; each has its own",
    ),
    (
        extended("{git: .}", "arch: arm64") + "machine: {iommu: smmuv3}\n",
        "10: the IOMMU 'smmuv3' is for arm64, and kernel 'base' is for x86_64; remove it; each has its own",
    ),
    (
        extended("{git: .}", "arch: arm64") + "machine: {accelerator: kvm}\n",
        "10: 'kvm' runs x86_64 only, and kernel 'b' is for arm64; take 'auto', which emulates it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:70] for _, message in MISTAKES])
def test_one_mistake_is_one_problem(text: str, message: str) -> None:
    assert problems(text) == [message]


@pytest.mark.parametrize(
    ("arch", "iommu"), [("x86_64", "intel"), ("x86_64", "auto"), ("arm64", "smmuv3"), ("arm64", "auto")]
)
def test_an_iommu_of_the_kernels_architecture_is_right(arch: str, iommu: str) -> None:
    text = sourced("{git: .}", f"arch: {arch}") + f"machine: {{iommu: {iommu}, accelerator: tcg}}\n"
    assert load_text(Path.cwd(), text).machine.iommu == iommu


def test_a_kernel_that_has_a_source_of_its_own_has_a_history_of_its_own() -> None:
    text = extended(DEBIAN, "source: {git: .}, patches: [{revert: C}, {range: A..B}]")
    assert load_text(Path.cwd(), text).kernel("b").patches == (Revert("C"), GitRange("A..B"))


@pytest.mark.parametrize(
    "text",
    [
        *(sourced(given) for given, _ in SOURCES),
        *(patched(given) for given, _ in PATCHES),
        sourced("{git: ., ref: , tree: }"),
        sourced(DEBIAN, "arch: arm64\n    compiler: clang\n    modules: yes"),
        sourced(DEBIAN, "arch:\n    compiler:\n    modules:"),
        patched("[{revert: C, range: }, mm-pud]"),
    ],
)
def test_the_json_schema_accepts_what_loads(tmp_path: Path, text: str) -> None:
    assert loads(tmp_path, text)
    errors = [error.message for error in Draft202012Validator(json_schema()).iter_errors(yaml.safe_load(text))]
    assert not errors


@pytest.mark.parametrize(
    "text",
    [
        *(sourced(f"{{{keys}}}") for keys in ("", "suite: trixie", "gti: .", "git: ., tree: .", "tree: ., ref: topic")),
        *(sourced(f"{{{keys}}}") for keys in ("git: ., suite: sid", "debian: linux-source-6.12", "sha256: 123")),
        *(sourced(f"{{{keys}}}") for keys in ("debian-image: linux-image-amd64", "debian-image: linux, suite: sid")),
        sourced("tree"),
        sourced("[tree]"),
        sourced("{tree: ''}"),
        sourced("{tarball: linux.tar.xz, sha256: 123}"),
        *(sourced(DEBIAN, more) for more in ("arch: arm", "compiler: icc", "compiler: clang-123", "modules: some")),
        *(patched(keys) for keys in ("[{}]", "{version: 2}", "{range: A..B, revert: C}", "{revert: C, git: .}")),
        *(patched(keys) for keys in ("[{message: a@b, revert: C}]", "{revret: C}", "{message: abc}", "{revert: }")),
        *(patched(keys) for keys in ("{message: a@b, version: 0}", "{message: a@b, version: x}", "{range: ''}")),
        patched("[[mm-pud]]"),
    ],
)
def test_the_json_schema_rejects_what_does_not_load(tmp_path: Path, text: str) -> None:
    assert not loads(tmp_path, text)
    assert not accepts(text)
