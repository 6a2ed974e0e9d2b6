# SPDX-License-Identifier: GPL-2.0-only
"""Look up the config fragments and patch series that a scenario names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.yamlfile.messages import hint, quoted, shown

_SERIES = "series"
"""The file in a patch directory that lists its patches in order, in quilt's format."""


@dataclass(frozen=True)
class Library:
    """The data directory with `configs/` and `patches/`, and the scenario's directory, where relative paths start."""

    data: Path
    beside: Path

    def config(self, name: str) -> Path:
        """Return the absolute path of a config fragment.  Raises LookupError with a sentence if there is none."""
        if "/" in name or name.endswith(".config"):
            return _file(self.beside / name, "config fragment")
        folder = self.data / "configs"
        known = [path.stem for path in _listing(folder) if path.suffix == ".config"]
        if name not in known:
            raise LookupError(_no("config fragment", name, folder, known))
        return (folder / f"{name}.config").absolute()

    def patches(self, name: str) -> Path:
        """Return the absolute path of a patch series' directory or of a single patch.

        Raises LookupError with a sentence if there is none.
        """
        if "/" in name or name.endswith((".patch", ".mbox")):
            path = self.beside / name
            return _series(path) if _is_dir(path) else _file(path, "patch")
        folder = self.data / "patches"
        known = [path.name for path in _listing(folder) if _is_dir(path)]
        if name not in known:
            raise LookupError(_no("patch series", name, folder, known))
        return _series(folder / name)


def _no(what: str, name: str, folder: Path, known: list[str]) -> str:
    plural = what if what.endswith("series") else f"{what}s"
    return f"no {what} {quoted(name)} in {shown(folder)}{hint(name, known, plural + ' there')}"


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_dir(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 -- Path.is_dir() raises for names that are too long


def _file(path: Path, what: str) -> Path:
    if not os.path.isfile(path):  # noqa: PTH113 -- as above
        raise LookupError(f"no {what} {_tidy(path)}; paths go from the scenario's directory")
    return path.resolve()


def _series(path: Path) -> Path:
    if not os.path.isfile(path / _SERIES):  # noqa: PTH113 -- as above
        raise LookupError(f"patch series {_tidy(path)} has no file '{_SERIES}'; add it with one patch name a line")
    return path.resolve()


def _tidy(path: Path) -> str:
    return quoted(shown(Path(os.path.normpath(path))))
