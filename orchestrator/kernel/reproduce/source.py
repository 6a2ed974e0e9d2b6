# SPDX-License-Identifier: GPL-2.0-only
"""The shell code that puts each kind of source into "$directory/linux".

Everything that is fetched is verified by its record: the SHA-256 of a package or tarball, the id of a git tree object.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.kernel.model import GitOrigin, SourceTree
from orchestrator.kernel.reproduce.shell import APT, assignments
from orchestrator.kernel.source.public import Base, is_public, without_secret
from orchestrator.scenario.sources import DebianSource, TarballSource

_HERE, _NOT_PUBLIC = "which is fetched from there", "which is NOT public"

DIFFERENCE = "source.patch"
"""The file, beside the script, with the changes from the fetched commit to the source in git."""


@dataclass(frozen=True)
class Part:
    """A part of the script: notes for its head, required programs, shell code.

    The shell code defines the function get_source, and can call need, fail, note, verify and digest.
    """

    notes: tuple[str, ...]
    programs: tuple[str, ...]
    shell: str


def source_part(source: SourceTree, base: Base | None) -> Part:
    """Return the part that gets `source`.

    `base` is the starting commit if the source is in git.
    """
    if source.git:
        return _of_commit(source.git, base) if base else _of_directory(source.git)
    match source.named:
        case DebianSource():
            return _of_debian(source.named, source.id)
        case TarballSource(location, sha256) if sha256:
            return _of_tarball(without_secret(location), sha256)
        case _:
            return _of_unknown(source)


_DEBIAN = r"""
get_source() {
	deb=${SOURCE_DEB:-}
	[ -n "$deb" ] || fetch_deb
	verify "$deb" "$sha256"
	note "unpacking $deb"
	mkdir "$directory/package"
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -C "$directory/package" --wildcards './usr/src/linux-source-*.tar.xz'
	mkdir "$directory/linux"
	tar -x -J --strip-components=1 -C "$directory/linux" -f "$directory"/package/usr/src/linux-source-*.tar.xz
	rm -r "$directory/package"
}

