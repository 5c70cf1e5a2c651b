"""Decoding of PNG and JPEG, and into a cache."""

import os
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import UsageError
from cxrshort.images import raster
from cxrshort.images.cache import create_cache, open_cache
from cxrshort.images.decoding import _mostly_dicom, decode, decode_into
from cxrshort.images.placement import FITS
from cxrshort.images.raster import ImageError, Treatment

from ..nobody import powerless_folder
from .test_dicom import dicom, write

RAMP = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
SMOOTH = (127 + 60 * np.sin(np.arange(300)[:, None] / 40) + 60 * np.cos(np.arange(400) / 50)).astype(np.uint8)


def save(path: Path, image: Image.Image | np.ndarray, **options) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def refusal(path: Path, **options) -> tuple[str, str]:
    with pytest.raises(ImageError) as caught:
        decode(path, size=16, **options)
    return caught.value.reason, caught.value.detail


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, data: bytes = b"", end: bool = True) -> bytes:
    """Return a PNG file chunk by chunk, to state what no encoder would write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + (chunk(b"IEND", b"") if end else b"")


def test_decode_keeps_grey_png_of_the_same_size(tmp_path):
    decoded = decode(save(tmp_path / "a.png", RAMP), size=64)
    np.testing.assert_array_equal(decoded.pixels, RAMP)
    assert (decoded.source_height, decoded.source_width, decoded.pixel_spacing_mm) == (64, 64, None)


def test_decode_scales_16_bits_so_that_white_stays_white(tmp_path):
    deep = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    decoded = decode(save(tmp_path / "deep.png", deep), size=64)
    np.testing.assert_array_equal(decoded.pixels, np.rint(deep / 257.0).astype(np.uint8))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_decode_reads_every_png_mode_as_luma(tmp_path, mode):
    source = Image.fromarray(RAMP).convert(mode)
    decoded = decode(save(tmp_path / "a.png", source), size=64)
    np.testing.assert_array_equal(decoded.pixels, np.asarray(source.convert("L")))


def test_decode_lays_alpha_on_black(tmp_path):
    alpha = np.full((64, 64), 255, np.uint8)
    alpha[:32] = 51  # a fifth
    decoded = decode(save(tmp_path / "a.png", np.dstack([RAMP, RAMP, RAMP, alpha])), size=64)
    expected = np.rint(RAMP * (alpha / 255.0))
    assert np.abs(decoded.pixels - expected).max() <= 1  # Pillow's integer product rounds down


def test_decode_lays_transparent_palette_entries_on_black(tmp_path):
    source = Image.fromarray((RAMP > 127).astype(np.uint8), mode=None).convert("P")
    source.putpalette([200, 200, 200, 100, 100, 100])
    decoded = decode(save(tmp_path / "a.png", source, transparency=0), size=64)
    assert set(np.unique(decoded.pixels)) == {0, 100}


def test_decode_weighs_colour_as_luma(tmp_path):
    colour = np.zeros((64, 64, 3), np.uint8)
    colour[:32] = (200, 100, 50)
    decoded = decode(save(tmp_path / "a.png", colour), size=64)
    assert decoded.pixels[0, 0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)  # ITU-R 601


def test_decode_keeps_colour_where_asked(tmp_path):
    colour = np.dstack([RAMP, RAMP.T, 255 - RAMP])
    decoded = decode(save(tmp_path / "a.png", colour), size=64, colour=True)
    np.testing.assert_array_equal(decoded.pixels, colour.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_decode_reads_every_jpeg_mode(tmp_path, mode):
    source = Image.fromarray(SMOOTH).convert(mode)
    decoded = decode(save(tmp_path / "a.jpg", source, quality=95), size=100, fit="squash")
    expected = np.asarray(Image.fromarray(SMOOTH).resize((100, 100), Image.Resampling.BILINEAR), np.float64)
    assert np.abs(decoded.pixels - expected).mean() < 2  # JPEG at quality 95 costs about one grey level


def test_decode_of_scaled_jpeg_matches_full_decoding(tmp_path):
    path = save(tmp_path / "a.jpg", np.kron(SMOOTH, np.ones((6, 6), np.uint8)), quality=95)
    full = np.asarray(
        Image.open(path).resize((64, 64), Image.Resampling.BILINEAR, box=(300, 0, 2100, 1800)), np.float64
    )
    assert np.abs(decode(path, size=64).pixels - full).mean() < 1  # a grey level is what rounding twice costs


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_turns_photographs_upright(tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", SMOOTH, exif=exif, quality=100)
    upright = ImageOps.exif_transpose(Image.open(path))
    decoded = decode(path, size=100, fit="squash")
    assert (decoded.source_width, decoded.source_height) == upright.size
    expected = np.asarray(upright.resize((100, 100), Image.Resampling.BILINEAR), np.int64)
    assert np.abs(decoded.pixels - expected).max() <= 2  # the decoder is scaled by none; two roundings


def test_decode_ignores_damaged_exif(tmp_path):
    path = save(tmp_path / "a.jpg", SMOOTH, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert decode(path, size=32).source_width == 400


def test_decode_goes_by_content_not_by_name(tmp_path):
    path = save(tmp_path / "film.JPG", RAMP, format="PNG")
    np.testing.assert_array_equal(decode(path, size=64).pixels, RAMP)


def test_decode_reads_the_real_originals(test_data):
    folders = [test_data / "nih" / "images_full", test_data / "github-covid" / "images_full", test_data / "samples"]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix not in ("", ".json")]
    assert len(files) == 31
    for path in files:
        for fit in FITS:
            pixels = decode(path, size=64, fit=fit).pixels
            assert pixels.shape == (64, 64) and pixels.std() > 20, path.name


def test_decode_crop_equals_resize_then_centre_crop(tmp_path):
    big = np.kron(SMOOTH[:, :300], np.ones((2, 2), np.uint8))  # 600 x 600
    wide = np.pad(big, ((0, 0), (100, 100)), mode="edge")
    resized = np.asarray(Image.fromarray(wide).resize((200, 150), Image.Resampling.BILINEAR), np.int64)
    decoded = decode(save(tmp_path / "a.png", wide), size=150)
    assert np.abs(decoded.pixels - resized[:, 25:175]).max() <= 1


def test_decode_is_antialiased(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (512, 256))
    stripes[0] = 0
    pixels = decode(save(tmp_path / "a.png", stripes), size=32).pixels[2:].astype(int)
    assert np.abs(pixels - 127.5).max() <= 2  # aliasing would give 0 or 255


def test_decode_pad_adds_black_on_both_sides(tmp_path):
    decoded = decode(save(tmp_path / "a.png", np.full((40, 80), 200, np.uint8)), size=40, fit="pad")
    expected = np.zeros((40, 40), np.uint8)
    expected[10:30] = 200
    np.testing.assert_array_equal(decoded.pixels, expected)


def test_decode_survives_extreme_shapes(tmp_path):
    strip = np.arange(5000, dtype=np.uint16).astype(np.uint8)[None]
    path = save(tmp_path / "a.png", strip)
    assert decode(path, size=16, fit="squash").pixels.shape == (16, 16)
    assert decode(path, size=16, fit="pad").pixels[8 - 1 : 8].shape == (1, 16)


def test_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "none.png") == ("missing file", "")
    assert refusal(Path("nul\0byte.png")) == ("missing file", "")


def test_folder_and_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path) == ("not a file", "a folder, pipe or device")
    assert refusal(tmp_path / "pipe.png") == ("not a file", "a folder, pipe or device")


def test_symlink_loop_is_refused(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert refusal(tmp_path / "a.png")[0] == "unreadable"


def test_forbidden_file_is_refused():
    with powerless_folder() as folder:
        path = save(folder / "a.png", RAMP)
        path.chmod(0)
        assert refusal(path) == ("unreadable", "permission denied")


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "a.png").touch()
    assert refusal(tmp_path / "a.png") == ("zero bytes", "")


@pytest.mark.parametrize("body", [b"<html>", b"GIF89a" + bytes(200), b"II*\0" + bytes(200), bytes(200), b"\x89PNG"])
def test_other_formats_are_refused(tmp_path, body):
    (tmp_path / "a.png").write_bytes(body)
    assert refusal(tmp_path / "a.png") == ("not an image", "neither PNG nor JPEG nor DICOM")


def test_huge_dimensions_are_refused_before_decoding(tmp_path):
    (tmp_path / "a.png").write_bytes(png(10_001, 10_000, data=zlib.compress(b"")))
    assert refusal(tmp_path / "a.png") == ("too large", "10001 x 10000 pixels, the limit is 100 megapixels")
    (tmp_path / "b.png").write_bytes(png(2**31 - 1, 2**31 - 1, data=zlib.compress(b"")))
    assert refusal(tmp_path / "b.png")[0] == "too large"


def test_endless_sides_are_refused_before_decoding(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1, 65_536, data=zlib.compress(b"")))
    assert refusal(tmp_path / "a.png") == ("too large", "1 x 65536 pixels, the limit is 65535 a side")


def test_huge_file_is_refused_before_reading(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(raster.MAX_BYTES + 2**20)
    assert refusal(tmp_path / "a.png") == ("too large", "513 MiB, the limit is 512 MiB")


def test_constant_image_is_refused(tmp_path):
    assert refusal(save(tmp_path / "a.png", np.full((1, 1), 7, np.uint8))) == ("constant image", "every pixel is 7")
    assert refusal(save(tmp_path / "b.png", np.zeros((64, 64), np.uint8))) == ("constant image", "every pixel is 0")


def test_damaged_pixels_are_refused(tmp_path):
    whole = bytearray(png(64, 64, data=zlib.compress(bytes(65 * 64))))
    whole[60:70] = b"\xff" * 10
    (tmp_path / "a.png").write_bytes(whole)
    assert refusal(tmp_path / "a.png")[0] in ("unreadable", "truncated")
    (tmp_path / "b.png").write_bytes(png(0, 64, data=zlib.compress(b"")))
    assert refusal(tmp_path / "b.png")[0] == "unreadable"


@pytest.mark.parametrize("options", [{"format": "PNG"}, {"format": "JPEG"}, {"format": "JPEG", "progressive": True}])
def test_truncation_anywhere_is_refused_or_costs_no_pixel(tmp_path, options):
    buffer = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, **options)
    whole = buffer.getvalue()
    path = tmp_path / "film"
    path.write_bytes(whole)
    expected = decode(path, size=24).pixels
    refused = 0
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(decode(path, size=24).pixels, expected)
        except ImageError as error:
            assert error.reason in ("truncated", "unreadable", "not an image"), error
            refused += 1
    assert refused >= len(whole) - 24  # the last bytes of a file hold no pixels


def test_warnings_of_decoders_stay_inside(tmp_path):
    path = save(tmp_path / "a.png", Image.new("L", (9500, 9500)))  # above Pillow's own limit for a warning
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refusal(path)[0] == "constant image"


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(1)
    for k in range(40):
        save(tmp_path / f"{k:02}.png", generator.integers(0, 256, (60, 50 + k), dtype=np.uint8))
    (tmp_path / "07.png").write_bytes(b"")
    return sorted(tmp_path.glob("*.png"))


def test_decode_into_gives_the_same_bytes_for_any_jobs(tmp_path, folder):
    caches = []
    for jobs in (1, 2, 5):
        path = tmp_path / f"{jobs}.npy"
        create_cache(path, (40, 16, 16))
        results = decode_into(path, folder, rows=range(40), size=16, jobs=jobs)
        assert [result.row for result in results] == list(range(40))
        assert [result.reason for result in results if result.reason] == ["zero bytes"]
        caches.append(path.read_bytes())
    assert caches[0] == caches[1] == caches[2]


def test_decode_into_writes_the_given_rows_only(tmp_path, folder):
    create_cache(tmp_path / "images.npy", (6, 16, 16))
    results = decode_into(tmp_path / "images.npy", [str(folder[3]), folder[7]], rows=[4, 2], size=16)
    images = open_cache(tmp_path / "images.npy")
    np.testing.assert_array_equal(images[4], decode(folder[3], size=16).pixels)
    assert not images[[0, 1, 2, 3, 5]].any()
    assert [(result.row, result.reason, result.source_height, result.source_width) for result in results] == [
        (4, "", 60, 53),
        (2, "zero bytes", 0, 0),
    ]


def test_decode_into_records_as_it_goes(tmp_path, folder):
    create_cache(tmp_path / "images.npy", (40, 16, 16))
    recorded = []
    results = decode_into(tmp_path / "images.npy", folder, rows=range(40), size=16, jobs=2, record=recorded.append)
    assert len(recorded) > 1
    assert [result for part in recorded for result in part] == results


def test_decode_into_carries_on_after_an_interruption(tmp_path, folder):
    whole, part = tmp_path / "whole.npy", tmp_path / "part.npy"
    create_cache(whole, (40, 16, 16))
    decode_into(whole, folder, rows=range(40), size=16)
    create_cache(part, (40, 16, 16))
    completed = []

    def stop(results):
        completed.extend(result.row for result in results)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_into(part, folder, rows=range(40), size=16, record=stop)
    left = [row for row in range(40) if row not in completed]
    assert 0 < len(left) < 40
    decode_into(part, [folder[row] for row in left], rows=left, size=16)
    assert part.read_bytes() == whole.read_bytes()


def test_decode_into_fills_a_colour_cache(tmp_path):
    colour = np.dstack([RAMP, RAMP.T, 255 - RAMP])
    create_cache(tmp_path / "images.npy", (1, 3, 64, 64))
    decode_into(tmp_path / "images.npy", [save(tmp_path / "a.png", colour)], rows=[0], size=64)
    np.testing.assert_array_equal(open_cache(tmp_path / "images.npy")[0], colour.transpose(2, 0, 1))


def test_decode_into_treats_each_file_as_told(tmp_path):
    path = save(tmp_path / "a.png", np.add.outer(np.arange(40), np.arange(80)).astype(np.uint8))
    treatments = [Treatment(), Treatment(flip=True), Treatment(fit="pad"), Treatment(photometric="MONOCHROME1")]
    create_cache(tmp_path / "images.npy", (4, 16, 16))
    decode_into(tmp_path / "images.npy", [path] * 4, rows=range(4), size=16, treatments=treatments)
    images = open_cache(tmp_path / "images.npy")
    for row, treatment in enumerate(treatments):
        np.testing.assert_array_equal(images[row], decode(path, size=16, treatment=treatment).pixels)
    assert len({image.tobytes() for image in images}) == 4
    decode_into(tmp_path / "images.npy", [path] * 4, rows=range(4), size=16, fit="pad", treatments=treatments[1])
    np.testing.assert_array_equal(images[3], decode(path, size=16, treatment=Treatment(fit="pad", flip=True)).pixels)


def test_decode_into_refuses_what_does_not_fit_together(tmp_path, folder):
    create_cache(tmp_path / "images.npy", (40, 16, 16))
    with pytest.raises(UsageError, match="'crap' is not a known fit"):
        decode_into(tmp_path / "images.npy", folder, rows=range(40), size=16, treatments=Treatment(fit="crap"))
    for rows, treatments in ((range(39), Treatment()), (range(40), [Treatment()] * 41)):
        with pytest.raises(ValueError, match="zip"):
            decode_into(tmp_path / "images.npy", folder, rows=rows, size=16, treatments=treatments)
    assert not open_cache(tmp_path / "images.npy").any()


@pytest.fixture
def films(tmp_path):
    """Return 70 DICOM files, every second one without a suffix: enough for processes."""
    generator = np.random.default_rng(2)
    paths = [tmp_path / (f"{k:02}.dcm" if k % 2 else f"{k:02}") for k in range(70)]
    for path in paths:
        write(tmp_path, dicom(generator.integers(0, 4096, (30, 40), dtype=np.uint16), bits=12), path.name)
    paths[7].write_bytes(b"")
    return paths


def decode_films(cache: Path, films: list[Path], **options) -> tuple[bytes, list[str]]:
    create_cache(cache, (len(films), 16, 16))
    results = decode_into(cache, films, rows=range(len(films)), size=16, **options)
    assert [result.row for result in results] == list(range(len(films)))
    return cache.read_bytes(), [result.reason for result in results]


def test_decode_into_gives_the_same_bytes_from_processes(tmp_path, films):
    whole, reasons = decode_films(tmp_path / "one.npy", films)
    assert reasons.count("zero bytes") == 1 and reasons.count("") == 69
    assert decode_films(tmp_path / "two.npy", films, jobs=2) == (whole, reasons)


def test_processes_are_for_folders_that_are_mostly_dicom(films, folder):
    assert _mostly_dicom(films) and _mostly_dicom([films[0]])
    assert not _mostly_dicom(folder) and not _mostly_dicom([])
    assert not _mostly_dicom([*folder, *films[:20]]) and _mostly_dicom([*folder[:10], *films])


def test_decode_into_gives_the_same_bytes_from_a_dask_cluster(tmp_path, films):
    distributed = pytest.importorskip("distributed", reason="distributed is not installed (extra dask)")
    whole, reasons = decode_films(tmp_path / "one.npy", films)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        assert decode_films(tmp_path / "two.npy", films) == (whole, reasons)
        tasks = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert len(tasks) == 2 and sum(tasks.values()) >= 5  # 70 files in chunks of 16
