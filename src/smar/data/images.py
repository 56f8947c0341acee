"""Reads product photos safely: what is wrong with a file, and its pixels as a square of bytes.

Knows nothing of items or encoders.
"""

from __future__ import annotations

import io
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pydantic import Field

from smar.config import Config
from smar.errors import DataError
from smar.files import digest

Pixels = UInt8[np.ndarray, "size size 3"]
FaultKind = Literal[
    "missing",
    "unreadable",
    "truncated",
    "oversized",
    "bomb",
    "animated",
    "cmyk",
    "palette",
    "rotated",
    "transparent",
]

READING = 2
"""Counted up when `read_image` changes the pixels of a file: states of photos are kept under it."""
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A JPEG is decoded at the smallest eighth that leaves twice the wanted pixels: fast, and still smooth.
_DRAFT_GAP = 2
_REDUCING_GAP = 3.0


class ImageLimits(Config):
    """How large a photo may be before it is refused unread."""

    max_bytes: int = Field(default=20_000_000, ge=1)
    """Largest file, in bytes."""
    max_pixels: int = Field(default=50_000_000, ge=1)
    """Largest picture, width times height, as its header states it."""


@dataclass(frozen=True, slots=True)
class ImageFault:
    """One thing about a photo that is not as expected; `fatal` if it cannot be shown at all."""

    kind: FaultKind
    message: str
    fatal: bool


class ImageUnreadable(DataError):  # noqa: N818 - a state of the photo, beside `ImageFault`
    """A photo cannot be read; `fault` says why."""

    def __init__(self, fault: ImageFault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return self.fault.message


def inspect_image(path: Path, limits: ImageLimits | None = None) -> list[ImageFault]:
    """Everything unusual about a photo; empty for a plain upright RGB or grey one.

    A fatal fault stands alone, and `read_image` raises it; the others are notes on what that one converts.
    """
    try:
        limits = limits or ImageLimits()
        image = _decode(path, _read_bytes(path, limits.max_bytes), 1, limits)
        with _malformed_as_fault(path):
            notes = _notes(path, image)
            _upright_rgb(image)
    except ImageUnreadable as error:
        return [error.fault]
    return notes


def read_image(path: Path, size: int, limits: ImageLimits | None = None) -> Pixels:
    """The photo upright in RGB, stretched to a square of `size`.

    Stretched rather than padded: no pixels are spent on a border, and none of it counts as a colour of the
    product. The first frame of an animation is taken, transparency is laid over white, colour profiles are
    ignored.

    Raises:
        ImageUnreadable: the file is missing, too large, truncated or no picture; `fault` says which.
    """
    return _square(
        path, _read_bytes(path, (limits or ImageLimits()).max_bytes), size, limits or ImageLimits()
    )


def read_image_bytes(data: bytes, size: int, limits: ImageLimits | None = None) -> Pixels:
    """`read_image` of bytes that someone sent; messages call them `photo`."""
    return _square(Path("photo"), data, size, limits or ImageLimits())


def shrink_image(path: Path, width: int, limits: ImageLimits | None = None) -> Image.Image:
    """The photo upright in RGB, at most `width` pixels wide and as high as that makes it; never enlarged.

    Raises:
        ImageUnreadable: as `read_image`.
    """
    limits = limits or ImageLimits()
    image = _decode(path, _read_bytes(path, limits.max_bytes), width, limits)
    with _malformed_as_fault(path):
        upright = _upright_rgb(image)
        if upright.width <= width:
            return upright
        height = max(1, round(upright.height * width / upright.width))
        return upright.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP)


