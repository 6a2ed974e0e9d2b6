# SPDX-License-Identifier: GPL-2.0-only
"""Find the base of a series: by its trailers, else by its blob ids, in the user's git repository, then at Debian."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from orchestrator.errors import UsageError
from orchestrator.host.base import Host
from orchestrator.kernel.base.debian_fit import fits as fits_tree
from orchestrator.kernel.base.git_fit import Ref, Repository
from orchestrator.kernel.base.model import Base, Candidate
from orchestrator.kernel.base.prerequisite import prerequisites
from orchestrator.kernel.base.stated import Stated
from orchestrator.kernel.model import Patch, SourceTree
from orchestrator.kernel.patch.series import applies
from orchestrator.scenario.sources import DebianSource, GitRange, GitSource


@dataclass(frozen=True)
class Search:
    """A search for the base of `series`, which states `stated`.

    `repository` is the user's git repository, None if there is none.
    """

    host: Host
    series: tuple[Patch, ...]
    stated: Stated
    repository: Repository | None

    def find(self, sources: Iterable[SourceTree]) -> Base:
        """Return the base: from the repository, else one of `sources`, which are compared in their order.

        Raises UsageError if no source has the files that the series was made from.
        """
        notes: list[str] = []
        found = self._in_git(self.repository, notes) if self.repository else None
        if not self.repository:
            unknown = "cannot be looked up without a git repository; --git names one"
            notes += [f"base-commit {commit[:12]} {unknown}" for commit in self.stated.commits]
        return replace(found or self._in_sources(sources, notes), notes=tuple(notes))

    def _in_git(self, repository: Repository, notes: list[str]) -> Base | None:
        for commit in self.stated.commits:
            found = self._by_trailer(repository, commit, notes)
            if found:
                return found
        if not self.stated.blobs:
            notes.append("the series names no blob ids to look for in the git repository; --base names a commit")
            return None
        return self._by_refs(repository) or self._by_history(repository, notes)

    def _by_trailer(self, repository: Repository, named: str, notes: list[str]) -> Base | None:
        """Return the commit that the series names, if the repository has it and the files of the series fit it."""
        commit = repository.commit(named)
        if commit is None:
            notes.append(f"base-commit {named[:12]} is not in the git repository")
            return None
        candidate = self._candidate(repository, Ref(commit, repository.describe(commit)))
        if self.stated.prerequisites:
            found = self._with_prerequisites(repository, candidate, commit, notes)
            if found:
                return found
        if candidate.whole or candidate.of == 0:
            return Base(candidate, "by base-commit" + (f", and {_blob_ids(candidate)}" if candidate.of else ""))
        notes.append(f"base-commit {named[:12]} does not fit: {candidate.describe} are there as in the series")
        return None

    def _with_prerequisites(
        self, repository: Repository, candidate: Candidate, base: str, notes: list[str]
    ) -> Base | None:
        """Return the base with the patches that the series needs, if the repository has them all."""
        wanted = self.stated.prerequisites
        commits = prerequisites(repository, base, wanted)
        missing = [patch_id for patch_id, commit in zip(wanted, commits, strict=True) if commit is None]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            notes.append(f"no branch of the git repository has the prerequisite patch {missing[0][:12]}{more}")
            return None
        count = f"{len(wanted)} prerequisite patch{'' if len(wanted) == 1 else 'es'}"
        path = str(repository.path)
        ranges = tuple(GitRange(f"{commit}^..{commit}", path) for commit in commits)
        return Base(replace(candidate, patches=ranges), f"by base-commit, with {count} of the git repository")

    def _by_refs(self, repository: Repository) -> Base | None:
        """Return the newest ref that has all files as the series found them; a local branch only if no other has."""
        refs = repository.refs()
        counts = zip(refs, repository.fits([ref.commit for ref in refs], self.stated), strict=True)
        whole = [ref for ref, count in counts if count == len(self.stated.blobs)]
        newest = repository.newest_first([ref for ref in whole if not ref.own] or whole)
        if not newest:
            return None
        candidate = self._candidate(repository, newest[0])
        return Base(candidate, f"by {_blob_ids(candidate)}", tuple(ref.name for ref in newest[1:]))

    def _by_history(self, repository: Repository, notes: list[str]) -> Base | None:
        """Return the newest commit of any branch that has all files as the series found them."""
        touched = repository.first_whole(repository.history(files=self.stated.blobs), self.stated)
        if touched is None:
            notes.append(f"no commit of the git repository has all {len(self.stated.blobs)} files as in the series")
            return None
        later = repository.first_whole(repository.history(f"--since=@{repository.date(touched)}"), self.stated)
        commit = later or touched
        candidate = self._candidate(repository, Ref(commit, repository.describe(commit)))
        return Base(candidate, f"by {_blob_ids(candidate)}")

    def _candidate(self, repository: Repository, ref: Ref) -> Candidate:
        (fits,) = repository.fits([ref.commit], self.stated) if self.stated.blobs else (0,)
        return Candidate(ref.name, GitSource(str(repository.path), ref.commit), fits, len(self.stated.blobs))

    def _in_sources(self, sources: Iterable[SourceTree], notes: list[str]) -> Base:
        """Return the first source that fits, else the first that the series applies to."""
        seen: list[tuple[Candidate, SourceTree]] = []
        for candidate, tree in self._debian(sources):
            if candidate.whole:
                return Base(candidate, f"by {_blob_ids(candidate)}")
            seen.append((candidate, tree))
        for candidate, tree in sorted(seen, key=lambda pair: -pair[0].fits):
            if applies(self.host, tree.path, self.series):
                known = (
                    f"by blob ids only {candidate.describe} are the same" if candidate.of else "it names no blob ids"
                )
                return Base(candidate, f"because the series applies to it; {known}")
        raise UsageError(_not_found([candidate for candidate, _ in seen], notes))

    def _debian(self, sources: Iterable[SourceTree]) -> Iterator[tuple[Candidate, SourceTree]]:
        for tree in sources:
            if isinstance(tree.named, DebianSource):
                fits = fits_tree(tree.path, self.stated)
                yield Candidate(tree.version, tree.named, fits, len(self.stated.blobs)), tree


def _blob_ids(candidate: Candidate) -> str:
    return f"the blob ids of {candidate.describe}"


def _not_found(seen: list[Candidate], notes: list[str]) -> str:
    nearest = max(seen, key=lambda candidate: candidate.fits, default=None)
    near = f"; nearest is {nearest.name}, with {nearest.describe}" if nearest and nearest.fits else ""
    why = "".join(f"; {note}" for note in notes)
    return f"no source fits the series{near}{why}; name the base with --base, or a git repository with --git"
