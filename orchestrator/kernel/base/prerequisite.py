# SPDX-License-Identifier: GPL-2.0-only
"""Find the commits of prerequisite patches, by their patch ids (git-patch-id(1))."""

from __future__ import annotations

from orchestrator.host.base import check
from orchestrator.kernel.base.git_fit import Repository
from orchestrator.kernel.git import git_run

_MOST = 5_000
"""Commits beside the base that are compared at most: each costs git a diff."""

# git format-patch --base makes its ids without the indent heuristic, which git diff has; tools of others may have it.
_PATCH_IDS = """commits=$(cat)
for heuristic in --no-indent-heuristic --indent-heuristic; do
    echo "$commits" | git diff-tree --stdin -p --no-ext-diff --no-textconv --no-color $heuristic | git patch-id --stable
done"""


def prerequisites(repository: Repository, base: str, wanted: tuple[str, ...]) -> tuple[str | None, ...]:
    """Return for each patch id in `wanted` the newest commit that has it; None if no commit outside of `base` has."""
    commits = repository.history(f"^{base}", "--no-merges", f"--max-count={_MOST}")
    argv = ("sh", "-c", _PATCH_IDS)
    listed = git_run(repository.host, repository.store, argv, stdin="".join(f"{commit}\n" for commit in commits))
    pairs = (line.split() for line in check(listed, "comparing patch ids").output.splitlines())
    found: dict[str, str] = {}
    for patch_id, commit in (pair for pair in pairs if len(pair) == 2):
        found.setdefault(patch_id, commit)
    return tuple(found.get(patch_id) for patch_id in wanted)
