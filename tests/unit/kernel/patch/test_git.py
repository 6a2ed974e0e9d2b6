# SPDX-License-Identifier: GPL-2.0-only
"""Commits as patches, and three-way merges, with the real git; the user's repository stays unchanged."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from orchestrator.errors import PatchError, UsageError
from orchestrator.events import Event, Kind
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.kernel.git import open_store, resolve, tree_id
from orchestrator.kernel.model import GitOrigin, Patch, SourceTree
from orchestrator.kernel.patch.series import apply, fit_series, read_patches
from orchestrator.scenario.sources import GitRange, PatchSource, Revert

# mm/mmap.c has 30 lines.  topic changes line 5 and line 7; main has another line 9, and 3 more lines at the top.
HISTORY = """set -e
export GIT_AUTHOR_NAME=J GIT_AUTHOR_EMAIL=j@x GIT_COMMITTER_NAME=J GIT_COMMITTER_EMAIL=j@x
export GIT_CONFIG_GLOBAL=/dev/null
git init -q -b main repo; cd repo; mkdir mm
for n in $(seq 30); do echo "line $n"; done > mm/mmap.c; echo 7 > Makefile; git add .; git commit -qm 'start'
git tag v1
git checkout -qb topic
sed -i 's/line 5$/five/' mm/mmap.c; git commit -qam 'mm: say five'
sed -i 's/line 7$/seven/' mm/mmap.c; git commit -qam 'mm: say seven'
git checkout -q main
sed -i 's/line 9$/nine/; 1i top\\ntop\\ntop' mm/mmap.c; git commit -qam 'mm: three on top'
git checkout -qb merged; git checkout -qb side v1
echo x > side; git add side; git commit -qm side; git checkout -q merged; git merge -q -m 'Merge side' side
git checkout -qb odd main
ln -s /etc link; git add link; git commit -qm 'a link'; git tag with-link
printf '\\0\\1' > bin; git add bin; git commit -qm 'a binary'
git checkout -q main; echo 'in work' >> Makefile; echo new > untracked
"""


def run(script: str, place: Path) -> str:
    done = LocalHost().run(Command(("bash", "-c", script), cwd=place))
    assert done.ok, done.output
    return done.output


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history, for tests that only read it."""
    place = tmp_path_factory.mktemp("history")
    run(HISTORY, place)
    return place / "repo"


@pytest.fixture
def own(repo: Path, tmp_path: Path) -> Path:
    """A copy of it, for tests that change it, or see that it stays."""
    shutil.copytree(repo, tmp_path / "repo", symlinks=True)
    return tmp_path / "repo"


def checksum(repo: Path) -> dict[str, tuple[str, int]]:
    """Return contents and times of all files of a repository, its checkout, index and .git.

    Of objects only the contents count: git updates the time of an object that it would write again, even if shared.
    """
    files = [path for path in repo.rglob("*") if path.is_file() and not path.is_symlink()]
    return {
        str(path): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            0 if repo / ".git/objects" in path.parents else path.stat().st_mtime_ns,
        )
        for path in files
    }


def source(tmp_path: Path, repo: Path, ref: str) -> SourceTree:
    """Return the pristine source of `ref`, with its history in orch's own store."""
    origin, kept = laid_out(repo, ref)
    path = tmp_path / f"pristine-{ref}"
    shutil.copytree(kept, path)
    return SourceTree(origin.tree, ref, path, origin)


@cache
def laid_out(repo: Path, ref: str) -> tuple[GitOrigin, Path]:
    host = LocalHost()
    store = open_store(host, repo.parent / "cache", str(repo), address=False, where="s.yaml:2")
    commit = resolve(host, store, str(repo), ref, address=False, where="s.yaml:2")
    tree = tree_id(host, store, commit)
    kept = repo.parent / f"kept-{ref}"
    kept.mkdir()
    run(f"git -C {repo} archive {commit} | tar -x -C {kept}", repo.parent)
    return GitOrigin(store, str(repo), tree, commit), kept


def cache_of(tree: SourceTree, tmp_path: Path) -> Path:
    """Return the cache that has the store of `tree`."""
    return tree.git.store.parents[1] if tree.git else tmp_path / "cache"


