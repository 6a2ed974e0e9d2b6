# SPDX-License-Identifier: GPL-2.0-only
"""The scripts that rebuild a kernel, run for real.

Each kind of source is fetched, and the toy kernel is built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.make import debug_environment
from orchestrator.kernel.model import KernelBuild, Patch, Prebuilt, Recipe, SourceTree, Toolchain
from orchestrator.kernel.patch.series import read_series
from orchestrator.kernel.reproduce.prebuilt import prebuilt_script
from orchestrator.kernel.reproduce.script import script
from orchestrator.kernel.source.fetch import fetch, unpack
from orchestrator.kernel.source.public import Base, base_of, without_secret
from orchestrator.kernel.toolchain import detect
from orchestrator.run.build_job import keep_build_files
from orchestrator.scenario.sources import BuiltSource, DebianSource, GitSource, TarballSource, TreeSource

TOY = Path(__file__).parents[2] / "data/toy-kernel"
TOOLS = detect(LocalHost())
ALIGN = """\
diff --git a/mm/mmap.c b/mm/mmap.c
--- a/mm/mmap.c
+++ b/mm/mmap.c
@@ -4,3 +4,3 @@
 {
-\treturn special(entry);
+\treturn special(entry) | align;
 }
"""
HARD_WORDS = "its $(touch gone) \"name\" 'quoted'"


def git(directory: Path, *argv: str) -> str:
    """Return git's output in `directory`."""
    who = ("-c", "user.name=A. Developer", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *argv], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Place:
    """A cache with one built kernel, whose files are kept like a run's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.linux = root / "linux"
        shutil.copytree(TOY, self.linux)
        self.kept = root / "kept"
        self.host = LocalHost()
        self.cache = KernelCache(root / "cache")

    def commit(self, form: str = "sha1") -> str:
        """Commit the whole source to a git repository with this object format."""
        if not (self.linux / ".git").exists():
            git(self.linux, "init", "-q", f"--object-format={form}")
        git(self.linux, "add", "-A")
        git(self.linux, "commit", "-q", "-m", "toy")
        return git(self.linux, "rev-parse", "HEAD")

    def build(self, source: BuiltSource, *patches: str, toolchain: Toolchain = TOOLS) -> KernelBuild:
        """Build a kernel from `source` with patches of these texts, and keep its files."""
        tree = fetch(self.host, self.cache.root, source, where="s.yaml:3", emit=ignore)
        return self.build_tree(tree, *patches, toolchain=toolchain)

    def build_tree(self, tree: SourceTree, *patches: str, toolchain: Toolchain = TOOLS) -> KernelBuild:
        """Do the same as `build`, from a fetched source."""
        recipe = Recipe("toy", "s.yaml:3", tree, self.patches(*patches), "CONFIG_MMU=y\n", (), toolchain)
        build = Builder(self.host, self.cache, 2, ignore).build(recipe)
        self.kept.mkdir(exist_ok=True)
        keep_build_files(self.host, build, recipe, self.kept)
        return build

    def patches(self, *texts: str) -> tuple[Patch, ...]:
        """Make patch files with these texts."""
        files: list[Patch] = []
        for number, text in enumerate(texts):
            (self.root / f"{number} of mine.patch").write_text(text)
            files += read_series(LocalHost(), self.root / f"{number} of mine.patch")
        return tuple(files)

    def reproduce(self, **environment: str) -> tuple[int, str]:
        """Move the kept files elsewhere, and run the script there as any user would."""
        elsewhere = self.root / "else where"
        if not elsewhere.exists():
            self.kept.rename(elsewhere)
        done = subprocess.run(
            ["sh", str(elsewhere / "reproduce.sh"), str(self.root / "again")],
            env=dict(os.environ) | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    @property
    def text(self) -> str:
        """The text of the script."""
        return (self.kept / "reproduce.sh").read_text()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def identical(build: KernelBuild, answer: tuple[int, str]) -> bool:
    """Return whether the script reported an image identical to that of `build`."""
    digest = json.loads((build.directory / "provenance.json").read_text())["files"]["vmlinux"]["sha256"]
    assert answer[0] == 0, answer[1]
    return answer[1].splitlines()[-1] == f"identical: {digest}"


def test_a_commit_is_fetched_from_its_repository(place: Place) -> None:
    commit = place.commit()
    build = place.build(GitSource(str(place.linux), "main"), ALIGN)
    assert f"commit {commit} of {place.linux}, which is NOT public" in place.text
    (place.linux / "mm/mmap.c").write_text("later\n")
    place.commit()
    shutil.rmtree(place.cache.root / "git")
    assert identical(build, place.reproduce())
    assert "| align" in (place.root / "again/linux/mm/mmap.c").read_text()


@pytest.mark.parametrize("changed", [False, True])
def test_a_commit_of_a_sha256_repository_is_fetched(place: Place, changed: bool) -> None:
    place.commit("sha256")
    if changed:
        (place.linux / "mm/more.c").write_text("more\n")
    build = place.build(TreeSource(place.linux) if changed else GitSource(str(place.linux), "main"), ALIGN)
    assert identical(build, place.reproduce())


def test_a_commit_that_is_not_there_is_asked_for(place: Place) -> None:
    place.commit()
    build = place.build(GitSource(str(place.linux), "main"))
    copy = place.linux.rename(place.root / "copy")
    status, output = place.reproduce()
    assert (status, output.splitlines()[-1]) == (
        2,
        f"reproduce.sh: {place.linux}, which is not public, is not here; set SOURCE_GIT to a copy of it",
    )
    shutil.rmtree(place.root / "again")
    assert identical(build, place.reproduce(SOURCE_GIT=str(copy)))


def test_changes_that_were_not_committed_are_kept_beside_the_script(place: Place) -> None:
    place.commit()
    (place.linux / "mm/mmap.c").write_text("int uncommitted;\n")
    (place.linux / "mm/binary").write_bytes(bytes(range(256)))
    (place.linux / "mm/latin").write_bytes(b"gr\xfc\xdfe\n")
    build = place.build(TreeSource(place.linux))
    assert "uncommitted" in build.image.read_text()
    assert "+int uncommitted;" in (place.kept / "source.patch").read_text(errors="replace")
    git(place.linux, "reset", "-q", "--hard")
    shutil.rmtree(place.cache.root / "git")
    assert identical(build, place.reproduce())
    assert (place.root / "again/linux/mm/latin").read_bytes() == b"gr\xfc\xdfe\n"
    assert (place.root / "again/linux/mm/binary").read_bytes() == bytes(range(256))


def test_the_nearest_commit_that_a_remote_has_is_the_public_one(place: Place, tmp_path: Path) -> None:
    public = place.commit()
    git(place.linux, "remote", "add", "upstream", "https://me:secret@example.org/linux.git")
    git(place.linux, "update-ref", "refs/remotes/upstream/master", "HEAD")
    git(place.linux, "remote", "add", "backup", "/srv/backup.git")
    (place.linux / "mm/mmap.c").write_text("int mine;\n")
    commit = place.commit()
    git(place.linux, "update-ref", "refs/remotes/backup/master", "HEAD")
    place.build(GitSource(str(place.linux), "main"))
    assert f"commit {public} of https://example.org/linux.git, which is fetched from there" in place.text
    assert "secret" not in place.text
    assert "+int mine;" in (place.kept / "source.patch").read_text()
    facts = json.loads((place.kept / "provenance.json").read_text())["source"]
    assert (facts["kind"], facts["repository"], facts["ref"], facts["commit"]) == (
        "git",
        str(place.linux),
        "main",
        commit,
    )
    # The address leads nowhere here; a copy has the same commit, and the difference makes the same tree of it.
    bare = tmp_path / "bare.git"
    git(place.linux, "clone", "-q", "--bare", str(place.linux), str(bare))
    assert place.reproduce(SOURCE_GIT=str(bare))[1].splitlines()[-1].startswith("identical: ")


def test_a_remote_that_has_the_commit_itself_needs_no_difference(place: Place) -> None:
    commit = place.commit()
    git(place.linux, "remote", "add", "origin", "git@example.org:linux.git")
    git(place.linux, "update-ref", "refs/remotes/origin/main", "HEAD")
    tree = fetch(place.host, place.cache.root, GitSource(str(place.linux), "main"), where="", emit=ignore)
    assert tree.git
    assert base_of(place.host, tree.git) == Base("git@example.org:linux.git", commit, differs=False)


def test_another_tree_than_the_recorded_one_is_refused(place: Place) -> None:
    place.commit()
    (place.linux / "mm/mmap.c").write_text("int uncommitted;\n")
    place.build(TreeSource(place.linux))
    patch = place.kept / "source.patch"
    patch.write_text(patch.read_text().replace("int uncommitted", "int forged"))
    status, output = place.reproduce()
    assert status == 2
    assert "gives another source than the git tree" in output or "source.patch does not apply" in output


def test_a_plain_directory_is_known_again_by_its_content(place: Place) -> None:
    (place.linux / ".gitignore").write_text("*\n")
    build = place.build(TreeSource(place.linux))
    assert "which is NOT public" in place.text
    copy = place.linux.rename(place.root / "copy")
    assert identical(build, place.reproduce(SOURCE_TREE=str(copy)))
    shutil.rmtree(place.root / "again")
    (copy / "mm/mmap.c").write_text("edited\n")
    status, output = place.reproduce(SOURCE_TREE=str(copy))
    assert (status, "gives another source than the git tree" in output) == (2, True)


def test_a_tarball_is_known_again_by_its_sum(place: Place) -> None:
    tarball = place.root / "linux.tar.gz"
    subprocess.run(["tar", "-czf", str(tarball), "-C", str(place.root), "linux"], check=True)
    build = place.build(TarballSource(str(tarball)))
    facts = json.loads((place.kept / "provenance.json").read_text())["source"]
    assert (facts["kind"], facts["location"]) == ("tarball", str(tarball))
    moved = tarball.rename(place.root / "moved.tar.gz")
    assert place.reproduce() == (
        2,
        f"reproduce.sh: {tarball}, which is not public, is not here; set SOURCE_TARBALL to a copy of it\n",
    )
    shutil.rmtree(place.root / "again")
    assert identical(build, place.reproduce(SOURCE_TARBALL=str(moved)))
    shutil.rmtree(place.root / "again")
    moved.write_bytes(b"another")
    status, output = place.reproduce(SOURCE_TARBALL=str(moved))
    assert (status, "is not what was recorded: its SHA-256 is " in output) == (2, True)


def a_package(place: Place) -> Path:
    """Make a package like Debian's linux-source packages, with the toy kernel."""
    root = place.root / "package"
    (root / "usr/src").mkdir(parents=True)
    (root / "DEBIAN").mkdir()
    control = (
        "Package: linux-source-7.3\nVersion: 7.3.4-1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: toy\n"
    )
    (root / "DEBIAN/control").write_text(control)
    (place.root / "linux-source-7.3").symlink_to(place.linux)
    tarball = root / "usr/src/linux-source-7.3.tar.xz"
    subprocess.run(["tar", "-cJhf", str(tarball), "-C", str(place.root), "linux-source-7.3"], check=True)
    subprocess.run(["dpkg-deb", "--build", "-Znone", str(root), str(place.root)], check=True, capture_output=True)
    return next(place.root.glob("*.deb"))


