# SPDX-License-Identifier: GPL-2.0-only
"""The script reproduce.sh, which rebuilds a kernel without orch and compares the image.

It is beside the configuration and the patches.  It does what orch does to a tree that is built from nothing.  orch
itself may have built the kernel in a clone of another tree (see `kernel.build.builder`), or taken objects from ccache.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.host.base import Host
from orchestrator.kernel.cache.files import PROVENANCE
from orchestrator.kernel.make import debug_environment, irreproducible_because, make_environment, make_variables
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Patch, Prebuilt, Recipe
from orchestrator.kernel.reproduce.prebuilt import prebuilt_script
from orchestrator.kernel.reproduce.shell import HEAD, assignments, comment, default_directory
from orchestrator.kernel.reproduce.source import DIFFERENCE, Part, source_part
from orchestrator.kernel.source.public import Base, base_of, write_difference

SCRIPT = "reproduce.sh"
"""The name of the script."""


def keep_script(host: Host, build: KernelBuild, recipe: AnyRecipe, directory: Path) -> None:
    """Write the script for `build`, and its further inputs, to `directory`.

    The configuration and the patches are in `directory` already.  Raises CommandError if git fails.
    """
    facts = json.loads((build.directory / PROVENANCE).read_text())
    digest = image_digest(build, facts)
    if isinstance(recipe, Prebuilt):
        text = prebuilt_script(recipe, digest, facts)
    else:
        base = base_of(host, recipe.source.git) if recipe.source.git else None
        if base and base.differs and recipe.source.git:
            write_difference(host, recipe.source.git, base, directory / DIFFERENCE)
        text = script(recipe, build, digest, base)
    place = directory / SCRIPT
    place.write_text(text)
    place.chmod(0o755)


def image_digest(build: KernelBuild, facts: Mapping[str, object]) -> str:
    """Return the recorded SHA-256, in hex, of the image of `build`.

    It is computed if there is no record, as in artifacts of earlier versions of orch.
    """
    files = facts.get("files")
    if isinstance(files, dict):
        return str(files[build.image.name]["sha256"])
    with build.image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def patch_name(number: int, patch: Patch) -> str:
    """Return the name, beside the script, of the patch with the number `number`, from 1."""
    return f"patches/{number:04}-{patch.path.name}"


_BUILD = r"""
# Another compiler or linker makes another image.
compare_tools() {
	answer=$("$compiler" --version | head -n 1)
	case $answer in "$compiler"*) ;; *) answer="$compiler ($answer)" ;; esac
	compare_tool "$compiler" "$answer" "$compiler_version"
	compare_tool "$linker" "$("$linker" --version | head -n 1)" "$linker_version"
	case $compiler in
	*gcc) case $("$compiler" -dumpmachine) in
		"$machine"-*) ;;
		*) fail "$compiler does not compile for $machine here; do this on such a machine" ;;
	esac ;;
	esac
}

compare_tool() { # PROGRAM HERE RECORDED
	[ "$2" = "$3" ] || warn "$1 is '$2' here, and was '$3': the image will differ"
}

warn() {
	echo "reproduce.sh: warning: $*" >&2
}

apply() { # PATCH SHA-256
	note "applying $1"
	verify "$here/$1" "$2"
	(cd "$directory/linux" && GIT_DIR=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null \
		git apply -p1 --whitespace=nowarn "$here/$1") || fail "$1 does not apply"
}

configure() {
	mkdir "$directory/linux/build"
	cp "$here/config" "$directory/linux/build/.config"
	run_make olddefconfig || fail "make olddefconfig failed: see $log"
	diff "$here/config" "$directory/linux/build/.config" >"$directory/config.diff" ||
		warn "here the configuration becomes another: see $directory/config.diff"
}

build() {
	jobs=${JOBS:-$(nproc)}
	note "building with $jobs jobs; the log is $log"
	run_make "-j$jobs" "$target" || {
		tail -n 20 "$log" >&2
		fail "the kernel does not build: see $log"
	}
}

