"""DICOM files made on the spot: the order of the standard, transfer syntaxes, and what is refused."""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmwrite
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    generate_uid,
)
from pydicom.valuerep import DSfloat

from cxrshort.images import raster
from cxrshort.images.decoding import decode
from cxrshort.images.raster import ImageError, Treatment

RAMP = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)  # every 12-bit value once
OBLIQUE = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)


def dicom(pixels: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, bits: int = 0, **elements) -> FileDataset:
    """Return the smallest DICOM radiograph with these pixels; more elements by keyword."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.astype(
        pixels.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")
    ).tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def table(entries, *, first: int = 0, bits: int = 16, packed: bool = False) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 65536, first, bits])
    if packed:
        item.add_new("LUTData", "OW", np.asarray(entries, "u1" if bits == 8 else "<u2").tobytes())
    else:
        item.add_new("LUTData", "US", [int(entry) for entry in entries])
    return Sequence([item])


def write(tmp_path: Path, dataset: FileDataset, name: str = "film.dcm") -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom frowns on the faults that these files are made to have
        dcmwrite(tmp_path / name, dataset, enforce_file_format=True)
    return tmp_path / name


def pixels_of(tmp_path: Path, dataset: FileDataset, **options) -> np.ndarray:
    return decode(write(tmp_path, dataset), size=64, **options).pixels


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(ImageError) as caught:
        decode(path, size=16)
    return caught.value.reason, caught.value.detail


def window(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, written out pixel by pixel."""

    def shown(x: float) -> float:
        if x <= center - 0.5 - (width - 1) / 2:
            return 0.0
        if x > center - 0.5 + (width - 1) / 2:
            return 255.0
        return ((x - (center - 0.5)) / (width - 1) + 0.5) * 255

    return np.rint(np.vectorize(shown)(values)).astype(np.uint8)


def test_8_bits_without_window_are_shown_as_stored(tmp_path):
    np.testing.assert_array_equal(pixels_of(tmp_path, dicom(OBLIQUE)), OBLIQUE)


def test_12_bits_without_window_span_their_own_range(tmp_path):
    shown = pixels_of(tmp_path, dicom(500 + RAMP // 4, bits=12))
    np.testing.assert_array_equal(shown, np.rint((RAMP // 4) / 1023 * 255).astype(np.uint8))


def test_padding_does_not_set_the_range(tmp_path):
    stored = (500 + RAMP // 4).astype(np.uint16)
    stored[:, :8] = 4095
    shown = pixels_of(tmp_path, dicom(stored, bits=12, PixelPaddingValue=4095))
    inside = stored[:, 8:].astype(float)
    expected = np.rint((inside - inside.min()) / np.ptp(inside) * 255)
    np.testing.assert_array_equal(shown[:, 8:], expected)


@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (1000, 500), (1000.5, 333.3), (3000, 1)])
def test_window_follows_the_formula_of_the_standard(tmp_path, center, width):
    shown = pixels_of(tmp_path, dicom(RAMP, bits=12, WindowCenter=center, WindowWidth=width))
    np.testing.assert_array_equal(shown, window(RAMP, center, width))


def test_first_of_several_windows_counts(tmp_path):
    several = dicom(RAMP, bits=12, WindowCenter=[1000, 3000], WindowWidth=[500, 100])
    np.testing.assert_array_equal(pixels_of(tmp_path, several), window(RAMP, 1000, 500))


def test_sigmoid_function_is_honoured(tmp_path):
    film = dicom(RAMP, bits=12, WindowCenter=2000, WindowWidth=800, VOILUTFunction="SIGMOID")
    expected = np.rint(255 / (1 + np.exp(-4 * (RAMP - 2000.0) / 800)))  # PS3.3 C.11.2.1.3.1
    np.testing.assert_array_equal(pixels_of(tmp_path, film), expected)


def test_rescale_comes_before_the_window(tmp_path):
    film = dicom(RAMP, bits=12, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=1000, WindowWidth=2000)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), window(RAMP * 2.0 - 1024, 1000, 2000))


def test_slope_without_intercept_is_identity(tmp_path):
    film = dicom(RAMP, bits=12, RescaleSlope=2, WindowCenter=1000, WindowWidth=2000)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), window(RAMP, 1000, 2000))