def test_a_package_is_known_again_by_its_sum(place: Place) -> None:
    deb = a_package(place)
    unpack(place.host, deb, place.cache.root / "sources/toy")
    named = DebianSource("linux-source-7.3", "trixie-backports", "7.3.4-1")
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    build = place.build_tree(SourceTree(digest, "toy", place.cache.root / "sources/toy", named=named), ALIGN)
    facts = json.loads((place.kept / "provenance.json").read_text())["source"]
    assert facts == {
        "name": "toy",
        "sha256": digest,
        "kind": "debian",
        "package": "linux-source-7.3",
        "version": "7.3.4-1",
        "suite": "trixie-backports",
    }
    assert identical(build, place.reproduce(SOURCE_DEB=str(deb)))


def test_another_image_is_reported_as_different(place: Place) -> None:
    place.commit()
    build = place.build(GitSource(str(place.linux), "main"))
    forged = place.text.replace(f"KBUILD_BUILD_VERSION={build.key[:12]}", "KBUILD_BUILD_VERSION=forged")
    (place.kept / "reproduce.sh").write_text(forged)
    status, output = place.reproduce()
    assert (status, output.splitlines()[-1].startswith("different: ")) == (1, True)


def test_a_patch_or_configuration_that_was_edited_is_refused(place: Place) -> None:
    place.commit()
    place.build(GitSource(str(place.linux), "main"), ALIGN)
    patch = next((place.kept / "patches").iterdir())
    patch.write_text(ALIGN.replace("align", "other"))
    status, output = place.reproduce()
    assert (status, "0001-0 of mine.patch is not what was recorded" in output) == (2, True)
    (place.root / "else where/config").write_text("CONFIG_MMU=n\n")
    status, output = place.reproduce()
    assert (status, "config is not what was recorded" in output) == (2, True)


