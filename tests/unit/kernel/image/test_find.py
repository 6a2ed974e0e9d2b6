# SPDX-License-Identifier: GPL-2.0-only
"""Prebuilt kernels: the type of an image file, its other parts, and the artifact."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import CommandError, InfrastructureError, UsageError
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.image.find import find_parts
from orchestrator.kernel.image.header import KernelImage, read_image
from orchestrator.kernel.image.prebuilt import ImageRequest, fetch_image, peek_image, prepare
from orchestrator.kernel.model import KernelBuild, Prebuilt
from orchestrator.scenario.sources import ImageSource

RELEASE = "7.3.4-topic"
BANNER = f"Linux version {RELEASE} (me@here) #1\n".encode()
PVH = struct.pack("<III4s", 4, 8, 18, b"Xen\0")
CONFIG = """\
# Linux/x86 7.3.4 Kernel Configuration
CONFIG_CC_VERSION_TEXT="gcc-14 (Debian) 14.2.0"
CONFIG_BLK_DEV_INITRD=y
CONFIG_NET_9P_VIRTIO=y
CONFIG_9P_FS=y
CONFIG_VIRTIO_PCI=y
"""
MODULAR = CONFIG.replace("9P_FS=y", "9P_FS=m")
WHERE = "s.yaml:5"
HOST = LocalHost()


def elf(content: bytes = BANNER + PVH, machine: int = 62) -> bytes:
    return struct.pack("<4s14xH", b"\x7fELF", machine) + bytes(44) + content


def bzimage(payload: bytes, release: str = RELEASE) -> bytes:
    """Return a bzImage of the boot protocol.

    It has the setup header with a version string, and the payload after it.
    """
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x100)
    text = f"{release} (me@here) #1 SMP".encode()
    head[0x300 : 0x300 + len(text)] = text
    struct.pack_into("<II", head, 0x248, 64, len(payload))
    return bytes(head) + bytes(64) + payload


def sized(packed: bytes, plain: bytes) -> bytes:
    """Append the size, as Kbuild does for formats that do not contain it."""
    return packed + struct.pack("<I", len(plain))


def zstd(plain: bytes) -> bytes:
    return sized(subprocess.run(["zstd", "-q", "-c"], input=plain, capture_output=True, check=True).stdout, plain)


def arm_image() -> bytes:
    return b"MZ" + bytes(54) + b"ARM\x64" + bytes(8) + BANNER


def zboot(payload: bytes) -> bytes:
    return struct.pack("<4s4sII8s32s", b"MZ\0\0", b"zimg", 64, len(payload), b"", b"zstd").ljust(64, b"\0") + payload


def read(tmp_path: Path, content: bytes) -> KernelImage | None:
    (tmp_path / "file").write_bytes(content)
    return read_image(HOST, tmp_path / "file")


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lambda plain: sized(gzip.compress(plain), plain),
        lambda plain: sized(lzma.compress(plain), plain),
        lambda plain: sized(lzma.compress(plain, lzma.FORMAT_ALONE), plain),
        zstd,
        lambda plain: plain,
    ],
)
def test_a_bzimage_gives_the_elf_image_that_it_carries(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    assert read(tmp_path, bzimage(pack(elf()))) == KernelImage("x86_64", RELEASE, "vmlinux", elf())


@pytest.mark.parametrize(
    "payload", [b"\x04\x22\x4d\x18 lz4", gzip.compress(elf(BANNER), mtime=0), gzip.compress(elf(), mtime=0)[:40]]
)
def test_a_bzimage_whose_payload_cannot_be_started_stays_as_it_is(tmp_path: Path, payload: bytes) -> None:
    image = bzimage(payload)
    assert read(tmp_path, image) == KernelImage("x86_64", RELEASE, "vmlinuz", image)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda plain: zboot(zstd(plain))])
def test_an_image_of_arm64_is_one_however_it_is_packed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    assert read(tmp_path, pack(arm_image())) == KernelImage("arm64", RELEASE, "Image", arm_image())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n",
        gzip.compress(b"no kernel", mtime=0),
        b"MZzimg",
        elf(BANNER),
        elf(PVH),
        elf(machine=183),
        b"\x7fELF",
        b"MZ\0\0zimg",
        bzimage(b"")[:0x220],
    ],
)
def test_what_is_no_kernel_is_none(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) is None


def test_an_image_can_carry_its_configuration(tmp_path: Path) -> None:
    image = read(tmp_path, elf(BANNER + PVH + b"IKCFG_ST" + gzip.compress(CONFIG.encode()) + b"IKCFG_ED"))
    assert image
    assert image.config == CONFIG
    plain = read(tmp_path, elf())
    assert plain
    assert plain.config is None


def build_directory(top: Path, config: str = CONFIG, image: bytes | None = None) -> Path:
    """Make a directory as ``make`` leaves it."""
    boot = top / "arch/x86/boot"
    boot.mkdir(parents=True)
    (boot / "bzImage").write_bytes(image or bzimage(gzip.compress(elf())))
    (top / ".config").write_text(config)
    return top


def module_tree(root: Path, release: str = RELEASE, suffix: str = "") -> Path:
    """Make a directory as ``make modules_install`` leaves it.

    It has two real objects, one of which needs the other, and links to the source.
    """
    place = root / "lib/modules" / release
    drivers = place / "kernel/drivers"
    drivers.mkdir(parents=True)
    needed = 'int __ksymtab_used __attribute__((section("__ksymtab"))); int used(void) { return 1; }'
    for name, code in (("used", needed), ("user", "int used(void); int user(void) { return used(); }")):
        info = f'char info[] __attribute__((section(".modinfo"))) = "name={name}";'
        compile_argv = ["gcc", "-c", "-x", "c", "-", "-o", str(drivers / f"{name}.ko")]
        subprocess.run(compile_argv, input=f"{code}\n{info}\n", text=True, check=True)
        if suffix:
            pack = ("xz", "-q") if suffix == ".xz" else ("zstd", "-q", "--rm")
            subprocess.run([*pack, str(drivers / f"{name}.ko")], check=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        (place / name).touch()
    (place / "build").symlink_to("/usr/src/linux")
    return root


def order(source: ImageSource, name: str = "mine") -> ImageRequest:
    return ImageRequest(name, source, WHERE)


def refusal(source: ImageSource, arch: str = "x86_64") -> str:
    with pytest.raises(UsageError) as caught:
        find_parts(HOST, source, arch, WHERE)
    return str(caught.value)


def test_a_build_directory_has_image_and_configuration(tmp_path: Path) -> None:
    parts = find_parts(HOST, ImageSource(build_directory(tmp_path)), "x86_64", WHERE)
    assert (parts.image.content, parts.config, parts.modules) == (elf(), CONFIG, None)


def test_of_two_images_in_a_build_directory_the_newer_one_counts(tmp_path: Path) -> None:
    build_directory(tmp_path)
    newer = elf(BANNER.replace(b"#1", b"#2") + PVH)
    (tmp_path / "vmlinux").write_bytes(newer)
    os.utime(tmp_path / "arch/x86/boot/bzImage", (1, 1))
    assert find_parts(HOST, ImageSource(tmp_path), "x86_64", WHERE).image.content == newer
    os.utime(tmp_path / "vmlinux", (0, 0))
    assert find_parts(HOST, ImageSource(tmp_path), "x86_64", WHERE).image.content == elf()


def test_the_image_of_a_build_directory_by_its_own_name_has_the_same_configuration(tmp_path: Path) -> None:
    path = build_directory(tmp_path) / "arch/x86/boot/bzImage"
    assert find_parts(HOST, ImageSource(path), "x86_64", WHERE).config == CONFIG


@pytest.mark.parametrize(
    ("image", "config"),
    [
        (f"boot/vmlinuz-{RELEASE}", f"boot/config-{RELEASE}"),
        (f"lib/modules/{RELEASE}/vmlinuz", f"lib/modules/{RELEASE}/config"),
    ],
)
def test_where_a_distribution_puts_things_they_are_found(tmp_path: Path, image: str, config: str) -> None:
    module_tree(tmp_path)
    for name in (image, config):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / image).write_bytes(bzimage(gzip.compress(elf())))
    (tmp_path / config).write_text(MODULAR)
    parts = find_parts(HOST, ImageSource(tmp_path / image), "x86_64", WHERE)
    assert (parts.config, parts.modules) == (MODULAR, tmp_path / "lib/modules" / RELEASE)


def test_modules_may_be_named_by_their_root_their_directory_or_the_one_above(tmp_path: Path) -> None:
    build = build_directory(tmp_path / "build", MODULAR)
    root = module_tree(tmp_path / "root")
    for named in (root, root / "lib/modules", root / "lib/modules" / RELEASE):
        parts = find_parts(HOST, ImageSource(build, named), "x86_64", WHERE)
        assert parts.modules == root / "lib/modules" / RELEASE


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = refusal(ImageSource(tmp_path / "gone"))
    assert text == f"{WHERE}: there is no {tmp_path}/gone; name an image, or a directory in which a kernel was built"


def test_a_directory_in_which_nothing_was_built_is_named(tmp_path: Path) -> None:
    text = refusal(ImageSource(tmp_path))
    assert text == f"{WHERE}: no kernel for x86_64 was built in {tmp_path}: it has no arch/x86/boot/bzImage or vmlinux"


def test_an_image_that_is_no_kernel_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no kernel")
    assert refusal(ImageSource(tmp_path / "notes.txt")).startswith(
        f"{WHERE}: {tmp_path}/notes.txt is no kernel image that orch can boot; name a bzImage"
    )


def test_an_image_of_another_architecture_is_named(tmp_path: Path) -> None:
    (tmp_path / "Image").write_bytes(arm_image())
    text = refusal(ImageSource(tmp_path / "Image"))
    assert text == f"{WHERE}: {tmp_path}/Image is a kernel for arm64, and this one must be for x86_64"


def test_a_missing_configuration_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(bzimage(elf()))
    text = refusal(ImageSource(tmp_path / "bzImage"))
    assert text == f"{WHERE}: no configuration found for {tmp_path}/bzImage (Linux {RELEASE}); name it with 'config:'"


def test_a_configuration_that_is_none_or_of_another_version_is_named(tmp_path: Path) -> None:
    build = build_directory(tmp_path)
    other = tmp_path / "other"
    other.write_text(CONFIG.replace("7.3.4", "6.12.1"))
    assert refusal(ImageSource(build, config=other)).startswith(
        f"{WHERE}: {other} is the configuration of Linux 6.12, "
    )
    other.write_text("hello\n")
    assert refusal(ImageSource(build, config=other)) == f"{WHERE}: {other} is no kernel configuration"
    assert refusal(ImageSource(build, config=tmp_path / "gone")) == f"{WHERE}: there is no file {tmp_path}/gone"


def test_modules_of_another_version_are_named(tmp_path: Path) -> None:
    build = build_directory(tmp_path / "build", MODULAR)
    root = module_tree(tmp_path / "root", "7.2.0")
    text = refusal(ImageSource(build, root))
    assert text == f"{WHERE}: {root} has no modules of this kernel, which is Linux {RELEASE}, only of 7.2.0"
    assert refusal(ImageSource(build, tmp_path)).endswith(f"no lib/modules/{RELEASE}")


def test_a_kernel_that_needs_modules_and_has_none_is_refused(tmp_path: Path) -> None:
    text = refusal(ImageSource(build_directory(tmp_path, MODULAR)))
    assert text.endswith("has CONFIG_9P_FS as modules; name the directory with lib/modules by 'modules:'")


def test_a_kernel_that_cannot_mount_its_root_is_refused(tmp_path: Path) -> None:
    text = refusal(ImageSource(build_directory(tmp_path, CONFIG.replace("CONFIG_9P_FS=y\n", ""))))
    assert text.endswith("cannot be booted here: it was configured without CONFIG_9P_FS")


def made(tmp_path: Path, source: ImageSource, name: str = "mine") -> tuple[Prebuilt, KernelBuild]:
    cache = tmp_path / "cache"
    fetched = fetch_image(HOST, cache, order(source, name), ignore)
    return fetched, prepare(HOST, KernelCache(cache), fetched, 2, ignore)


@pytest.mark.parametrize("suffix", ["", ".xz", ".zst"])
def test_the_artifact_has_image_configuration_and_modules_that_a_guest_can_load(tmp_path: Path, suffix: str) -> None:
    build = build_directory(tmp_path / "build", MODULAR)
    fetched, artifact = made(tmp_path, ImageSource(build, module_tree(tmp_path / "root", suffix=suffix)))
    assert artifact.image == artifact.directory / "vmlinux"
    assert artifact.image.read_bytes() == elf()
    assert artifact.config.read_text() == MODULAR
    assert (artifact.version, artifact.key, artifact.cached) == (RELEASE, fetched.key, False)
    assert artifact.modules == artifact.directory
    tree = artifact.directory / "lib/modules" / RELEASE
    assert sorted(path.name for path in (tree / "kernel/drivers").iterdir()) == ["used.ko", "user.ko"]
    indexed = (tree / "modules.dep").read_text().splitlines()
    assert sorted(line.partition(":")[0] for line in indexed) == ["kernel/drivers/used.ko", "kernel/drivers/user.ko"]
    assert not (tree / "build").is_symlink()
    assert sorted(path.name for path in artifact.directory.iterdir()) == [
        "config",
        "lib",
        "provenance.json",
        "vmlinux",
    ]
    assert not fetched.place.exists()


def test_the_provenance_says_where_it_comes_from_and_which_compiler_made_it(tmp_path: Path) -> None:
    fetched, artifact = made(tmp_path, ImageSource(build_directory(tmp_path / "build")))
    provenance = json.loads((artifact.directory / "provenance.json").read_text())
    assert provenance["source"] == {"name": f"Linux {RELEASE} from {tmp_path}/build", "sha256": fetched.id}
    assert provenance["toolchain"]["compiler"] == "gcc-14 (Debian) 14.2.0"
    assert provenance["patches"] == []


def test_the_same_kernel_again_is_in_the_cache_under_any_name_and_from_anywhere(tmp_path: Path) -> None:
    source = ImageSource(build_directory(tmp_path / "build"), module_tree(tmp_path / "root"))
    fetched, first = made(tmp_path, source)
    (tmp_path / "build").rename(tmp_path / "moved")
    again, second = made(tmp_path, replace(source, path=tmp_path / "moved"), "other")
    assert (second.key, second.name, second.cached) == (first.key, "other", True)
    assert not again.place.exists()
    assert peek_image(HOST, tmp_path / "cache", order(replace(source, path=tmp_path / "moved"))) == replace(
        again, name="mine"
    )
    assert fetched.id == again.id


@pytest.mark.parametrize("changed", ["image", "config", "module"])
def test_any_change_makes_another_kernel(tmp_path: Path, changed: str) -> None:
    build, root = build_directory(tmp_path / "build"), module_tree(tmp_path / "root")
    first = fetch_image(HOST, tmp_path / "cache", order(ImageSource(build, root)), ignore)
    if changed == "image":
        (build / "arch/x86/boot/bzImage").write_bytes(bzimage(elf(BANNER + PVH + b"!")))
    elif changed == "config":
        (build / ".config").write_text(CONFIG + "CONFIG_MORE=y\n")
    else:
        (root / "lib/modules" / RELEASE / "kernel/drivers/user.ko").write_bytes(b"other")
    assert fetch_image(HOST, tmp_path / "cache", order(ImageSource(build, root)), ignore).key != first.key


def test_building_on_in_the_directory_does_not_disturb_what_was_fetched(tmp_path: Path) -> None:
    build, root = build_directory(tmp_path / "build", MODULAR), module_tree(tmp_path / "root")
    fetched = fetch_image(HOST, tmp_path / "cache", order(ImageSource(build, root)), ignore)
    (build / "arch/x86/boot/bzImage").write_bytes(b"half a link")
    (build / ".config").unlink()
    (root / "lib/modules" / RELEASE / "kernel/drivers/user.ko").write_bytes(b"")
    artifact = prepare(HOST, KernelCache(tmp_path / "cache"), fetched, 2, ignore)
    assert artifact.image.read_bytes() == elf()
    assert (artifact.directory / "lib/modules" / RELEASE / "kernel/drivers/user.ko").stat().st_size


def test_what_fails_half_way_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    root = module_tree(tmp_path / "root")
    (root / "lib/modules" / RELEASE / "kernel/drivers/user.ko").rename(tmp_path / "plain")
    (root / "lib/modules" / RELEASE / "kernel/drivers/user.ko.xz").write_bytes(b"cut off")
    cache = tmp_path / "cache"
    fetched = fetch_image(HOST, cache, order(ImageSource(build_directory(tmp_path / "build"), root)), ignore)
    with pytest.raises(CommandError, match=f"unpacking the modules of Linux {RELEASE} failed"):
        prepare(HOST, KernelCache(cache), fetched, 2, ignore)
    assert not any((cache / "builds").glob("*"))
    assert not any((cache / "work").glob("*"))
    assert fetched.place.exists()


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A dangling link among the modules, as left by a build that is cleaned meanwhile."""
    root = module_tree(tmp_path / "root")
    (root / "lib/modules" / RELEASE / "kernel/gone.ko").symlink_to("/nowhere/gone.ko")
    build = build_directory(tmp_path / "build", MODULAR)
    with pytest.raises(InfrastructureError, match=r"^s.yaml:5: .* cannot be copied: .*/gone.ko"):
        fetch_image(HOST, tmp_path / "cache", order(ImageSource(build, root)), ignore)
    assert not any((tmp_path / "cache/images").iterdir())


def test_a_kernel_without_modules_has_none(tmp_path: Path) -> None:
    assert made(tmp_path, ImageSource(build_directory(tmp_path / "build")))[1].modules is None
