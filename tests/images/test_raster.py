"""Treatments: how one file's stored values become the picture that a person should see."""

import base64
import json
import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from pydicom import Dataset
from pydicom.pixels.processing import apply_voi_lut, apply_windowing

from cxrshort.images import raster
from cxrshort.images.decoding import decode
from cxrshort.images.raster import ImageError, Treatment, look_up

TOO_NARROW = "The (0028,1051) Window Width must be greater than or equal to 1 for a 'LINEAR' windowing operation"
STORED = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)  # every 12-bit value once
TAGS = {
    "photometric": "00280004",
    "bits": "00280101",
    "center": "00281050",
    "width": "00281051",
    "function": "00281056",
    "intercept": "00281052",
    "slope": "00281053",
}


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def header(folder: Path, *, table: dict | None = None, modality: dict | None = None, **values) -> Path:
    """Write a DICOM header in JSON; ``center=[2, 3]`` has two values."""
    tags = {TAGS[name]: value if isinstance(value, list) else [value] for name, value in values.items()}
    tags |= {"00283010": [table]} if table else {}
    tags |= {"00283000": [modality]} if modality else {}
    (folder / "film.json").write_text(json.dumps({tag: {"vr": "XX", "Value": value} for tag, value in tags.items()}))
    return folder / "film.json"


def voi_lut(entries, *, first: int = 0, bits: int = 16, **data) -> dict:
    return {
        "00283002": {"vr": "US", "Value": [len(entries), first, bits]},
        "00283006": data or {"vr": "US", "Value": [int(entry) for entry in entries]},
    }


def shown(folder: Path, stored: np.ndarray = STORED, **treatment) -> np.ndarray:
    return decode(save(folder / "film.png", stored), size=64, treatment=Treatment(**treatment)).pixels


def refusal(folder: Path, **treatment) -> tuple[str, str]:
    with pytest.raises(ImageError) as caught:
        shown(folder, **treatment)
    return caught.value.reason, caught.value.detail


def window(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """The pseudo-code of PS3.3 C.11.2.1.2.1, pixel by pixel."""

    def level(value: float) -> int:
        if value <= center - 0.5 - (width - 1) / 2:
            return 0
        if value > center - 0.5 + (width - 1) / 2:
            return 255
        return round(255 * ((value - (center - 0.5)) / (width - 1) + 0.5))

    return np.vectorize(level)(values)


def table(values: np.ndarray, entries: list[int], *, first: int, white: int) -> np.ndarray:
    """The lookup written out as the reference pads it: first entry below, last entry above."""
    whole = [entries[0]] * first + entries + [entries[-1]] * (65536 - first - len(entries))
    return np.vectorize(lambda value: round(255 * min(1.0, whole[value] / white)))(values)


def test_window_of_the_sidecar_is_applied(tmp_path):
    for center, width in [(2048, 4096), (1000, 501), (1000.5, 333.3), (3000, 1)]:
        np.testing.assert_array_equal(
            shown(tmp_path, sidecar=header(tmp_path, center=center, width=width)), window(STORED, center, width)
        )


@pytest.mark.parametrize("width", [1, 2, 800.5])
def test_functions_of_the_window_are_those_of_pydicom(tmp_path, width):
    """PS3.3 C.11.2.1.3, against pydicom's own implementation."""
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        film = Dataset()
        film.WindowCenter, film.WindowWidth, film.VOILUTFunction = 1000, width, function
        film.BitsStored, film.PixelRepresentation, film.PhotometricInterpretation = 12, 0, "MONOCHROME2"
        with np.errstate(over="ignore"):
            expected = apply_windowing(STORED, film) / 4095 * 255
        actual = shown(tmp_path, sidecar=header(tmp_path, center=1000, width=width, function=function))
        assert np.abs(actual - expected).max() <= 0.5 + 1e-6


def test_first_window_and_numbers_in_text_are_read(tmp_path):
    sidecar = header(tmp_path, center=["1000", 3000], width=["500", 100])
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar), window(STORED, 1000, 500))