def test_another_compiler_is_warned_of(place: Place) -> None:
    place.commit()
    older = replace(TOOLS, compiler="gcc (Debian 1.0) 1.0")
    build = place.build(GitSource(str(place.linux), "main"), toolchain=older)
    answer = place.reproduce()
    assert identical(build, answer), "the toy compiler is another one, and the same"
    warned = f"reproduce.sh: warning: gcc is '{TOOLS.compiler}' here, and was 'gcc (Debian 1.0) 1.0'"
    assert f"{warned}: the image will differ" in answer[1]


def test_what_the_environment_says_does_not_reach_make(place: Place) -> None:
    place.commit()
    build = place.build(GitSource(str(place.linux), "main"))
    strange = {
        "KBUILD_BUILD_VERSION": "strange",
        "MAKEFLAGS": "-n",
        "GIT_DIR": "/nowhere",
        "JOBS": "7",
        "TZ": "Asia/Tokyo",
    }
    assert identical(build, place.reproduce(**strange))


def test_a_directory_with_something_in_it_is_left_alone(place: Place) -> None:
    place.commit()
    place.build(GitSource(str(place.linux), "main"))
    (place.root / "again").mkdir()
    (place.root / "again/mine").touch()
    status, output = place.reproduce()
    assert (status, output) == (2, f"reproduce.sh: {place.root}/again is not empty; name a new directory\n")


