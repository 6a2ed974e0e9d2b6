# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that somebody else built: its image, configuration and modules, found where builds and distributions
put them, and held together before anything is booted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.errors import UsageError
from orchestrator.host.base import Host
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.image.header import KernelImage, read_image
from orchestrator.kernel.image.modules import BELOW, find_modules, require_modules
from orchestrator.scenario.sources import ImageSource

_CONFIG_VERSION = re.compile(r"^# Linux/\S+ (\d+\.\d+)\S* Kernel Configuration$", re.MULTILINE)

_NEEDED = ("9P_FS", "NET_9P_VIRTIO", "VIRTIO_PCI")
"""Without these no guest finds its root file system."""


@dataclass(frozen=True)
class Parts:
    """A whole kernel: `config` is the text of its configuration, `modules` the directory of its release, or None."""

    image: KernelImage
    config: str
    modules: Path | None

    @property
    def id(self) -> str:
        """SHA-256, in hex, of all that is booted: image, configuration and modules."""
        whole = hashlib.sha256(hashlib.sha256(self.image.content).digest())
        whole.update(hashlib.sha256(self.config.encode()).digest())
        for path in sorted(self._module_files()):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{path.relative_to(self.modules or path)} {content}\n".encode(errors="surrogateescape"))
        return whole.hexdigest()

    def _module_files(self) -> Iterator[Path]:
        if self.modules:
            yield from (one for one in self.modules.iterdir() if one.is_file())
            for top in (one for one in self.modules.iterdir() if one.is_dir() and not one.is_symlink()):
                yield from (one for one in top.rglob("*") if one.is_file())


def find_parts(host: Host, source: ImageSource, arch: str, where: str) -> Parts:
    """The kernel that `source` names, for `arch` as the kernel calls it.

    Raises UsageError, which begins with `where`, for what is missing or does not belong together.
    """
    path = _image_path(source.path, arch, where)
    try:
        image = read_image(host, path)
    except OSError as error:
        raise UsageError(f"{where}: {path} cannot be read: {error.strerror}") from error
    if image is None:
        raise UsageError(
            f"{where}: {path} is no kernel image that orch can boot; "
            "name a bzImage, a vmlinux with CONFIG_PVH, or an Image of arm64"
        )
    if image.arch != arch:
        raise UsageError(f"{where}: {path} is a kernel for {image.arch}, and this one is to be for {arch}")
    config = _config_of(source, path, image, where)
    modules = _modules_of(source, path, image.release, where)
    _require_bootable(config, modules, f"{where}: {path}")
    return Parts(image, config, modules)


def _image_path(path: Path, arch: str, where: str) -> Path:
    """The image file: `path` itself, or the newest image in a directory in which a kernel was built."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"{where}: there is no {path}; name an image, or a directory in which a kernel was built")
    there = [path / name for name in (ARCHES[arch].images if arch in ARCHES else ()) if (path / name).is_file()]
    if not there:
        names = " or ".join(ARCHES[arch].images if arch in ARCHES else ())
        raise UsageError(f"{where}: no kernel for {arch} was built in {path}: it has no {names}")
    return max(there, key=lambda one: one.stat().st_mtime_ns)


def _config_of(source: ImageSource, path: Path, image: KernelImage, where: str) -> str:
    name, text = _read_config(source, path, image, where)
    version = _CONFIG_VERSION.search(text)
    if version and not re.match(re.escape(version[1]) + r"(\D|$)", image.release):
        raise UsageError(f"{where}: {name} is the configuration of Linux {version[1]}, and {path} is {image.release}")
    return text


def _read_config(source: ImageSource, path: Path, image: KernelImage, where: str) -> tuple[str, str]:
    """Where the configuration was found, and its text: as the user says, in the image, or beside it."""
    if source.config is None and image.config:
        return "in the image", image.config
    for file in [source.config] if source.config else _configs_near(path, image.release):
        if file.is_file():
            text = file.read_text(errors="replace")
            if "CONFIG_" not in text:
                raise UsageError(f"{where}: {file} is no kernel configuration")
            return str(file), text
    if source.config:
        raise UsageError(f"{where}: there is no file {source.config}")
    raise UsageError(f"{where}: no configuration found for {path} (Linux {image.release}); name it with 'config:'")


def _configs_near(path: Path, release: str) -> Iterator[Path]:
    """Beside the image in /boot or in /lib/modules, and at the top of the directory in which it was built."""
    yield path.parent / f"config-{release}"
    yield path.parent / "config"
    yield path.parent / ".config"
    if path.parent.name == "boot" and len(path.parents) > 3:
        yield path.parents[3] / ".config"


def _modules_of(source: ImageSource, path: Path, release: str, where: str) -> Path | None:
    if source.modules:
        return require_modules(source.modules, release, where)
    beside = (path.parent, path.parent.parent) if path.parent.name == "boot" else (path.parent,)
    return next((found for one in beside if (found := find_modules(one, release))), None)


def _require_bootable(config: str, modules: Path | None, what: str) -> None:
    """Raises UsageError for a kernel that cannot mount its root: better now than as a guest that says nothing."""
    options = parse(config)
    lacking = [name for name in _NEEDED if options.get(name, "n") == "n"]
    if lacking:
        names = ", ".join(f"CONFIG_{name}" for name in lacking)
        raise UsageError(f"{what} cannot be booted here, for it was configured without {names}")
    loaded = [name for name in _NEEDED if options[name] == "m"]
    if loaded and modules is None:
        names = ", ".join(f"CONFIG_{name}" for name in loaded)
        raise UsageError(f"{what} has {names} as modules; name the directory with {BELOW} by 'modules:'")
    if loaded and options.get("BLK_DEV_INITRD") != "y":
        raise UsageError(f"{what} needs modules to boot, and was configured without CONFIG_BLK_DEV_INITRD")