def test_rescale_comes_before_the_window_and_is_identity_where_absent(tmp_path):
    both = header(tmp_path, center=1000, width=2000, slope=2, intercept=-1024)
    np.testing.assert_array_equal(shown(tmp_path, sidecar=both), window(STORED * 2.0 - 1024, 1000, 2000))
    slope = header(tmp_path, center=1000, width=2000, slope=2)
    np.testing.assert_array_equal(shown(tmp_path, sidecar=slope), window(STORED * 2.0, 1000, 2000))
    intercept = header(tmp_path, center=1000, width=2000, intercept=-500)
    np.testing.assert_array_equal(shown(tmp_path, sidecar=intercept), window(STORED - 500.0, 1000, 2000))


def test_table_comes_before_the_window_and_repeats_its_ends(tmp_path):
    entries = [int(4095 * (place / 1999) ** 2) for place in range(2000)]
    sidecar = header(tmp_path, center=9, width=9, bits=12, table=voi_lut(entries, first=1000, bits=12))
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar), table(STORED, entries, first=1000, white=4095))


def test_rescale_comes_before_the_table(tmp_path):
    entries = list(range(4096))
    sidecar = header(tmp_path, slope=-1, intercept=4095, bits=12, table=voi_lut(entries, bits=12))
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar), np.rint((4095 - STORED) / 4095 * 255))


@pytest.mark.parametrize(
    ("stored_bits", "table_bits", "largest", "white"),
    [(12, 16, 4095, 4095), (16, 12, 4095, 4095), (12, 12, 3000, 4095), (12, 16, 65535, 65535), (None, 14, 9000, 16383)],
)
def test_white_of_a_table_is_that_of_the_stated_bits(tmp_path, stored_bits, table_bits, largest, white):
    entries = [largest * place // 4095 for place in range(4096)]
    stated = {} if stored_bits is None else {"bits": stored_bits}
    sidecar = header(tmp_path, table=voi_lut(entries, bits=table_bits), **stated)
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar), table(STORED, entries, first=0, white=white))


def test_table_of_a_header_is_that_of_pydicom(tmp_path):
    """The header as archives ship it, against ``apply_voi_lut`` of a data set that pydicom made from it."""
    sidecar = header(tmp_path, bits=12, table=voi_lut([2000 * place // 4095 for place in range(4096)], bits=12))
    stated = json.loads(sidecar.read_text())
    film = Dataset.from_json(stated | {"00280101": {"vr": "US", "Value": [12]}, "00283010": sequence(stated)})
    expected = np.rint(apply_voi_lut(STORED, film) / 4095 * 255)
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar), expected)


def sequence(stated: dict) -> dict:
    return stated["00283010"] | {"vr": "SQ"}


def test_modality_table_of_a_header_comes_before_the_window(tmp_path):
    entries = [int(np.sqrt(place * 4095)) for place in range(4096)]
    sidecar = header(tmp_path, center=2000, width=1000, bits=12, modality=voi_lut(entries))
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar), window(np.array(entries)[STORED], 2000, 1000))


def test_table_in_base64_is_read(tmp_path):
    entries = list(range(0, 8192, 2))
    packed = base64.b64encode(np.asarray(entries, "<u2").tobytes()).decode()
    sidecar = header(tmp_path, table=voi_lut(entries, bits=13, InlineBinary=packed))
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar), table(STORED, entries, first=0, white=8191))