def read(tmp_path: Path, tree: SourceTree, *sources: PatchSource) -> tuple[Patch, ...]:
    return read_patches(LocalHost(), cache_of(tree, tmp_path), sources, tree, where="s.yaml:3")


def patched(tree: SourceTree, patches: tuple[Patch, ...]) -> list[str]:
    for patch in patches:
        apply(LocalHost(), tree.path, patch, "huge")
    return (tree.path / "mm/mmap.c").read_text().splitlines()


def test_the_commits_of_a_range_are_patches_oldest_first(tmp_path: Path, repo: Path) -> None:
    tree = source(tmp_path, repo, "v1")
    patches = read(tmp_path, tree, GitRange("v1..topic"))
    assert [patch.path.name for patch in patches] == ["0001-mm-say-five.patch", "0002-mm-say-seven.patch"]
    lines = patched(tree, patches)
    assert (lines[4], lines[6]) == ("five", "seven")


def test_a_range_may_be_of_another_repository_and_end_in_an_expression(tmp_path: Path, repo: Path) -> None:
    plain = SourceTree("debian", "7.3", source(tmp_path, repo, "v1").path)
    (patch,) = read(tmp_path, plain, GitRange("topic~2..topic~1", str(repo)))
    assert "five" in patched(plain, (patch,))


def test_a_commit_is_the_same_patch_in_every_clone(tmp_path: Path, repo: Path) -> None:
    run(
        f"git clone -q --no-local {repo} other; cd other; git config core.abbrev 5; git branch topic origin/topic",
        tmp_path,
    )
    tree = source(tmp_path, repo, "v1")
    ours, theirs = (
        read(tmp_path, tree, GitRange("v1..topic")),
        read(tmp_path, tree, GitRange("v1..topic", str(tmp_path / "other"))),
    )
    assert [patch.digest for patch in ours] == [patch.digest for patch in theirs]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("topic", "'topic' is no range of commits; write it as OLDER..NEWER"),
        ("v1..", "'v1..' is no range of commits"),
        ("..topic", "'..topic' is no range of commits"),
        ("v1...topic", "'v1...topic' is no range of commits"),
        ("v1..topik", "no commit 'topik' in the git repository .*; did you mean 'topic'?"),
        ("--output=x..topic", "'--output=x' is no name of a commit"),
        ("topic..v1", "no commits in 'topic..v1'; is it the wrong way round"),
        ("v1..merged", r"has the merge [0-9a-f]{12} \('Merge side'\), which is no patch; make 'merged' the ref"),
        ("main..with-link", r"'main..with-link': 0001-a-link.patch: 'new file mode 120000': only plain text"),
        ("with-link..odd", r"'with-link..odd': 0001-a-binary.patch: 'GIT binary patch': only plain text"),
    ],
)
def test_a_range_that_cannot_be_is_reported_in_one_sentence(
    tmp_path: Path, repo: Path, wanted: str, expected: str
) -> None:
    with pytest.raises(UsageError, match=rf"^s\.yaml:3: .*{expected}") as caught:
        read(tmp_path, source(tmp_path, repo, "v1"), GitRange(wanted))
    assert "\n" not in str(caught.value)


def test_a_source_without_history_has_no_ranges_and_no_reverts(tmp_path: Path) -> None:
    plain = SourceTree("debian", "7.3", tmp_path)
    with pytest.raises(UsageError, match=r"s\.yaml:3: this kernel's source has no git history for 'v1\.\.topic'"):
        read(tmp_path, plain, GitRange("v1..topic"))
    with pytest.raises(UsageError, match=r"s\.yaml:3: 'revert: v1' needs a git history"):
        read(tmp_path, plain, Revert("v1"))
    with pytest.raises(UsageError, match=r"s\.yaml:3: .* is no git repository"):
        read(tmp_path, plain, GitRange("v1..topic", str(tmp_path)))


