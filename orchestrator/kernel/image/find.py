# SPDX-License-Identifier: GPL-2.0-only
"""Find a prebuilt kernel's image, configuration and modules, and check that they fit together.

They are searched in the places that builds and distributions use; the checks run before any boot.
"""

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
"""Without these a guest cannot mount its root file system."""


@dataclass(frozen=True)
class Parts:
    """A complete kernel.

    `config` is the text of its configuration; `modules` is the directory of its release, or None.
    """

    image: KernelImage
    config: str
    modules: Path | None

    @property
    def id(self) -> str:
        """SHA-256, in hex, of image, configuration and modules."""
        whole = hashlib.sha256(hashlib.sha256(self.image.content).digest())
        whole.update(hashlib.sha256(self.config.encode()).digest())
        for path in sorted(self._module_files()):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{path.relative_to(self.modules or path)} {content}\n".encode(errors="surrogateescape"))
        return whole.hexdigest()

    def _module_files(self) -> Iterator[Path]:
        if self.modules:
            yield from (path for path in self.modules.iterdir() if path.is_file())
            for top in (path for path in self.modules.iterdir() if path.is_dir() and not path.is_symlink()):
                yield from (path for path in top.rglob("*") if path.is_file())


def find_parts(host: Host, source: ImageSource, arch: str, where: str) -> Parts:
    """Return the kernel that `source` names.

    `arch` is the kernel's name of the architecture.  Raises UsageError, which begins with `where`, if a part is missing
    or does not fit the others.
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
        raise UsageError(f"{where}: {path} is a kernel for {image.arch}, and this one must be for {arch}")
    config = _config_of(source, path, image, where)
    modules = _modules_of(source, path, image.release, where)
    _require_bootable(config, modules, f"{where}: {path}")
    return Parts(image, config, modules)


def _image_path(path: Path, arch: str, where: str) -> Path:
    """Return the image file: `path` itself, or the newest image in a build directory."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"{where}: there is no {path}; name an image, or a directory in which a kernel was built")
    there = [path / name for name in (ARCHES[arch].images if arch in ARCHES else ()) if (path / name).is_file()]
    if not there:
        names = " or ".join(ARCHES[arch].images if arch in ARCHES else ())
        raise UsageError(f"{where}: no kernel for {arch} was built in {path}: it has no {names}")
    return max(there, key=lambda image: image.stat().st_mtime_ns)


def _config_of(source: ImageSource, path: Path, image: KernelImage, where: str) -> str:
    name, text = _read_config(source, path, image, where)
    version = _CONFIG_VERSION.search(text)
    if version and not re.match(re.escape(version[1]) + r"(\D|$)", image.release):
        raise UsageError(f"{where}: {name} is the configuration of Linux {version[1]}, and {path} is {image.release}")
    return text


def _read_config(source: ImageSource, path: Path, image: KernelImage, where: str) -> tuple[str, str]:
    """Return the place and the text of the configuration.

    Searched in this order: the file that the user named, the image itself, files near the image.
    """
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
    """Yield the places of a configuration near an image.

    These are beside the image, as in /boot or /lib/modules, and the top of its build directory.
    """
    yield path.parent / f"config-{release}"
    yield path.parent / "config"
    yield path.parent / ".config"
    if path.parent.name == "boot" and len(path.parents) > 3:
        yield path.parents[3] / ".config"


def _modules_of(source: ImageSource, path: Path, release: str, where: str) -> Path | None:
    if source.modules:
        return require_modules(source.modules, release, where)
    beside = (path.parent, path.parent.parent) if path.parent.name == "boot" else (path.parent,)
    return next((found for directory in beside if (found := find_modules(directory, release))), None)


def _require_bootable(config: str, modules: Path | None, what: str) -> None:
    """Raise UsageError for a kernel that cannot mount its root.

    Otherwise the guest would hang without a message.
    """
    options = parse(config)
    lacking = [name for name in _NEEDED if options.get(name, "n") == "n"]
    if lacking:
        names = ", ".join(f"CONFIG_{name}" for name in lacking)
        raise UsageError(f"{what} cannot be booted here: it was configured without {names}")
    loaded = [name for name in _NEEDED if options[name] == "m"]
    if loaded and modules is None:
        names = ", ".join(f"CONFIG_{name}" for name in loaded)
        raise UsageError(f"{what} has {names} as modules; name the directory with {BELOW} by 'modules:'")
    if loaded and options.get("BLK_DEV_INITRD") != "y":
        raise UsageError(f"{what} needs modules to boot, and was configured without CONFIG_BLK_DEV_INITRD")