fetch_deb() {
	use_apt "$suite"
	mkdir "$directory/download"
	fetch_package "$package=$version" "$directory/download" ||
		fail "Debian suite '$suite' has no $package $version any more; take the package with the SHA-256 $sha256" \
			"from a snapshot of the archive, and set SOURCE_DEB to its path"
	deb=$(echo "$directory"/download/*.deb)
}
"""


def _of_debian(source: DebianSource, sha256: str) -> Part:
    version = source.version or ""
    notes = (
        f"Source: the package {source.package} {version} of Debian {source.suite}, which is public.",
        "SOURCE_DEB can name the package's file, if the archive has it no more.",
    )
    values = assignments(package=source.package, version=version, suite=source.suite, sha256=sha256)
    return Part(notes, ("dpkg-deb", "tar", "xz"), values + APT + _DEBIAN)


_TARBALL = r"""
get_source() {
	tarball=${SOURCE_TARBALL:-}
	[ -n "$tarball" ] || find_tarball
	verify "$tarball" "$sha256"
	note "unpacking $tarball"
	mkdir "$directory/unpacked"
	tar -x --no-same-owner -C "$directory/unpacked" -f "$tarball"
	for top in "$directory/unpacked" "$directory"/unpacked/*/; do
		if [ -e "$top/Kbuild" ] && [ -e "$top/Makefile" ]; then
			mv "$top" "$directory/linux"
			return
		fi
	done
	fail "$tarball holds no Linux source"
}
"""
_FETCHED = r"""
find_tarball() {
	need curl
	note "downloading $location"
	tarball=$directory/tarball
	curl -fsSL --retry 3 -o "$tarball" -- "$location" ||
		fail "$location cannot be fetched; set SOURCE_TARBALL to a copy of it"
}
"""
_KEPT = r"""
find_tarball() {
	tarball=$location
	[ -f "$tarball" ] ||
		fail "$location, which is not public, is not here; set SOURCE_TARBALL to a copy of it"
}
"""


def _of_tarball(location: str, sha256: str) -> Part:
    public = is_public(location)
    notes = (
        f"Source: the tarball {location}, {_HERE if public else _NOT_PUBLIC}.",
        "SOURCE_TARBALL can name a copy of it.",
    )
    values = assignments(location=location, sha256=sha256)
    return Part(notes, ("tar",), values + (_FETCHED if public else _KEPT) + _TARBALL)


_LAY_OUT = r"""
# Git without the configuration of the user and the machine, which must not change the result.
alone() {
	GIT_DIR=$directory/git GIT_INDEX_FILE=$directory/git/index GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null "$@"
}

# The names of objects have 64 digits in a repository made with --object-format=sha256.
bare() {
	if [ "${#tree}" -eq 64 ]; then git init -q --bare --object-format=sha256 "$1"; else git init -q --bare "$1"; fi
	# Each file is taken byte by byte, independent of the source's .gitattributes.
	mkdir -p "$1/info"
	echo '* -text -eol -ident -filter -working-tree-encoding' >"$1/info/attributes"
}

lay_out() {
	[ "$(alone git write-tree)" = "$tree" ] || fail "$1 gives another source than the git tree $tree"
	mkdir "$directory/linux"
	alone env GIT_WORK_TREE="$directory" git checkout-index -q -a --prefix=linux/
}
"""
_COMMIT = r"""
get_source() {
	repository=${SOURCE_GIT:-$repository}
	case $repository in
	/*) [ -d "$repository" ] || fail "$repository, which is not public, is not here; set SOURCE_GIT to a copy of it" ;;
	esac
	note "fetching the commit $commit from $repository"
	bare "$directory/git"
	fetch_commit --depth 1 "$repository" "$commit" || fetch_commit "$repository" '+refs/*:refs/*' || true
	alone git read-tree "$commit" 2>"$directory/git/log" ||
		fail "$repository has no commit $commit, or cannot be reached; set SOURCE_GIT to a repository that has it"
	if [ -n "$difference" ]; then
		alone git apply --cached --whitespace=nowarn "$here/$difference" || fail "$difference does not apply"
	fi
	lay_out "$repository"
}

fetch_commit() {
	git --git-dir="$directory/git" fetch -q --no-tags "$@" 2>"$directory/git/log"
}
"""
_DIRECTORY = r"""
get_source() {
	copy=${SOURCE_TREE:-$location}
	[ -d "$copy" ] || fail "$copy, which is not public, is not here; set SOURCE_TREE to a copy of it"
	note "reading $copy"
	bare "$directory/git"
	alone env GIT_WORK_TREE="$(cd "$copy" && pwd)" git -C "$copy" -c core.excludesFile= \
		add -A -f -- . ':(exclude,top)build'
	lay_out "$copy"
}
"""


def _of_commit(origin: GitOrigin, base: Base) -> Part:
    notes = [f"Source: the commit {base.commit} of {base.repository}, {_HERE if base.public else _NOT_PUBLIC}."]
    if base.differs:
        notes.append(f"What the source has beyond it is in {DIFFERENCE}, beside this script.")
    notes.append("SOURCE_GIT can name another repository that has the commit.")
    values = assignments(
        repository=base.repository,
        commit=base.commit,
        tree=origin.tree,
        difference=DIFFERENCE if base.differs else "",
    )
    return Part(tuple(notes), ("git",), values + _LAY_OUT + _COMMIT)


def _of_directory(origin: GitOrigin) -> Part:
    notes = (
        f"Source: the directory {origin.origin} as it was, which is NOT public: it is in no git repository.",
        "SOURCE_TREE can name a copy of it.",
    )
    return Part(notes, ("git",), assignments(location=origin.origin, tree=origin.tree) + _LAY_OUT + _DIRECTORY)


_UNKNOWN = r"""
get_source() {
	[ -d "${SOURCE_TREE:-}" ] || fail "where $source is from was not recorded; set SOURCE_TREE to a copy of it"
	cp -R "$SOURCE_TREE" "$directory/linux"
}
"""


def _of_unknown(source: SourceTree) -> Part:
    notes = (f"Source: {source.version}; where it is from was not recorded.", "SOURCE_TREE must name a copy of it.")
    return Part(notes, (), assignments(source=source.version) + _UNKNOWN)