@pytest.mark.parametrize("extra", [{}, {"WindowCenter": 2000, "WindowWidth": 1000}])
def test_negative_slope_darkens_large_values(tmp_path, extra):
    shown = pixels_of(tmp_path, dicom(RAMP, bits=12, RescaleSlope=-1, RescaleIntercept=4095, **extra))
    expected = window(4095.0 - RAMP, 2000, 1000) if extra else np.rint((4095 - RAMP) / 4095 * 255)
    np.testing.assert_array_equal(shown, expected)


def test_signed_pixels_keep_their_order(tmp_path):
    signed = (RAMP.astype(np.int16) - 2048).astype(np.int16)
    np.testing.assert_array_equal(pixels_of(tmp_path, dicom(signed, bits=12)), np.rint(RAMP / 4095 * 255))
    film = dicom(signed, bits=12, WindowCenter=0, WindowWidth=1000)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), window(signed, 0, 1000))


def test_bits_above_those_stored_are_ignored(tmp_path):
    np.testing.assert_array_equal(
        pixels_of(tmp_path, dicom(RAMP | np.uint16(0xA000), bits=12, WindowCenter=1000, WindowWidth=500)),
        window(RAMP, 1000, 500),
    )


def test_monochrome1_is_inverted(tmp_path):
    elements = {"WindowCenter": 1000, "WindowWidth": 500}
    film = dicom(RAMP, bits=12, PhotometricInterpretation="MONOCHROME1", **elements)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), 255 - window(RAMP, 1000, 500))


def test_voi_table_comes_before_the_window(tmp_path):
    entries = np.rint(65535 * (np.arange(2000) / 1999) ** 2).astype(int)
    film = dicom(RAMP, bits=12, WindowCenter=9, WindowWidth=9, VOILUTSequence=table(entries, first=1000))
    expected = np.rint(entries[np.clip(RAMP.astype(int) - 1000, 0, 1999)] / 65535 * 255)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), expected)
    by_pydicom = apply_voi_lut(apply_modality_lut(RAMP, film), film)
    np.testing.assert_array_equal(expected, np.rint(by_pydicom / 65535 * 255))


@pytest.mark.parametrize("packed", [False, True])
def test_voi_table_of_8_bits_does_not_wrap(tmp_path, packed):
    entries = np.arange(4096) // 16
    film = dicom(RAMP, bits=12, VOILUTSequence=table(entries, bits=8, packed=packed))
    np.testing.assert_array_equal(pixels_of(tmp_path, film), RAMP // 16)


def test_voi_table_that_overstates_its_bits_is_not_dark(tmp_path):
    film = dicom(RAMP, bits=12, VOILUTSequence=table(np.arange(4096), bits=16, packed=True))
    np.testing.assert_array_equal(pixels_of(tmp_path, film), np.rint(RAMP / 4095 * 255))


@pytest.mark.parametrize("packed", [False, True])
def test_white_of_a_voi_table_is_that_of_its_bits_and_not_of_its_entries(tmp_path, packed):
    entries = 2000 * np.arange(4096) // 4095
    film = dicom(RAMP, bits=12, VOILUTSequence=table(entries, bits=12, packed=packed))
    by_pydicom = apply_voi_lut(RAMP, film)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), np.rint(by_pydicom / 4095 * 255))


def test_modality_table_comes_before_the_window(tmp_path):
    entries = np.sqrt(np.arange(4096) * 4095.0).astype(int)
    film = dicom(RAMP, bits=12, ModalityLUTSequence=table(entries), WindowCenter=2000, WindowWidth=1000)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), window(entries[RAMP], 2000, 1000))


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_native_syntaxes_give_the_same_pixels(tmp_path, syntax):
    film = dicom(RAMP, syntax=syntax, bits=12, WindowCenter=1000, WindowWidth=500)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), window(RAMP, 1000, 500))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_syntaxes_give_the_same_pixels(tmp_path, syntax, bits):
    stored = (RAMP >> 4).astype(np.uint8) if bits == 8 else (RAMP << (bits - 12)).astype(np.uint16)
    plain = pixels_of(tmp_path, dicom(stored, bits=bits))
    film = dicom(stored, bits=bits)
    film.compress(syntax)
    np.testing.assert_array_equal(pixels_of(tmp_path, film), plain)


def test_jpeg_baseline_is_read(tmp_path):
    Image.fromarray(OBLIQUE).save(tmp_path / "film.jpg", quality=95)
    film = dicom(OBLIQUE, syntax=JPEGBaseline8Bit)
    film.PixelData = encapsulate([(tmp_path / "film.jpg").read_bytes()])
    film["PixelData"].VR = "OB"
    assert np.abs(pixels_of(tmp_path, film).astype(int) - OBLIQUE).max() <= 4  # JPEG at quality 95


