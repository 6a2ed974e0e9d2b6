# SPDX-License-Identifier: GPL-2.0-only
"""The script for a prebuilt kernel: it fetches the packages again and compares them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from orchestrator.arch import ARCHES
from orchestrator.kernel.model import Prebuilt
from orchestrator.kernel.reproduce.shell import APT, HEAD, assignments, comment, default_directory

_PACKAGES = r"""
get() { # NAME VERSION SHA-256
	mkdir "$directory/$1"
	fetch_package "$1=$2" "$directory/$1" ||
		fail "Debian suite '$suite' has no $1 $2 any more; a snapshot of the archive does"
	verify "$(echo "$directory/$1"/*.deb)" "$3"
	dpkg-deb -x "$directory/$1"/*.deb "$directory/root"
	echo "identical: $3 $1 $2"
}

compare_config() {
	for config in "$directory"/root/boot/config-* "$directory"/root/usr/lib/linux/*/config-* \
		"$directory"/root/usr/lib/modules/*/config "$directory"/root/lib/modules/*/config; do
		if [ -f "$config" ] && cmp -s "$config" "$here/config"; then
			return
		fi
	done
	note "no file of these packages is the configuration beside this script; it was in the image"
}
"""


def prebuilt_script(recipe: Prebuilt, digest: str, facts: Mapping[str, object]) -> str:
    """Return the script for `recipe`.

    For a kernel of Debian it fetches the packages that `facts` name, and compares them.  `digest` is the SHA-256, in
    hex, of the image that was booted.
    """
    packages = facts.get("packages")
    title = f"The kernel '{recipe.name}' ({recipe.version}) was not built by orch."
    if not isinstance(packages, list):
        return _nothing(title, digest)
    suite, arch = str(facts["suite"]), ARCHES[recipe.arch].debian
    notes = (
        f"Its packages are of Debian {suite}, and public: this fetches them again, and compares them.",
        f"The image, as it was taken out of them, has the SHA-256 {digest}.",
        "",
        "DIRECTORY is a new one to download to.",
        "Exit status: 0 the packages are identical, 2 they are not, or something is missing.",
    )
    steps = (
        "need dpkg-deb sha256sum",
        f'make_directory "${{1:-{default_directory(recipe.name)}}}"',
        f'use_apt "$suite" {arch}',
        *(shlex.join(("get", package["name"], package["version"], package["sha256"])) for package in packages),
        "compare_config",
    )
    shell = assignments(suite=suite) + HEAD + APT + _PACKAGES
    return f"{comment(title, *notes)}\n{shell}\n" + "".join(f"{step}\n" for step in steps)


def _nothing(title: str, digest: str) -> str:
    note = f"There is nothing to rebuild.  The image that was booted has the SHA-256 {digest}."
    message = shlex.quote(" ".join(f"{title} {note}".splitlines()))
    head = comment(title, note, "Where it is from is not public, as far as orch knows.")
    return f"{head}\necho {message} >&2\nexit 2\n"