compare_image() {
	got=$(digest "$directory/linux/build/$image")
	if [ "$got" = "$recorded" ]; then
		echo "identical: $got"
	else
		echo "different: $got, and was $recorded"
		exit 1
	fi
}
"""

_MAKE = r"""
# The image must not depend on the tree's directory, the user, the time or the environment.
run_make() { # MAKE'S ARGUMENTS
	env -i PATH="$PATH" HOME="${HOME:-/}" TMPDIR="${TMPDIR:-/tmp}" ${CCACHE_DIR:+"CCACHE_DIR=$CCACHE_DIR"} \
		%s \
		make -C "$directory/linux" O=build %s "$@" >>"$log" 2>&1
}
"""

_TREE = "$directory/linux"
_PROGRAMS = ("make", "flex", "bison", "bc", "sha256sum", "git")


def script(recipe: Recipe, build: KernelBuild, digest: str, base: Base | None = None) -> str:
    """Return the script that rebuilds `build`, whose recipe is `recipe`.

    The image of `build` has the SHA-256 `digest`.  `base` is the starting commit if the source is in git.
    """
    toolchain, arch = recipe.toolchain, recipe.toolchain.arch
    part = source_part(recipe.source, base)
    names = [patch_name(number, patch) for number, patch in enumerate(recipe.patches, 1)]
    image = ARCHES[arch].image
    values = assignments(
        compiler=toolchain.program,
        compiler_version=toolchain.compiler,
        linker=_linker(toolchain.program),
        linker_version=toolchain.linker,
        machine=ARCHES[arch].machine,
        image=image,
        target=Path(image).name,
        recorded=digest,
    )
    config = build.config.read_text()
    title = f"Rebuild the kernel '{recipe.name}' (Linux {build.version}), and compare the image with the one booted."
    variables = shlex.join(make_variables(toolchain, recipe.request))
    return "\n".join(
        (
            comment(title, *_header_notes(recipe, part, names, config)),
            values + HEAD + part.shell + _BUILD + _MAKE % (_settings(build.key, config), variables),
            _steps(recipe, hashlib.sha256(config.encode()).hexdigest(), names, part),
        )
    )


def _settings(key: str, config: str) -> str:
    """Return make's environment as shell.

    The script expands the directory, which is known only when it runs.
    """
    fixed = [f"{name}={shlex.quote(value)}" for name, value in make_environment(key).items()]
    return " ".join([*fixed, *(f'{name}="{value}"' for name, value in debug_environment(_TREE, config).items())])


def _linker(compiler: str) -> str:
    if compiler.startswith("clang"):
        return f"ld.lld{compiler.removeprefix('clang')}"
    return f"{compiler.removesuffix('gcc')}ld"


def _header_notes(recipe: Recipe, part: Part, names: Iterable[str], config: str) -> tuple[str, ...]:
    """Return the notes for the script's head: the inputs, and possible differences between machines."""
    return (
        *(f"The image will be DIFFERENT: {why}" for why in irreproducible_because(config)),
        *(("Modules were built, too; they are not compared.",) if recipe.modules else ()),
        *part.notes,
        f"From beside this script: {', '.join(['config', *names])}.",
        "",
        "DIRECTORY is a new one to build in.  JOBS is how many jobs make runs.  Another compiler or linker than the",
        "recorded one makes another image; ccache, other directories, users, days and numbers of jobs do not.",
        "Exit status: 0 the image is identical, 1 it is different, 2 something is missing.",
    )


def _steps(recipe: Recipe, config: str, names: Iterable[str], part: Part) -> str:
    programs = (*_PROGRAMS, recipe.toolchain.program, _linker(recipe.toolchain.program), *part.programs)
    applied = zip(names, recipe.patches, strict=True)
    lines = (
        f"need {shlex.join(dict.fromkeys(programs))}",
        "compare_tools",
        f'verify "$here/config" {config}',
        f'make_directory "${{1:-{default_directory(recipe.name)}}}"',
        "log=$directory/build.log",
        "get_source",
        *(f"apply {shlex.quote(name)} {hashlib.sha256(patch.data).hexdigest()}" for name, patch in applied),
        "configure",
        "build",
        "compare_image",
    )
    return "".join(f"{line}\n" for line in lines)