def test_a_directory_in_somebodys_repository_has_not_its_history(tmp_path: Path, repo: Path) -> None:
    tree = source(tmp_path, repo, "main")
    assert tree.git
    part = replace(tree, git=replace(tree.git, origin=str(repo / "mm"), commit=None))
    for wanted in (GitRange("v1..topic"), Revert("v1")):
        with pytest.raises(UsageError, match=r"^s\.yaml:3: .* git history"):
            read(tmp_path, part, wanted)


def test_a_commit_is_reverted(tmp_path: Path, repo: Path) -> None:
    tree = source(tmp_path, repo, "topic")
    (patch,) = read(tmp_path, tree, Revert("topic~1"))
    assert patch.path.name == "revert-mm-say-five.patch"
    assert 'Subject: [PATCH] Revert "mm: say five"\n' in patch.text
    _, fitting, events = fit(tmp_path, tree, Revert("topic~1"))
    lines = patched(tree, fitting)
    assert (lines[4], lines[6]) == ("line 5", "seven")
    assert len(events) == 1, "the commit after it is in its context"


@pytest.mark.parametrize(
    ("commit", "expected"),
    [
        ("merged", r"\('Merge side'\) is a merge, which has no reverse"),
        ("v1", r"\('start'\) is the first commit of its history"),
        ("gone", "no commit 'gone' in the git repository"),
        ("with-link", r"the reverse of [0-9a-f]{12} \('a link'\): 'deleted file mode 120000': only plain text"),
    ],
)
def test_a_revert_that_cannot_be_is_reported_in_one_sentence(
    tmp_path: Path, repo: Path, commit: str, expected: str
) -> None:
    with pytest.raises(UsageError, match=rf"^s\.yaml:3: .*{expected}"):
        read(tmp_path, source(tmp_path, repo, "v1"), Revert(commit))


def fit(
    tmp_path: Path, tree: SourceTree, *sources: PatchSource
) -> tuple[tuple[Patch, ...], tuple[Patch, ...], list[Event]]:
    """Return the patches as read, the patches as fitted, and the events."""
    events: list[Event] = []
    patches = read(tmp_path, tree, *sources)
    return patches, fit_series(LocalHost(), cache_of(tree, tmp_path), tree, patches, "huge", events.append), events


def test_what_applies_is_not_touched(tmp_path: Path, repo: Path) -> None:
    before, after, events = fit(tmp_path, source(tmp_path, repo, "v1"), GitRange("v1..topic"))
    assert before == after
    assert not events


def test_what_does_not_apply_is_merged_with_the_history(tmp_path: Path, repo: Path) -> None:
    """In main, line 9 differs, which is context of the second patch."""
    tree = source(tmp_path, repo, "main")
    before, after, events = fit(tmp_path, tree, GitRange("v1..topic"))
    assert after[0] == before[0], "the first applies, with an offset"
    assert after[1].digest != before[1].digest, "the key of the build is of what is applied"
    assert after[1].text.startswith(before[1].text[:100]), "with the message of the commit"
    assert [(event.job, event.kind, event.text) for event in events] == [
        ("huge", Kind.NOTE, "patch 0002-mm-say-seven.patch merged three-way")
    ]
    assert patched(tree, after)[7:12] == ["five", "line 6", "seven", "line 8", "nine"]
    assert after[1].path.read_bytes() == after[1].data


def test_a_patch_file_is_merged_by_its_index_lines_abbreviated_or_not(tmp_path: Path, own: Path) -> None:
    run(
        "cd repo; git format-patch -q -o ../short -1 topic; git format-patch -q --full-index -o ../full -1 topic",
        tmp_path,
    )
    tree = source(tmp_path, own, "main")
    for place in ("short", "full"):
        _, (patch,), events = fit(tmp_path, tree, next((tmp_path / place).iterdir()))
        assert "seven" in patch.diff
        assert len(events) == 1


def test_a_range_of_another_repository_is_merged_too(tmp_path: Path, own: Path) -> None:
    run(
        f"git clone -q --no-local -b topic {own} other; git -C repo branch -q -D topic",
        tmp_path,
    )
    run("git -C repo reflog expire --expire=now --all; git -C repo gc -q --prune=now", tmp_path)
    _, after, events = fit(tmp_path, source(tmp_path, own, "main"), GitRange("v1..topic", str(tmp_path / "other")))
    assert len(after) == 2
    assert len(events) == 1