def test_colour_becomes_luma(tmp_path):
    colour = np.dstack([OBLIQUE, OBLIQUE[::-1], 255 - OBLIQUE])
    expected = np.asarray(Image.fromarray(colour).convert("L"))
    np.testing.assert_array_equal(pixels_of(tmp_path, dicom(colour)), expected)
    deep = colour.astype(np.uint16) * 256
    np.testing.assert_array_equal(pixels_of(tmp_path, dicom(deep)), expected)
    assert pixels_of(tmp_path, dicom(colour), colour=True).shape == (3, 64, 64)


def test_palette_becomes_luma(tmp_path):
    film = dicom(OBLIQUE, PhotometricInterpretation="PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        film.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        film.add_new(f"{name}PaletteColorLookupTableData", "OW", (np.arange(256, dtype="<u2")[::-1] * 256).tobytes())
    np.testing.assert_array_equal(pixels_of(tmp_path, film), 255 - OBLIQUE)


def test_pixel_spacing_is_kept(tmp_path):
    film = dicom(OBLIQUE, ImagerPixelSpacing=[0.2, 0.25])
    assert decode(write(tmp_path, film), size=64).pixel_spacing_mm == (0.2, 0.25)
    film.PixelSpacing = [0.1, 0.15]
    assert decode(write(tmp_path, film), size=64).pixel_spacing_mm == (0.1, 0.15)
    film.PixelSpacing, film.ImagerPixelSpacing = [0, 0.1], None
    assert decode(write(tmp_path, film), size=64).pixel_spacing_mm is None


def test_real_files_are_each_others_negative(test_data):
    plain = decode(next((test_data / "samples").glob("1.2.276*.dcm")), size=224)
    negative = decode(test_data / "samples" / "Fake_MONOHR1.dcm", size=224)
    assert (plain.source_height, plain.pixel_spacing_mm) == (1024, (0.168, 0.168))
    assert np.abs(plain.pixels.astype(int) + negative.pixels - 255).max() <= 1  # each is rounded after resizing


def test_files_without_preamble_are_read(tmp_path):
    film = dicom(OBLIQUE, syntax=ImplicitVRLittleEndian)
    path = write(tmp_path, film)
    path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(decode(path, size=64).pixels, OBLIQUE)
    path.write_bytes(b"\x08\x00\x05\x00" + bytes(200))
    assert refusal(path)[0] in ("not an image", "unreadable", "no pixel data")


def test_nothing_is_printed_and_no_warning_leaks(tmp_path, capfd):
    path = write(tmp_path, dicom(OBLIQUE, PatientAge="062Y", StudyDate="20200101"))
    path.write_bytes(path.read_bytes().replace(b"062Y", b"62  ").replace(b"20200101", b"no date!"))
    decode(path, size=16)
    film = dicom((RAMP >> 4).astype(np.uint8))
    film.compress(JPEG2000Lossless)
    path = write(tmp_path, film)
    path.write_bytes(path.read_bytes()[:-500])
    assert refusal(path)[0] in ("unreadable", "truncated", "no pixel data")
    assert capfd.readouterr() == ("", "")


def missing_rows(film):
    del film.Rows


def missing_pixels(film):
    del film.PixelData


REFUSED = {
    "no pixel data": (missing_pixels, "no pixel data", ""),
    "empty pixel data": (lambda film: setattr(film, "PixelData", b""), "no pixel data", ""),
    "multi-frame": (lambda film: setattr(film, "NumberOfFrames", 3), "multi-frame", "3 frames"),
    "short": (lambda film: setattr(film, "PixelData", bytes(100)), "truncated", "100 of 4096 bytes of pixels"),
    "huge": (
        lambda film: film.update({"Rows": 60000, "Columns": 60000}),
        "too large",
        "60000 x 60000 pixels, the limit is 100 megapixels",
    ),
    "32 bits": (lambda film: setattr(film, "BitsAllocated", 32), "unreadable", "32 bits allocated"),
    "photometric": (
        lambda film: setattr(film, "PhotometricInterpretation", "HSV"),
        "unreadable",
        "photometric interpretation 'HSV'",
    ),
    "width 0": (
        lambda film: film.update({"WindowCenter": 100, "WindowWidth": 0}),
        "invalid window",
        "The (0028,1051) Window Width must be greater than or equal to 1 for a 'LINEAR' windowing operation",
    ),
    "table": (
        lambda film: setattr(film, "VOILUTSequence", Sequence([Dataset()])),
        "invalid lookup table",
        "'Dataset' object has no attribute 'LUTDescriptor'",
    ),
    "function": (
        lambda film: film.update({"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "LOG"}),
        "invalid window",
        "Unsupported (0028,1056) VOI LUT Function value 'LOG'",
    ),
}


@pytest.mark.parametrize(("spoil", "reason", "detail"), REFUSED.values(), ids=REFUSED)
def test_unusable_dicom_is_refused(tmp_path, spoil, reason, detail):
    film = dicom(OBLIQUE)
    spoil(film)
    assert refusal(write(tmp_path, film)) == (reason, detail)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_window_that_is_not_finite_is_refused(tmp_path, value):
    film = dicom(OBLIQUE, WindowCenter=100, WindowWidth=MultiValue(DSfloat, [50.0]))
    path = write(tmp_path, film)
    path.write_bytes(path.read_bytes().replace(b"DS\x04\x0050.0", b"DS\x04\x00" + value.encode().ljust(4)))
    assert refusal(path) == ("invalid window", f"center 100.0, width {value}")


def test_negative_width_is_refused(tmp_path):
    assert refusal(write(tmp_path, dicom(OBLIQUE, WindowCenter=100, WindowWidth=-5)))[0] == "invalid window"


def test_empty_window_counts_as_none(tmp_path):
    np.testing.assert_array_equal(pixels_of(tmp_path, dicom(OBLIQUE, WindowCenter=None, WindowWidth=None)), OBLIQUE)


def test_missing_element_is_named(tmp_path):
    film = dicom(OBLIQUE)
    missing_rows(film)
    reason, detail = refusal(write(tmp_path, film))
    assert reason == "unreadable" and "Rows" in detail


def test_floating_point_pixels_are_refused(tmp_path):
    film = dicom(OBLIQUE)
    missing_pixels(film)
    film.FloatPixelData = bytes(4 * 64 * 64)
    assert refusal(write(tmp_path, film)) == ("unreadable", "floating-point pixels")


def test_dicomdir_is_refused(tmp_path):
    film = dicom(OBLIQUE)
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID = MediaStorageDirectoryStorage
    assert refusal(write(tmp_path, film, "DICOMDIR")) == ("DICOMDIR", "a directory of other files")


def test_deflate_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("cxrshort.images.dicom.MAX_BYTES", 2**20)
    path = write(tmp_path, dicom(OBLIQUE, syntax=DeflatedExplicitVRLittleEndian))
    whole = path.read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")
    deflater = zlib.compressobj(wbits=-15)
    path.write_bytes(whole[:start] + deflater.compress(bytes(2**22)) + deflater.flush())
    assert refusal(path) == ("too large", "inflates to more than 1 MiB")
    assert raster.MAX_BYTES >= 2 * raster.MAX_PIXELS


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000, JPEGLSLossless])
def test_compressed_stream_larger_than_its_header_says_is_refused(tmp_path, syntax):
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\xff\xff\xff\xff\x01\x01\x11\x00"
    stream = {
        JPEGBaseline8Bit: jpeg,
        JPEGLSLossless: jpeg.replace(b"\xff\xc0", b"\xff\xf7"),
        JPEG2000: b"\xff\x4f\xff\x51\x00\x29\x00\x00" + (65535).to_bytes(4, "big") * 2 + bytes(24),
    }[syntax]
    film = dicom(OBLIQUE, syntax=syntax)
    film.PixelData = encapsulate([stream + bytes(100)])
    film["PixelData"].VR = "OB"
    assert refusal(write(tmp_path, film)) == (
        "too large",
        "65535 x 65535 pixels, the limit is 100 megapixels",
    )


@pytest.mark.parametrize("syntax", ["plain", RLELossless, JPEG2000Lossless])
def test_truncated_dicom_is_refused_or_costs_no_pixel(tmp_path, syntax):
    film = dicom(np.random.default_rng(0).integers(0, 4096, (48, 48), dtype=np.uint16), bits=12)
    if syntax != "plain":
        film.compress(syntax)
    path = write(tmp_path, film)
    whole = path.read_bytes()
    expected = decode(path, size=48).pixels
    for length in range(1, len(whole), 37):
        path.write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(decode(path, size=48).pixels, expected)
        except ImageError as error:
            assert error.reason, error
            continue
        assert length > len(whole) - 24  # the last bytes of a stream hold no pixels


def test_panic_of_the_run_length_decoder_is_refused(tmp_path):
    film = dicom(RAMP, syntax=RLELossless)
    segment = b"\x81\x07" * 40  # 40 runs of 128 bytes where 32 fill the picture
    header = np.array([2, 64, 64 + len(segment)] + 13 * [0], "<u4").tobytes()
    film.PixelData = encapsulate([header + 2 * segment])
    film["PixelData"].VR = "OB"
    assert refusal(write(tmp_path, film))[0] == "unreadable"


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm"])
def test_files_of_other_encoders_give_the_same_pixels(name):
    plain = decode(Path(get_testdata_file("MR_small.dcm", download=False)), size=64)
    packed = decode(Path(get_testdata_file(name, download=False)), size=64)
    np.testing.assert_array_equal(packed.pixels, plain.pixels)


def lossless_jpeg(pixels: np.ndarray, *, bits: int) -> bytes:
    """Encode pixels as lossless JPEG (ITU-T T.81 annex H): first-order prediction, one table of 17 codes of 5 bits."""
    stored = pixels.astype(int)
    predicted = np.empty_like(stored)
    predicted[:, 1:] = stored[:, :-1]  # selection value 1: the pixel to the left,
    predicted[1:, 0] = stored[:-1, 0]  # above for the first of a line,
    predicted[0, 0] = 1 << (bits - 1)  # half of the range for the first of all
    stream = []
    for difference in ((stored - predicted + 32768) % 65536 - 32768).ravel().tolist():
        category = abs(difference).bit_length()
        stream.append(f"{category:05b}")
        if 0 < category < 16:  # T.81 H.1.2.2: negative differences less one, in the low bits
            stream.append(f"{(difference if difference > 0 else difference + (1 << category) - 1):0{category}b}")
    joined = "".join(stream)
    joined += "1" * (-len(joined) % 8)
    data = int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\x00")
    height, width = pixels.shape
    frame = struct.pack(">B2H4B", bits, height, width, 1, 1, 0x11, 0)
    codes = bytes([0]) + bytes([0] * 4 + [17] + [0] * 11) + bytes(range(17))
    segments = ((0xC3, frame), (0xC4, codes), (0xDA, bytes([1, 1, 0, 1, 0, 0])))
    head = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return b"\xff\xd8" + head + data + b"\xff\xd9"


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_jpeg_gives_the_same_pixels(tmp_path, syntax, bits):
    noise = np.random.default_rng(3).integers(0, 1 << bits, (64, 64))
    stored = noise.astype(np.uint8 if bits == 8 else np.uint16)
    plain = pixels_of(tmp_path, dicom(stored, bits=bits))
    film = dicom(stored, syntax=syntax, bits=bits)
    film.PixelData = encapsulate([lossless_jpeg(stored, bits=bits)])
    film["PixelData"].VR = "OB"
    np.testing.assert_array_equal(pixels_of(tmp_path, film), plain)


def test_skip_windowing_shows_the_stored_values(tmp_path):
    elements = {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": -1, "RescaleIntercept": 4095}
    film = dicom(RAMP, bits=12, WindowCenter=1000, WindowWidth=500, **elements)
    shown = pixels_of(tmp_path, film, treatment=Treatment(skip_windowing=True))
    np.testing.assert_array_equal(shown, np.rint(RAMP / 4095 * 255))


def test_treatment_of_a_bitmap_leaves_dicom_alone(tmp_path):
    bitmap_only = Treatment(photometric="MONOCHROME1", bits_stored=7, sidecar=tmp_path / "none.json")
    np.testing.assert_array_equal(pixels_of(tmp_path, dicom(OBLIQUE), treatment=bitmap_only), OBLIQUE)


def test_stream_of_many_components_is_refused(tmp_path):
    film = dicom(OBLIQUE)
    film.compress(JPEG2000Lossless)
    path = write(tmp_path, film)
    whole = path.read_bytes()
    components = whole.index(b"\xff\x4f\xff\x51") + 40
    path.write_bytes(whole[:components] + (16384).to_bytes(2, "big") + whole[components + 2 :])
    assert refusal(path) == ("unreadable", "16384 colour components")
