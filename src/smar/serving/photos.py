"""Thumbnails of products' photos, each made once and kept on disk. Knows files; nothing of items or HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smar.data.images import shrink_image
from smar.files import digest, whole_file

WIDTHS = (64, 128, 256, 512, 1024)
"""Widths that are made; what is asked for is rounded up, so that no one can fill the disk with others."""


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG on disk; `tag` changes when the photo or the width does."""

    path: Path
    tag: str


def thumbnail(photo: Path, width: int, folder: Path) -> Thumbnail:
    """The thumbnail of `photo` of at least `width` pixels, or of the largest of `WIDTHS`; made if need be.

    Raises:
        ImageUnreadable: the photo is missing or broken.
    """
    width = next((known for known in WIDTHS if known >= width), WIDTHS[-1])
    try:
        state = photo.stat()
        tag = digest(str(photo), str(state.st_mtime_ns), str(state.st_size), str(width))
    except OSError:
        tag = ""
    path = folder / tag[:2] / f"{tag}.jpg"
    if not tag or not path.exists():
        image = shrink_image(photo, width)
        with whole_file(path) as part:
            image.save(part, "JPEG", quality=85, optimize=True)
    return Thumbnail(path, tag)