def test_a_conflict_names_kernel_patch_file_and_hunk(tmp_path: Path, own: Path) -> None:
    run(
        "cd repo; git config user.name J; git config user.email j@x; git stash -q; "
        "sed -i 's/line 7$/VII/' mm/mmap.c; git commit -qam 'mm: say VII'",
        tmp_path,
    )
    with pytest.raises(PatchError) as caught:
        fit(tmp_path, source(tmp_path, own, "main"), GitRange("v1..topic"))
    assert str(caught.value) == (
        "kernel 'huge': patch 0002-mm-say-seven.patch does not apply: mm/mmap.c, hunk 1 (line 4); rebase it on this "
        "source; a three-way merge conflicts in mm/mmap.c"
    )


def test_a_patch_without_its_blobs_has_the_message_of_the_hunk(tmp_path: Path, repo: Path) -> None:
    """The history does not have the blob that the patch is based on."""
    path = tmp_path / "x.patch"
    body = "@@ -7,3 +7,3 @@\n line 7\n-line 8\n+eight\n line 9\n"
    path.write_text(
        f"diff --git a/mm/mmap.c b/mm/mmap.c\nindex 0123456..789abcd 100644\n--- a/mm/mmap.c\n+++ b/mm/mmap.c\n{body}"
    )
    with pytest.raises(
        PatchError, match=r"mm/mmap\.c, hunk 1 \(line 7\); .*the repository lacks what the patch was made"
    ):
        fit(tmp_path, source(tmp_path, repo, "main"), path)
    path.write_text(path.read_text().replace("mm/mmap.c", "mm/vma.c"))
    with pytest.raises(PatchError, match=r"this source has no file mm/vma\.c; the patch is for another version"):
        fit(tmp_path, source(tmp_path, repo, "topic"), path)


def test_a_patch_that_is_there_already_says_so(tmp_path: Path, repo: Path) -> None:
    with pytest.raises(PatchError, match=r"kernel 'huge': patch 0001-mm-say-five\.patch is in this source already"):
        fit(tmp_path, source(tmp_path, repo, "topic"), GitRange("v1..topic"))


def test_a_snapshot_without_a_commit_is_merged_onto_as_well(tmp_path: Path, repo: Path) -> None:
    tree = source(tmp_path, repo, "main")
    assert tree.git
    snapshot = replace(tree, git=replace(tree.git, commit=None, base=tree.git.commit))
    _, after, events = fit(tmp_path, snapshot, GitRange("v1..topic"))
    assert len(after) == 2
    assert len(events) == 1


def test_the_users_repository_and_checkout_stay_as_they_are(tmp_path: Path, own: Path) -> None:
    run("cd repo && git -c user.name=J -c user.email=j stash -q && echo more >> Makefile && git add Makefile", tmp_path)
    before = checksum(own)
    tree = source(tmp_path, own, "main")
    assert tree.git
    objects = sorted(path for path in tree.git.store.rglob("*") if path.is_file())
    fit(tmp_path, tree, GitRange("v1..topic"), Revert("main"))
    with pytest.raises(UsageError):
        fit(tmp_path, tree, GitRange("v1..merged"))
    assert checksum(own) == before
    assert sorted(path for path in tree.git.store.rglob("*") if path.is_file()) == objects, "nor does the store grow"
    assert not list((tmp_path / "cache/work").iterdir())


def test_the_users_configuration_of_git_decides_nothing(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = source(tmp_path, repo, "main")
    _, plain, _ = fit(tmp_path, tree, GitRange("v1..topic"))
    (tmp_path / ".gitconfig").write_text(
        "[diff]\nnoprefix = true\ncontext = 9\nexternal = false\n[format]\nsubjectPrefix = X\nsignature = me\n"
        "[core]\nabbrev = 4\n[apply]\nwhitespace = error-all\n[color]\nui = always\n[merge]\nconflictStyle = diff3\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    _, configured, _ = fit(tmp_path, tree, GitRange("v1..topic"))
    assert [patch.text for patch in configured] == [patch.text for patch in plain]