def test_monochrome1_is_inverted_whoever_says_so(tmp_path):
    plain = window(STORED, 1000, 500)
    sidecar = header(tmp_path, center=1000, width=500, photometric="MONOCHROME1")
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar), 255 - plain)
    np.testing.assert_array_equal(shown(tmp_path, sidecar=sidecar, photometric="MONOCHROME2"), plain)
    deep = (STORED * 16).astype(np.uint16)
    by_table = shown(tmp_path, deep, photometric="MONOCHROME1")
    np.testing.assert_array_equal(by_table, 255 - np.rint(deep / 65535 * 255))
    shallow = (STORED // 16).astype(np.uint8)
    np.testing.assert_array_equal(shown(tmp_path, shallow, photometric="MONOCHROME1"), 255 - shallow)


def test_bits_stored_set_white_where_the_pixels_keep_to_them(tmp_path):
    np.testing.assert_array_equal(shown(tmp_path, bits_stored=12), np.rint(STORED / 4095 * 255))
    np.testing.assert_array_equal(shown(tmp_path, sidecar=header(tmp_path, bits=12)), np.rint(STORED / 4095 * 255))
    deeper = (STORED * 16).astype(np.uint16)
    np.testing.assert_array_equal(shown(tmp_path, deeper, bits_stored=12), np.rint(deeper / 65535 * 255))
    np.testing.assert_array_equal(shown(tmp_path, deeper), np.rint(deeper / 65535 * 255))


@pytest.mark.parametrize("bits", [-3, 0, 17, 10**9])
def test_absurd_bits_are_ignored(tmp_path, bits):
    deep = (STORED * 16).astype(np.uint16)
    np.testing.assert_array_equal(shown(tmp_path, deep, bits_stored=bits), np.rint(deep / 65535 * 255))


def test_8_bit_pixels_of_a_deeper_original_are_not_windowed_again(tmp_path):
    shallow = (STORED // 16).astype(np.uint8)
    deeper = header(tmp_path, bits=12, center=2000, width=1000)
    np.testing.assert_array_equal(shown(tmp_path, shallow, sidecar=deeper), shallow)
    as_stored = header(tmp_path, bits=8, center=100, width=50)
    np.testing.assert_array_equal(shown(tmp_path, shallow, sidecar=as_stored), window(shallow, 100, 50))


def test_skip_windowing_leaves_the_pixels_as_they_are(tmp_path):
    sidecar = header(tmp_path, center=1000, width=500, photometric="MONOCHROME1", bits=12)
    deep = (STORED * 16).astype(np.uint16)
    expected = np.rint(deep / 65535 * 255)
    np.testing.assert_array_equal(
        shown(tmp_path, deep, sidecar=sidecar, photometric="MONOCHROME1", skip_windowing=True), expected
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"center": 100, "width": 0}, ("invalid window", TOO_NARROW)),
        ({"center": 100, "width": -5}, ("invalid window", TOO_NARROW)),
        ({"center": 100, "width": float("nan")}, ("invalid window", "center 100.0, width nan")),
        ({"center": float("inf"), "width": 5}, ("invalid window", "center inf, width 5.0")),
        ({"center": "wide", "width": 5}, ("invalid window", "could not convert string to float: 'wide'")),
        ({"center": 9, "width": 5, "slope": float("nan")}, ("invalid rescale", "slope nan, intercept 0.0")),
        ({"bits": "many"}, ("unreadable header", "invalid literal for int() with base 10: 'many'")),
        ({"table": voi_lut([])}, ("invalid lookup table", "")),
        ({"table": {"00283002": {}}}, ("invalid lookup table", "")),
        ({"table": voi_lut([1, 2], Value=["dark", "light"])}, ("invalid lookup table", "")),
        ({"table": voi_lut([1, 2], Value=[1, float("nan")])}, ("invalid lookup table", "")),
        ({"table": voi_lut([1, 2], InlineBinary="abc")}, ("invalid lookup table", "")),
    ],
)
def test_unusable_header_is_refused(tmp_path, values, reason):
    actual = refusal(tmp_path, sidecar=header(tmp_path, **values))
    assert actual == reason if reason[1] else actual[0] == reason[0]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (None, "missing file"),
        (b"", "zero bytes"),
        (b"[1, 2]", "not a table of DICOM attributes"),
        (b'{"00281050": ', "Expecting value: line 1 column 14 (char 13)"),
        (b"\xff\xfe\xff", ""),
        (b"[" * 200_000, ""),
    ],
)
def test_header_that_cannot_be_read_is_refused(tmp_path, body, detail):
    if body is not None:
        (tmp_path / "film.json").write_bytes(body)
    reason, actual = refusal(tmp_path, sidecar=tmp_path / "film.json")
    assert reason == "unreadable header" and (actual == detail or not detail)