def a_recipe(source: SourceTree, toolchain: Toolchain = TOOLS) -> Recipe:
    patch = Patch(Path(f"/p/{HARD_WORDS}"), ALIGN, ("mm/mmap.c",))
    return Recipe(HARD_WORDS, "s.yaml:3", source, (patch,), "", (), toolchain)


def a_build(directory: Path) -> KernelBuild:
    (directory / "config").write_text("CONFIG_A=y\n")
    return KernelBuild("toy", "k" * 64, directory, "7.3.4", 2, 1.0, False)


def of(named: BuiltSource | None) -> Callable[[Path], str]:
    return lambda place: script(
        a_recipe(SourceTree("5" * 64, "linux 7.3", place, named=named)), a_build(place), "d" * 64
    )


def cross(place: Path) -> str:
    source = SourceTree("5" * 64, "linux 7.3", place)
    tools = Toolchain("aarch64-linux-gnu-gcc (Debian 12) 12", "GNU ld 2.40", "arm64")
    return script(a_recipe(source, tools), a_build(place), "d" * 64)


def clang(place: Path) -> str:
    source = SourceTree("5" * 64, "linux 7.3", place)
    tools = Toolchain("clang-19 (Debian clang version 19.1)", "Debian LLD 19.1", "x86_64")
    return script(a_recipe(source, tools), a_build(place), "d" * 64)


def packages(place: Path) -> str:
    listed = [{"name": "linux-image-7.3", "version": "7.3.4-1", "sha256": "5" * 64}]
    facts = {"suite": "trixie-backports", "packages": listed}
    return prebuilt_script(Prebuilt(HARD_WORDS, "", "5" * 64, "7.3.4\nrm -rf /", place), "d" * 64, facts)


def image(place: Path) -> str:
    return prebuilt_script(Prebuilt(HARD_WORDS, "", "5" * 64, "7.3.4\nexit 0", place), "d" * 64, {})


