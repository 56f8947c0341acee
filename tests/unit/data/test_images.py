from __future__ import annotations

import io
import os
import pickle
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from smar.data.images import (
    ImageFault,
    ImageLimits,
    ImageUnreadable,
    image_key,
    inspect_image,
    read_image,
    read_images,
)

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def halves(
    width: int, height: int, left: object = RED, right: object = BLUE, mode: str = "RGB"
) -> Image.Image:
    image = Image.new(mode, (width, height), left)  # type: ignore[arg-type]
    image.paste(right, (width // 2, 0, width, height))  # type: ignore[arg-type]
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_stating(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header states any size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def kinds(path: Path, limits: ImageLimits | None = None) -> list[str]:
    return [fault.kind for fault in inspect_image(path, limits)]


def the_fault(path: Path, limits: ImageLimits | None = None) -> ImageFault:
    """The one fatal fault, after checking that inspecting and reading agree on it."""
    with pytest.raises(ImageUnreadable) as raised:
        read_image(path, 32, limits)
    assert inspect_image(path, limits) == [raised.value.fault]
    assert raised.value.fault.fatal
    assert str(raised.value).startswith(f"{path}: ")
    return raised.value.fault


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_plain_photo_has_no_faults(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "BMP"):
        assert inspect_image(put(tmp_path, "photo", encoded(noise(40, 30), kind))) == []
    assert inspect_image(put(tmp_path, "grey.jpg", encoded(noise(40, 30).convert("L"), "JPEG"))) == []


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    assert the_fault(tmp_path / "none.jpg").kind == "missing"
    assert the_fault(put(tmp_path, "file", b"") / "below-a-file.jpg").kind == "missing"


def test_an_empty_file_is_unreadable(tmp_path: Path) -> None:
    fault = the_fault(put(tmp_path, "empty.jpg", b""))
    assert fault.kind == "unreadable"
    assert "is empty" in fault.message


def test_text_named_jpg_is_unreadable_and_the_message_shows_how_it_starts(tmp_path: Path) -> None:
    fault = the_fault(put(tmp_path, "page.jpg", b"<html>not found</html>"))
    assert fault.kind == "unreadable"
    assert "<html>" in fault.message


def test_a_folder_and_a_pipe_are_unreadable_and_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert the_fault(tmp_path).kind == "unreadable"
    assert the_fault(tmp_path / "pipe.jpg").kind == "unreadable"


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_cut_anywhere_in_its_pixels_is_truncated(tmp_path: Path, options: dict[str, object]) -> None:
    data = encoded(noise(64, 48), "JPEG", **options)
    for kept in (len(data) // 4, len(data) // 2, len(data) - 10):
        assert the_fault(put(tmp_path, "cut.jpg", data[:kept])).kind == "truncated"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP"])
def test_other_formats_cut_in_half_are_truncated(tmp_path: Path, kind: str) -> None:
    data = encoded(noise(64, 48), kind)
    assert the_fault(put(tmp_path, "cut", data[: len(data) // 2])).kind == "truncated"


def test_a_corrupt_picture_is_unreadable(tmp_path: Path) -> None:
    data = bytearray(encoded(noise(64, 48), "PNG"))
    data[60:80] = bytes(20)
    assert the_fault(put(tmp_path, "bad.png", bytes(data))).kind == "unreadable"


def test_a_file_above_the_byte_limit_is_oversized(tmp_path: Path) -> None:
    path = put(tmp_path, "large.jpg", encoded(noise(64, 48), "JPEG"))
    fault = the_fault(path, ImageLimits(max_bytes=100))
    assert fault.kind == "oversized"
    assert "above 100" in fault.message


@pytest.mark.parametrize("side", [10_000, 20_000, 60_000])
def test_a_header_stating_too_many_pixels_is_a_bomb_and_is_never_decoded(tmp_path: Path, side: int) -> None:
    # 10,000 squared is what Pillow itself would warn of, the others what it would refuse.
    fault = the_fault(put(tmp_path, "bomb.png", png_stating(side, side)))
    assert fault.kind == "bomb"
    assert f"{side} x {side}" in fault.message


def test_the_pixel_limit_is_ours_and_not_the_process_wide_one_of_pillow(tmp_path: Path) -> None:
    path = put(tmp_path, "photo.png", encoded(noise(40, 30), "PNG"))
    assert the_fault(path, ImageLimits(max_pixels=1199)).kind == "bomb"
    assert inspect_image(path, ImageLimits(max_pixels=1200)) == []
    # Pillow would warn of this many, which would be an error here; ours only finds the pixels missing.
    wide = put(tmp_path, "wide.png", png_stating(100_000, 1000))
    assert the_fault(wide, ImageLimits(max_pixels=200_000_000)).kind == "truncated"


def test_reading_changes_nothing_in_pillow(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, dict(Image.OPEN)
    inspect_image(put(tmp_path, "bomb.png", png_stating(60_000, 60_000)))
    inspect_image(put(tmp_path, "cut.jpg", encoded(noise(64, 48), "JPEG")[:500]))
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, dict(Image.OPEN)) == before


def test_of_an_animated_gif_the_first_frame_is_read(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (20, 20), RED), Image.new("RGB", (20, 20), BLUE)
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    path = put(tmp_path, "blink.gif", data)
    assert set(kinds(path)) == {"animated", "palette"}
    assert read_image(path, 20)[10, 10].tolist() == list(RED)


def test_a_gif_whose_second_frame_is_broken_still_gives_its_first(tmp_path: Path) -> None:
    data = encoded(noise(30, 30), "GIF", save_all=True, append_images=[noise(30, 31).resize((30, 30))])
    path = put(tmp_path, "half.gif", data[: len(data) * 3 // 4])
    assert "animated" in kinds(path)
    assert read_image(path, 30).std() > 10


def test_animated_webp_and_png_are_noted(tmp_path: Path) -> None:
    frames = [noise(20, 20), noise(20, 21).resize((20, 20))]
    for kind in ("WEBP", "PNG"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert kinds(put(tmp_path, "moving", data)) == ["animated"]


def test_a_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    path = put(tmp_path, "print.jpg", encoded(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG"))
    assert kinds(path) == ["cmyk"]
    red, green, blue = read_image(path, 20)[10, 10].tolist()
    assert red > 240
    assert max(green, blue) < 15


def test_a_palette_png_becomes_rgb(tmp_path: Path) -> None:
    path = put(tmp_path, "few.png", encoded(halves(20, 20).quantize(4), "PNG"))
    assert kinds(path) == ["palette"]
    pixels = read_image(path, 20)
    assert pixels[10, 3].tolist() == list(RED)
    assert pixels[10, 17].tolist() == list(BLUE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = Image.new("RGB", (40, 20), RED)
    upright.paste(BLUE, (20, 0, 40, 20))
    upright.paste(GREEN, (0, 0, 20, 10))
    # The camera stores what gives `upright` again once its orientation is undone.
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = put(tmp_path, "held.jpg", encoded(stored, "JPEG", exif=exif, quality=95, subsampling=0))
    assert kinds(path) == ([] if orientation == 1 else ["rotated"])
    pixels = read_image(path, 40).astype(int)
    for (row, column), colour in {(9, 10): GREEN, (30, 10): RED, (9, 30): BLUE, (30, 30): BLUE}.items():
        assert np.abs(pixels[row, column] - colour).max() < 12


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_broken_exif_block_does_not_spoil_the_photo(tmp_path: Path) -> None:
    path = put(
        tmp_path, "notes.jpg", encoded(noise(40, 30), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff")
    )
    assert inspect_image(path) == []
    assert read_image(path, 40).std() > 10


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    clear, half, solid = (0, 0, 0, 0), (0, 0, 0, 128), (0, 0, 255, 255)
    image = Image.new("RGBA", (30, 30), clear)
    image.paste(half, (10, 0, 20, 30))
    image.paste(solid, (20, 0, 30, 30))
    for kind in ("PNG", "WEBP"):
        path = put(tmp_path, "glass", encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
        assert kinds(path) == ["transparent"]
        pixels = read_image(path, 30)
        assert pixels[15, 4].tolist() == [255, 255, 255]
        assert pixels[15, 14].tolist() == [127, 127, 127]
        assert pixels[15, 25].tolist() == [0, 0, 255]


def test_a_transparent_palette_colour_is_white_too(tmp_path: Path) -> None:
    image = halves(20, 20).quantize(4)
    left = image.getpixel((2, 2))
    path = put(tmp_path, "few.png", encoded(image, "PNG", transparency=left))
    assert kinds(path) == ["palette", "transparent"]
    assert read_image(path, 20)[10, 3].tolist() == [255, 255, 255]


def test_an_alpha_channel_that_is_opaque_everywhere_is_no_fault(tmp_path: Path) -> None:
    assert inspect_image(put(tmp_path, "solid.png", encoded(noise(20, 20).convert("RGBA"), "PNG"))) == []


def test_sixteen_bit_grey_keeps_its_shades(tmp_path: Path) -> None:
    shades = (np.arange(20, dtype=np.uint16) * 3000).reshape(1, 20).repeat(20, axis=0)
    path = put(tmp_path, "deep.png", encoded(Image.fromarray(shades), "PNG"))
    assert inspect_image(path) == []
    np.testing.assert_array_equal(read_image(path, 20)[10, :, 0], shades[0] >> 8)


@pytest.mark.parametrize(("width", "height"), [(40, 20), (20, 40), (400, 200), (7, 7), (1000, 1), (9000, 6)])
def test_a_photo_of_any_shape_fills_the_whole_square(tmp_path: Path, width: int, height: int) -> None:
    path = put(tmp_path, "block.png", encoded(Image.new("RGB", (width, height), RED), "PNG"))
    pixels = read_image(path, 40)
    assert pixels.shape == (40, 40, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert (pixels == RED).all()


def test_a_wide_photo_keeps_its_left_on_the_left_and_its_right_on_the_right(tmp_path: Path) -> None:
    pixels = read_image(put(tmp_path, "wide.png", encoded(halves(80, 10), "PNG")), 40)
    assert (pixels[:, :18] == RED).all()
    assert (pixels[:, 22:] == BLUE).all()


def test_a_large_jpeg_read_at_a_reduced_scale_looks_like_the_full_one(tmp_path: Path) -> None:
    smooth = noise(12, 9).resize((1600, 1200), Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG", quality=95)
    full = Image.open(io.BytesIO(data)).resize((64, 64), Image.Resampling.BICUBIC)
    pixels = read_image(put(tmp_path, "large.jpg", data), 64)
    assert np.abs(pixels.astype(int) - np.asarray(full)).mean() < 2


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
@pytest.mark.parametrize(("width", "height"), [(171, 256), (224, 224), (90, 60), (1201, 803), (2400, 1800)])
def test_a_jpeg_has_the_pixels_that_pillow_gives(
    tmp_path: Path, mode: str, options: dict[str, object], width: int, height: int
) -> None:
    smooth = noise(width // 9, height // 9).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    data = encoded(smooth, "JPEG", **options)
    pillow = Image.open(io.BytesIO(data))
    pillow.draft("RGB" if mode == "RGB" else "L", (448, 448))
    expected = np.asarray(pillow.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)).astype(int)
    difference = np.abs(read_image(put(tmp_path, "photo.jpg", data), 224) - expected)
    assert difference.mean() < 0.3
    assert (difference > 1).mean() < 0.005


@pytest.mark.parametrize("notes", ["none", "exif", "xmp"])
def test_plain_jpegs_are_decoded_without_pillow_and_turned_ones_are_not(
    tmp_path: Path, notes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, object] = {}
    if notes == "exif":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    elif notes == "xmp":
        options["xmp"] = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6"/></x:xmpmeta>'
    asked = []
    decode = simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *all, **how: asked.append(1) or decode(*all, **how))
    pixels = read_image(put(tmp_path, "photo.jpg", encoded(halves(80, 40), "JPEG", **options)), 40)
    assert len(asked) == (notes == "none")
    # Turned by a quarter to the right, what was on the left is above.
    assert np.abs(pixels[2, 35].astype(int) - (BLUE if notes == "none" else RED)).max() < 8


def test_what_is_large_and_no_jpeg_is_averaged_before_it_is_resized(tmp_path: Path) -> None:
    smooth = noise(12, 9).resize((1600, 1200), Image.Resampling.BICUBIC)
    expected = np.asarray(smooth.resize((64, 64), Image.Resampling.BICUBIC, reducing_gap=3.0)).astype(int)
    difference = np.abs(read_image(put(tmp_path, "large.png", encoded(smooth, "PNG")), 64) - expected)
    assert difference.max() <= 2
    assert difference.mean() < 0.3


def test_what_fails_beside_the_file_is_not_called_a_fault_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("smar.data.images._stretched", fail)
    path = put(tmp_path, "photo.png", encoded(halves(8, 8), "PNG"))
    with pytest.raises(RuntimeError, match="allocate"):
        read_image(path, 40)


def test_reading_many_gives_pixels_and_faults_in_order(tmp_path: Path) -> None:
    paths = []
    for number in range(25):
        data = encoded(Image.new("RGB", (8, 8), (number, 0, 0)), "PNG")
        paths.append(put(tmp_path, f"{number}.png", b"" if number % 7 == 3 else data))
    paths[5] = tmp_path / "gone.png"
    found = list(read_images(paths, 8, workers=3))
    assert len(found) == len(paths)
    for number, one in enumerate(found):
        if number == 5 or number % 7 == 3:
            assert isinstance(one, ImageFault)
            assert one.kind == ("missing" if number == 5 else "unreadable")
        else:
            assert not isinstance(one, ImageFault)
            assert one[4, 4].tolist() == [number, 0, 0]


def test_reading_many_looks_only_a_few_photos_ahead_and_stops_when_left(tmp_path: Path) -> None:
    path = put(tmp_path, "one.png", encoded(noise(8, 8), "PNG"))
    asked = []

    def endless() -> object:
        while True:
            asked.append(path)
            yield path

    threads = threading.active_count()
    reading = read_images(endless(), 8, workers=2)  # type: ignore[arg-type]
    for _ in range(3):
        next(reading)
    assert len(asked) <= 3 + 4 * 2 + 1
    reading.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads


def test_the_key_follows_the_bytes_and_not_the_name(tmp_path: Path) -> None:
    data = encoded(noise(20, 20), "PNG")
    first, copy = put(tmp_path, "a.png", data), put(tmp_path, "b.png", data)
    other = put(tmp_path, "c.png", encoded(noise(20, 21), "PNG"))
    assert image_key(first) == image_key(copy) != image_key(other)
    assert len(image_key(first)) == 16
    with pytest.raises(ImageUnreadable, match="does not exist"):
        image_key(tmp_path / "none.png")


def test_an_unreadable_photo_crosses_process_borders_with_its_fault(tmp_path: Path) -> None:
    with pytest.raises(ImageUnreadable) as raised:
        read_image(tmp_path / "none.png", 8)
    assert pickle.loads(pickle.dumps(raised.value)).fault == raised.value.fault


ORIGINALS = {
    "jpeg": encoded(noise(48, 32), "JPEG"),
    "progressive": encoded(noise(48, 32), "JPEG", progressive=True),
    "png": encoded(noise(48, 32), "PNG"),
    "palette": encoded(noise(48, 32).quantize(16), "PNG", transparency=3),
    "webp": encoded(noise(48, 32), "WEBP"),
    "gif": encoded(noise(24, 16), "GIF", save_all=True, append_images=[noise(24, 17).resize((24, 16))]),
    "bmp": encoded(noise(24, 16), "BMP"),
}


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(ORIGINALS)), data=st.data())
def test_whatever_happened_to_a_file_it_is_read_or_gives_the_fault_that_inspecting_tells(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    raw = bytearray(ORIGINALS[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = put(tmp_path, "some", bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    limits = ImageLimits(max_pixels=100_000)
    fatal = [fault for fault in inspect_image(path, limits) if fault.fatal]
    [found] = read_images([path], 16, limits, workers=1)
    if isinstance(found, ImageFault):
        assert fatal == [found]
    else:
        assert found.shape == (16, 16, 3)
        assert fatal == []
