# SPDX-License-Identifier: GPL-2.0-only
"""Shell code that the scripts for all kinds of kernels share."""

from __future__ import annotations

import shlex

from orchestrator.kernel.apt import KEYRING


def assignments(**values: str) -> str:
    """Return lines of shell that set variables."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def comment(title: str, *notes: str) -> str:
    """Return the head of a script: `title`, its usage, and the lines `notes`."""
    lines = (title, "", "    sh reproduce.sh [DIRECTORY]", "", *notes)
    return "#!/bin/sh\n" + "".join(f"# {' '.join(line.splitlines())}".rstrip() + "\n" for line in lines)


def default_directory(kernel: str) -> str:
    """Return the name of a working directory for `kernel`, with safe characters only."""
    return "reproduce-" + "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in kernel)


HEAD = r"""
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)

fail() {
	echo "reproduce.sh: $*" >&2
	exit 2
}

note() {
	echo "$*"
}

need() { # PROGRAM...
	for program in "$@"; do
		command -v "$program" >/dev/null || fail "$program is not installed"
	done
}

digest() { # FILE
	sha256sum <"$1" | cut -d ' ' -f 1
}

verify() { # FILE SHA-256
	[ -f "$1" ] || fail "there is no file $1"
	[ "$(digest "$1")" = "$2" ] || fail "$1 is not what was recorded: its SHA-256 is $(digest "$1"), and was $2"
}

make_directory() { # DIRECTORY
	mkdir -p "$1"
	[ -z "$(ls -A "$1")" ] || fail "$1 is not empty; name a new directory"
	directory=$(cd "$1" && pwd)
}
"""

APT = (
    assignments(keyring=str(KEYRING))
    + r"""
# A private configuration of apt: the suite from this machine's own mirror, and nothing of the machine is changed.
use_apt() { # SUITE [ARCHITECTURE]
	need apt-get
	case $1 in *-security) label=Debian-Security ;; *) label=Debian ;; esac
	[ -f "$keyring" ] || fail "$keyring is missing; install the package debian-archive-keyring"
	# shellcheck disable=SC2016 # apt's variables
	mirror=$(apt-get indextargets --format '$(REPO_URI)|$(ORIGIN)|$(LABEL)' 'Created-By: Packages' |
		awk -F '|' -v label="$label" '$2 == "Debian" && $3 == label { print $1; exit }')
	[ -n "$mirror" ] || fail "this machine's apt knows no $label mirror; add one to its sources"
	apt=$directory/apt
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	echo "deb [${2:+arch=$2 }signed-by=$keyring] $mirror $1 main" >"$apt/sources.list"
	user=
	[ "$(id -u)" -ne 0 ] || user=root
	cat >"$apt/apt.conf" <<-EOF
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::Etc::preferences "-";
		Dir::Etc::preferencesparts "-";
		Dir::State "$apt";
		Dir::State::lists "$apt/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$apt";
		Dir::Cache::archives "$apt/archives";
		Acquire::Languages "none";
		Acquire::Check-Valid-Until "false";
		APT::Sandbox::User "$user";
		Debug::NoLocking "true";
	EOF
	[ -z "${2:-}" ] || echo "APT::Architecture \"$2\";" >>"$apt/apt.conf"
	note "fetching the package list of Debian suite '$1'"
	apt-get -c "$apt/apt.conf" update -q >"$apt/log" 2>&1 ||
		fail "apt-get update failed: $(tail -n 1 "$apt/log")"
}

fetch_package() { # NAME=VERSION DIRECTORY
	note "downloading $1"
	(cd "$2" && apt-get -c "$apt/apt.conf" download -q "$1" >"$apt/log" 2>&1)
}
"""
)