def test_header_with_a_byte_order_mark_and_plain_values_is_read(tmp_path):
    text = json.dumps({"00281050": 1000, "00281051": "500", "00280101": None})
    (tmp_path / "film.json").write_text(text, encoding="utf-8-sig")
    np.testing.assert_array_equal(shown(tmp_path, sidecar=tmp_path / "film.json"), window(STORED, 1000, 500))


def test_equalise_works_on_the_original_before_the_borders(tmp_path):
    dark = (np.add.outer(np.arange(40), np.arange(80)) // 4).astype(np.uint8)
    pixels = decode(save(tmp_path / "a.png", dark), size=80, treatment=Treatment(fit="pad", equalise=True)).pixels
    np.testing.assert_array_equal(pixels[20:60], np.asarray(ImageOps.equalize(Image.fromarray(dark))))
    assert not pixels[:20].any() and not pixels[60:].any()


def test_equalise_decodes_a_jpeg_at_its_original_size(tmp_path):
    dark = (np.add.outer(np.arange(640), np.arange(640)) // 32 + 60).astype(np.uint8)
    path = save(tmp_path / "a.jpg", dark, quality=95)
    expected = ImageOps.equalize(Image.open(path)).resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=3.0)
    np.testing.assert_array_equal(decode(path, size=64, treatment=Treatment(equalise=True)).pixels, expected)


def test_flip_turns_the_film_upside_down(tmp_path):
    stored = (STORED * 16).astype(np.uint16)
    np.testing.assert_array_equal(shown(tmp_path, stored, flip=True), shown(tmp_path, stored)[::-1])


def test_fit_of_decode_is_stronger_than_that_of_the_treatment(tmp_path):
    path = save(tmp_path / "a.png", np.add.outer(np.arange(40), np.arange(80)).astype(np.uint8))
    padded = Treatment(fit="pad")
    assert not decode(path, size=40, treatment=padded).pixels[:10].any()
    cropped = decode(path, size=40, fit="crop", treatment=padded).pixels
    np.testing.assert_array_equal(cropped, decode(path, size=40).pixels)


def test_photographs_are_left_alone(tmp_path):
    colour = np.dstack([STORED // 16] * 3).astype(np.uint8)
    path = save(tmp_path / "a.png", colour)
    treated = decode(path, size=64, colour=True, treatment=Treatment(photometric="MONOCHROME1", bits_stored=7))
    np.testing.assert_array_equal(treated.pixels, colour.transpose(2, 0, 1))


def test_treatment_travels_to_other_processes():
    treatment = Treatment(fit="pad", flip=True, sidecar=Path("a.json"), bits_stored=12)
    assert pickle.loads(pickle.dumps(treatment)) == treatment


def test_look_up_takes_every_row_and_clips(monkeypatch):
    monkeypatch.setattr(raster, "_TABLE_ROWS", 100)
    levels = np.arange(200, dtype=np.uint8)
    index = np.arange(-60, 240, dtype=np.int32).reshape(10, 30)
    np.testing.assert_array_equal(look_up(levels, index), np.clip(index, 0, 199))


def test_jpeg_of_many_scans_is_refused_before_decoding(tmp_path):
    buffer = BytesIO()
    Image.fromarray((STORED // 16).astype(np.uint8)).save(buffer, "JPEG", progressive=True)
    whole = buffer.getvalue()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    (tmp_path / "film.jpg").write_bytes(whole[:-2] + 200 * last + whole[-2:])
    with pytest.raises(ImageError) as caught:
        decode(tmp_path / "film.jpg", size=16)
    scans = 200 + whole.count(b"\xff\xda")
    assert (caught.value.reason, caught.value.detail) == ("too large", f"{scans} scans, the limit is 100")
