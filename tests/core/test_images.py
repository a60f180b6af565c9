from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from countenance.core import images
from countenance.core.errors import AuditError
from countenance.core.images import ImageFault, crop_face, decode_rgb, read_bytes, read_face

Pixels = NDArray[np.uint8]


@pytest.fixture
def scene() -> Pixels:
    """A picture of 40 x 30 without any symmetry."""
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def declared(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is ``width`` x ``height``."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def fault(content: bytes) -> str:
    with pytest.raises(ImageFault) as raised:
        decode_rgb(content)
    return str(raised.value)


# What cannot be used -------------------------------------------------------------------------------------------------


def test_a_file_that_is_missing_empty_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageFault, match="the file is missing"):
        read_bytes(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(ImageFault, match="the file is empty"):
        read_bytes(tmp_path / "b.png")
    with pytest.raises(ImageFault, match="cannot be read"):
        read_bytes(tmp_path)
    with pytest.raises(ImageFault, match="cannot be read"):
        read_bytes(tmp_path / ("x" * 4000))
    with pytest.raises(ImageFault, match="cannot be read"):
        read_bytes(tmp_path / "a\0b")


def test_a_file_that_is_no_image() -> None:
    assert fault(b"hello").startswith("not an image of a known format (JPEG, PNG, ")


def test_an_image_cut_short(scene: Pixels) -> None:
    for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        whole = encoded(Image.fromarray(scene), format)
        assert fault(whole[: len(whole) // 2]), format


def test_a_one_pixel_image_and_a_thin_one() -> None:
    assert fault(encoded(Image.new("RGB", (1, 1)))) == "1 x 1 pixels, fewer than 8 a side"
    assert fault(encoded(Image.new("RGB", (100, 7)))) == "100 x 7 pixels, fewer than 8 a side"
    assert decode_rgb(encoded(Image.new("RGB", (8, 8)))).size == (8, 8)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((8001, 8000), "8001 x 8000 pixels, more than 64 megapixels"),
        ((10_000, 10_000), "10000 x 10000 pixels, more than 64 megapixels"),
        ((60_000, 60_000), "more than 64 megapixels"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_that_would_fill_the_memory_is_not_decoded(size: tuple[int, int], said: str) -> None:
    assert fault(declared(*size)) == said


def test_the_size_is_refused_also_where_warnings_are_errors() -> None:
    assert "more than 64 megapixels" in fault(declared(10_000, 10_000))


def test_formats_that_another_program_would_draw_are_refused() -> None:
    """Pillow hands EPS to Ghostscript."""
    eps = encoded(Image.new("RGB", (20, 20)), "EPS")
    assert "not an image of a known format" in fault(eps)


def test_floating_point_pixels_are_refused() -> None:
    assert "floating-point" in fault(encoded(Image.new("F", (20, 20)), "TIFF"))


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_damage_anywhere_is_a_fault_and_nothing_else(scene: Pixels, capfd: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(scene)
    for format, options in (
        ("JPEG", {"exif": exif.tobytes()}),
        ("PNG", {"exif": exif.tobytes()}),
        ("WEBP", {"exif": exif.tobytes()}),
        ("TIFF", {}),
        ("GIF", {}),
        ("BMP", {}),
    ):
        whole = encoded(image, format, **options)
        for _ in range(60):
            damaged = bytearray(whole)
            for place in draw.integers(0, min(len(whole), 120), draw.integers(1, 6)):
                damaged[place] = draw.integers(0, 256)
            try:
                decode_rgb(bytes(damaged))
            except ImageFault:
                continue
    capfd.readouterr()  # libtiff writes to standard error by itself


def test_an_error_no_decoder_should_raise_is_a_fault_too_but_a_full_memory_is_not(
    monkeypatch: pytest.MonkeyPatch, scene: Pixels, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(scene)))

    def breaks(error: Exception) -> Callable[..., Any]:
        def load(*arguments: Any, **options: Any) -> Any:
            raise error

        return load

    monkeypatch.setattr(images.ImageOps, "exif_transpose", breaks(RuntimeError("no item")))
    with pytest.raises(ImageFault, match="damaged or cut short: no item"):
        read_face(tmp_path / "a.png", None, (8, 8))
    monkeypatch.setattr(images.ImageOps, "exif_transpose", breaks(MemoryError()))
    with pytest.raises(AuditError, match=r"not enough memory to read .*a\.png"):
        read_face(tmp_path / "a.png", None, (8, 8))


# What the pixels are -------------------------------------------------------------------------------------------------


def test_lossless_rgb_comes_out_as_it_went_in(scene: Pixels) -> None:
    for format in ("PNG", "BMP", "TIFF", "PPM"):
        np.testing.assert_array_equal(np.asarray(decode_rgb(encoded(Image.fromarray(scene), format))), scene)


def test_exif_rotation_is_applied(scene: Pixels) -> None:
    """Orientation 6: the stored rows are the columns of the picture, so it is turned a quarter clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = np.asarray(decode_rgb(encoded(Image.fromarray(scene), "PNG", exif=exif.tobytes())))
    np.testing.assert_array_equal(decoded, np.rot90(scene, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_box_refers_to_the_rotated_image(tmp_path: Path, scene: Pixels, orientation: int) -> None:
    upright = Image.fromarray(scene)
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = upright if stored is None else upright.transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a.png").write_bytes(encoded(image, "PNG", exif=exif.tobytes()))
    crop, padded, size = read_face(tmp_path / "a.png", np.array([30.0, 2.0, 38.0, 12.0]), (10, 8))
    np.testing.assert_array_equal(crop, scene[2:12, 30:38])
    assert (padded, size) == (False, (30, 40))


def test_grey_is_spread_over_three_channels(scene: Pixels) -> None:
    grey = scene[:, :, 0]
    decoded = np.asarray(decode_rgb(encoded(Image.fromarray(grey))))
    np.testing.assert_array_equal(decoded, np.repeat(grey[:, :, None], 3, axis=2))


def test_sixteen_bit_greys_are_scaled_and_not_clipped() -> None:
    levels = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    for format in ("PNG", "TIFF"):
        decoded = np.asarray(decode_rgb(encoded(Image.fromarray(levels), format)))
        np.testing.assert_array_equal(decoded[:, :, 1], np.arange(256).reshape(16, 16))


def test_a_palette_with_alpha_shows_its_colours(scene: Pixels) -> None:
    palette = Image.fromarray(scene).quantize(16)
    wanted = np.asarray(palette.convert("RGB"))
    for transparency in (3, bytes(range(0, 256, 16))):
        decoded = decode_rgb(encoded(palette, "PNG", transparency=transparency))
        np.testing.assert_array_equal(np.asarray(decoded), wanted)


def test_alpha_is_dropped_and_not_blended(scene: Pixels) -> None:
    alpha = np.dstack([scene, np.random.default_rng(1).integers(0, 256, scene.shape[:2], dtype=np.uint8)])
    np.testing.assert_array_equal(np.asarray(decode_rgb(encoded(Image.fromarray(alpha, "RGBA")))), scene)
    two = np.ascontiguousarray(alpha[:, :, 2:])
    np.testing.assert_array_equal(np.asarray(decode_rgb(encoded(Image.fromarray(two, "LA"))))[:, :, 0], scene[:, :, 2])


def test_cmyk_becomes_rgb() -> None:
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    colour = np.asarray(decode_rgb(encoded(ink, "JPEG", quality=95))).reshape(-1, 3).mean(0)
    assert colour[0] > 200
    assert colour[1:].max() < 60
    np.testing.assert_array_equal(np.asarray(decode_rgb(encoded(ink, "TIFF")))[0, 0], [255, 0, 0])


def test_one_bit_images_are_black_and_white() -> None:
    dots = np.indices((16, 16)).sum(0) % 2 == 0
    decoded = np.asarray(decode_rgb(encoded(Image.fromarray(dots))))
    np.testing.assert_array_equal(decoded[:, :, 0], dots * 255)


# The crop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "box", [(3, 4, 33, 27), (0, 0, 40, 30), (-5, -6, 20, 20), (30, 20, 55, 47), (3.4, 4.6, 32.5, 27.49)]
)
@pytest.mark.parametrize("size", [(12, 12), (9, 17), (50, 64)])
def test_the_crop_is_exactly_pillows_crop_and_resize(
    scene: Pixels, box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    image = Image.fromarray(scene)
    crop, _ = crop_face(image, np.array(box, dtype=float), size)
    x0, y0, x1, y1 = (round(edge) for edge in box)
    wanted = image.crop((x0, y0, x1, y1)).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(crop, np.asarray(wanted))
    assert (crop.shape, crop.dtype) == ((*size, 3), np.uint8)


def test_reducing_averages_over_all_pixels() -> None:
    """Without antialiasing a fine chequerboard would come out black and white."""
    board = np.repeat((np.indices((64, 64)).sum(0) % 2 * 255)[:, :, None], 3, axis=2).astype(np.uint8)
    crop, _ = crop_face(Image.fromarray(board), None, (8, 8))
    assert abs(crop.astype(int) - 127).max() < 16


def test_a_box_of_the_right_size_is_not_resampled(scene: Pixels) -> None:
    crop, padded = crop_face(Image.fromarray(scene), np.array([5.0, 6.0, 21.0, 18.0]), (12, 16))
    np.testing.assert_array_equal(crop, scene[6:18, 5:21])
    assert not padded


def test_a_box_partly_outside_is_padded_with_black(scene: Pixels) -> None:
    crop, padded = crop_face(Image.fromarray(scene), np.array([-4.0, -2.0, 8.0, 8.0]), (10, 12))
    assert padded
    np.testing.assert_array_equal(crop[2:, 4:], scene[:8, :8])
    assert crop[:2].max() == crop[:, :4].max() == 0


@pytest.mark.parametrize("box", [(-9, 0, 0, 9), (40, 0, 50, 9), (0, -9, 9, 0), (0, 30, 9, 40), (900, 900, 910, 910)])
def test_a_box_outside_the_image_is_a_fault(scene: Pixels, box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ImageFault, match=r"lies outside the image \(40 x 30\)"):
        crop_face(Image.fromarray(scene), np.array(box, dtype=float), (8, 8))


def test_a_box_that_rounds_to_nothing_or_is_huge_is_a_fault(scene: Pixels) -> None:
    with pytest.raises(ImageFault, match="is empty"):
        crop_face(Image.fromarray(scene), np.array([3.1, 3, 3.4, 9]), (8, 8))
    with pytest.raises(ImageFault, match="larger than 64 megapixels"):
        crop_face(Image.fromarray(scene), np.array([0, 0, 1e6, 1e6]), (8, 8))


def test_without_a_box_the_whole_image_is_taken(scene: Pixels) -> None:
    crop, padded = crop_face(Image.fromarray(scene), None, (30, 40))
    np.testing.assert_array_equal(crop, scene)
    assert not padded