def read_images(
    paths: Iterable[Path], size: int, limits: ImageLimits | None = None, workers: int = 2
) -> Iterator[Pixels | ImageFault]:
    """Read photos in `workers` threads and yield them in order: the pixels, or the fault that prevents them.

    At most a few photos a worker are held ahead of the caller, however many `paths` there are.
    """
    ahead: deque[Future[Pixels | ImageFault]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read-images")
    try:
        for path in paths:
            ahead.append(pool.submit(_pixels_or_fault, path, size, limits))
            if len(ahead) > 4 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def image_key(path: Path) -> str:
    """Digest of the file's bytes: the same photo under many names has one key.

    Raises:
        ImageUnreadable: the file is missing or cannot be read.
    """
    return digest(_read_bytes(path, None))


def _pixels_or_fault(path: Path, size: int, limits: ImageLimits | None) -> Pixels | ImageFault:
    try:
        return read_image(path, size, limits)
    except ImageUnreadable as error:
        return error.fault


def _square(path: Path, data: bytes, size: int, limits: ImageLimits) -> Pixels:
    with _malformed_as_fault(path):
        image = _drafted(path, data, size, limits)
        pixels = _plain_jpeg(image, data)
        if pixels is None:
            image.load()
            pixels = np.array(_reduced(_upright_rgb(image), size))
    return _stretched(pixels, size)


def _plain_jpeg(image: ImageFile.ImageFile, data: bytes) -> UInt8[np.ndarray, "height width 3"] | None:
    """The same pixels by libjpeg-turbo itself, a third faster; None for what Pillow has to turn, convert or refuse."""
    is_plain = isinstance(image, JpegImageFile) and image.mode in ("RGB", "L")
    if not is_plain or _orientation(image) in _UPRIGHT:
        return None
    pixels: UInt8[np.ndarray, "height width 3"]
    try:
        pixels = simplejpeg.decode_jpeg(data, min_width=image.width, min_height=image.height, strict=True)
    except ValueError:
        return None
    return pixels


def _reduced(image: Image.Image, size: int) -> Image.Image:
    """Averaged over whole blocks, down to some thrice `size` a side: bytes of a large picture take much memory."""
    across, down = (max(1, int(side / (_REDUCING_GAP * size))) for side in image.size)
    return image if across == down == 1 else image.reduce((across, down))


def _stretched(pixels: UInt8[np.ndarray, "height width 3"], size: int) -> Pixels:
    """Resized by smoothing cubics in bytes, across first and then down: in a fifth of Pillow's time.

    Of photos one value in twenty is off Pillow's by one, few by more: Pillow goes down first where that leaves less
    to do, and both cut at black and white in between.
    """
    import torch  # a second of starting, which a service that only answers text saves

    planes = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    square = torch.nn.functional.interpolate(planes, size=(size, size), mode="bicubic", antialias=True)
    return np.ascontiguousarray(square[0].permute(1, 2, 0).numpy())


def _decode(path: Path, data: bytes, size: int, limits: ImageLimits) -> ImageFile.ImageFile:
    """Decode the first frame, at a reduced scale if the format can and `size` allows it."""
    with _malformed_as_fault(path):
        image = _drafted(path, data, size, limits)
        image.load()
    return image


def _drafted(path: Path, data: bytes, size: int, limits: ImageLimits) -> ImageFile.ImageFile:
    """Read the header, and choose the scale to decode at; no pixels yet."""
    image = _open(path, data)
    width, height = image.size
    if width * height > limits.max_pixels:
        raise _fatal("bomb", path, f"states {width} x {height} pixels, above {limits.max_pixels:,}")
    image.draft(None, (_DRAFT_GAP * size, _DRAFT_GAP * size))
    return image


def _read_bytes(path: Path, max_bytes: int | None) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _fatal("unreadable", path, "is no regular file")
        if max_bytes is not None and status.st_size > max_bytes:
            raise _fatal("oversized", path, f"has {status.st_size:,} bytes, above {max_bytes:,}")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _fatal("missing", path, "does not exist") from error
    except OSError as error:
        raise _fatal("unreadable", path, f"cannot be read ({error.strerror})") from error


def _open(path: Path, data: bytes) -> ImageFile.ImageFile:
    """Read the header with the one reader its first bytes call for.

    `PIL.Image.open` would try every format it knows, and warn of or refuse sizes by a process-wide limit.
    """
    stream = io.BytesIO(data)
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(stream)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile(stream)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile(stream)
    if data.startswith(b"BM"):
        return BmpImageFile(stream)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        if int.from_bytes(data[4:8], "little") + 8 > len(data):
            raise _fatal("truncated", path, "is truncated (its header states more bytes)")
        return WebPImageFile(stream)
    if not data:
        raise _fatal("unreadable", path, "is empty")
    raise _fatal("unreadable", path, f"is no JPEG, PNG, GIF, WebP or BMP (it starts with {data[:8]!r})")


@contextmanager
def _malformed_as_fault(path: Path) -> Iterator[None]:
    try:
        yield
    except (ImageUnreadable, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise _fatal("bomb", path, str(error)) from error
    except Exception as error:  # a malformed file makes decoders raise almost anything
        is_cut = any(word in str(error).lower() for word in ("truncated", "incomplete"))
        problem = "is truncated" if is_cut else "cannot be decoded"
        detail = str(error) or type(error).__name__
        raise _fatal("truncated" if is_cut else "unreadable", path, f"{problem} ({detail})") from error


def _fatal(kind: FaultKind, path: Path, problem: str) -> ImageUnreadable:
    advice = "replace the file, or leave `image` of its item empty"
    return ImageUnreadable(ImageFault(kind, f"{path}: {problem}; {advice}", fatal=True))


def _notes(path: Path, image: ImageFile.ImageFile) -> list[ImageFault]:
    found: list[tuple[FaultKind, str]] = []
    if image.mode == "CMYK":
        found.append(("cmyk", "has print colours (CMYK); they are converted without a colour profile"))
    if image.mode in ("P", "PA"):
        found.append(("palette", "has a palette of at most 256 colours; it is converted to RGB"))
    if _orientation(image) in _UPRIGHT:
        found.append(("rotated", "lies on its side or mirrored (EXIF); it is turned upright"))
    if _is_transparent(image):
        found.append(("transparent", "is partly transparent; it is laid over white"))
    if _is_animated(image):
        found.append(("animated", "is an animation; only its first frame is read"))
    return [ImageFault(kind, f"{path}: {problem}", fatal=False) for kind, problem in found]


def _is_transparent(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return bool(lowest != 255)


def _is_animated(image: ImageFile.ImageFile) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # looking for a second frame stumbled over one, and the first is all that is read
        return True


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # broken camera notes say nothing of how to hold the picture
        return 1


def _upright_rgb(image: ImageFile.ImageFile) -> Image.Image:
    orientation = _orientation(image)
    coloured: Image.Image = image
    if image.mode.startswith("I;16"):  # Pillow would clip 16 bits of grey to 8, which is white
        coloured = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if coloured.has_transparency_data:
        transparent = coloured.convert("RGBA")
        coloured = Image.new("RGB", image.size, (255, 255, 255))
        coloured.paste(transparent, mask=transparent)
    elif coloured.mode != "RGB":
        coloured = coloured.convert("RGB")
    return coloured.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else coloured