KINDS = {
    "debian": of(DebianSource("linux-source-7.3", "trixie-backports", "7.3.4-1")),
    "tarball": of(TarballSource("https://example.org/linux-7.3.tar.xz", "5" * 64)),
    "unknown": of(None),
    "cross": cross,
    "clang": clang,
    "packages": packages,
    "image": image,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_script_is_posix_shell(kind: str, tmp_path: Path) -> None:
    text = KINDS[kind](tmp_path)
    for shell in ("dash", "bash --posix"):
        done = subprocess.run([*shell.split(), "-n"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    code = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    assert "debian.org" not in code
    assert str(tmp_path) not in code


STUBS = """
for name in need compare_tools verify make_directory get_source configure build compare_image use_apt get compare_config
do
	eval "$name() { :; }"
done
directory=.
apply() { printf '%s\\n' "$1"; }
"""


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_never_taken_for_shell(kind: str, tmp_path: Path) -> None:
    text = KINDS[kind](tmp_path).replace("\nneed ", f"{STUBS}\nneed ")
    done = subprocess.run(["sh"], input=text, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not (tmp_path / "gone").exists()
    if kind not in ("packages", "image"):
        assert done.stdout == f"patches/0001-{HARD_WORDS}\n"


def test_an_image_is_nothing_to_rebuild(tmp_path: Path) -> None:
    done = subprocess.run(["sh"], input=image(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "was not built by orch. There is nothing to rebuild." in done.stderr


def test_make_gets_the_compiler_and_the_linker_is_its_own(tmp_path: Path) -> None:
    assert "O=build ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- " in cross(tmp_path)
    assert "\nlinker=aarch64-linux-gnu-ld\n" in cross(tmp_path)
    assert "O=build ARCH=x86_64 LLVM=-19 " in clang(tmp_path)
    assert "\nlinker=ld.lld-19\n" in clang(tmp_path)


@pytest.mark.parametrize("option", ["MODULE_SIG", "RANDSTRUCT"])
def test_what_no_build_can_repeat_is_reported_beforehand(option: str, tmp_path: Path) -> None:
    recipe, build = a_recipe(SourceTree("5" * 64, "linux 7.3", tmp_path)), a_build(tmp_path)
    assert "DIFFERENT" not in script(recipe, build, "d" * 64)
    build.config.write_text(f"CONFIG_{option}=y\n")
    assert f"# The image will be DIFFERENT: CONFIG_{option} " in script(recipe, build, "d" * 64)


def compile_there(directory: Path, *flags: str) -> bytes:
    """Compile an object with debugging information from the same source in `directory`."""
    (directory / "build").mkdir(parents=True)
    (directory / "a.c").write_text("int a(int b) { return b + 1; }\n")
    argv = ["gcc", "-g", *flags, "-c", "-o", "a.o", "../a.c"]
    subprocess.run(argv, cwd=directory / "build", check=True)
    return (directory / "build/a.o").read_bytes()


def test_debugging_information_does_not_say_where_it_was_made(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "another place"
    config = "CONFIG_DEBUG_INFO=y\n"
    flags = [debug_environment(str(place), config)["KCFLAGS"] for place in (one, two)]
    assert compile_there(one, flags[0]) == compile_there(two, flags[1])
    assert compile_there(tmp_path / "plain") != compile_there(tmp_path / "plainly")
    assert debug_environment(str(one), "# CONFIG_DEBUG_INFO is not set\n") == {}
    recipe, build = a_recipe(SourceTree("5" * 64, "linux 7.3", tmp_path)), a_build(tmp_path)
    build.config.write_text(config)
    assert 'KCFLAGS="-fdebug-prefix-map=$directory/linux=/linux"' in script(recipe, build, "d" * 64)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://token@example.org/linux.git", "https://example.org/linux.git"),
        ("https://me:secret@example.org/linux.git", "https://example.org/linux.git"),
        ("ssh://git:secret@example.org/linux.git", "ssh://git@example.org/linux.git"),
        ("git@example.org:linux.git", "git@example.org:linux.git"),
        ("/home/me@work/linux", "/home/me@work/linux"),
    ],
)
def test_no_password_is_written_down(location: str, shown: str) -> None:
    assert without_secret(location) == shown
