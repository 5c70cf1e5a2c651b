"""Headers of many small files."""

import json
import random
from pathlib import Path

import pytest

from cxrshort.datasets.repositories.parsing.headers import FIELDS, read_dicom_header, read_headers, read_json_header

from ...lookalikes import dicom, sidecar


def test_read_json_header_takes_first_values_as_text(tmp_path):
    sidecar(tmp_path / "a.json", t00080070="GE \n Medical", t00283010={"00283006": {"Value": [1]}})
    header = read_json_header(str(tmp_path / "a.json"))
    assert header["StudyDate"] == "20200310" and header["Manufacturer"] == "GE Medical"
    assert header["VOILUT"] == "yes" and header["WindowCenter"] == "2000"
    assert header["PatientID"] == ""


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"[1, 2]", "not a table of DICOM attributes"),
        (b'{"a', "JSONDecodeError: Unterminated string starting at: line 1 column 2 (char 1)"),
        (b"", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        (
            b"[" * 100_000,
            "RecursionError: maximum recursion depth exceeded while decoding a JSON array from a unicode s",
        ),
    ],
)
def test_read_json_header_says_what_is_wrong(tmp_path, data, error):
    (tmp_path / "a.json").write_bytes(data)
    assert read_json_header(str(tmp_path / "a.json"))["error"].startswith(error)


@pytest.mark.parametrize(
    "value", ["null", "3", '"x"', "[]", "{}", '{"Value": null}', '{"Value": [[]]}', '{"Value": [{}]}']
)
def test_read_json_header_survives_odd_attributes(tmp_path, value):
    text = json.dumps({"00100040": "?", "00081032": "?", "00283010": "?"}).replace('"?"', value)
    (tmp_path / "a.json").write_text(text)
    header = read_json_header(str(tmp_path / "a.json"))
    assert "error" not in header and set(header) <= set(FIELDS)


def test_read_dicom_header_reads_attributes(tmp_path):
    dicom(tmp_path / "a.dcm", PatientID="P 1", PatientAge="51", ViewPosition="PA", Manufacturer="X" * 64)
    header = read_dicom_header(str(tmp_path / "a.dcm"))
    assert (header["PatientID"], header["PatientAge"], header["ViewPosition"]) == ("P 1", "51", "PA")
    assert header["StudyDate"] == "" and "error" not in header


def test_read_dicom_header_reads_the_real_file(test_data):
    files = sorted((test_data / "samples").glob("1.2*.dcm"))
    header = read_dicom_header(str(files[0]))
    assert (header["ViewPosition"], header["PatientAge"], header["Modality"]) == ("PA", "62", "CR")


def test_read_dicom_header_survives_truncation_anywhere(tmp_path):
    dicom(tmp_path / "a.dcm", PatientID="P1", ViewPosition="PA", SeriesDescription="TORAX")
    data = (tmp_path / "a.dcm").read_bytes()
    for length in range(len(data)):
        (tmp_path / "b.dcm").write_bytes(data[:length])
        assert set(read_dicom_header(str(tmp_path / "b.dcm"))) <= set(FIELDS)


def test_read_dicom_header_survives_flipped_bytes(tmp_path):
    dicom(tmp_path / "a.dcm", PatientID="P1", ViewPosition="PA", SeriesDescription="TORAX")
    data = (tmp_path / "a.dcm").read_bytes()
    generator = random.Random(3)
    for _ in range(300):
        broken = bytearray(data)
        for place in generator.sample(range(128, len(data)), 4):
            broken[place] = generator.randrange(256)
        (tmp_path / "b.dcm").write_bytes(broken)
        assert set(read_dicom_header(str(tmp_path / "b.dcm"))) <= set(FIELDS)


@pytest.mark.parametrize("read", [read_dicom_header, read_json_header])
def test_missing_header_is_said(tmp_path, read):
    assert read(str(tmp_path / "gone")) == {"error": "no such file"}


def test_read_headers_reads_only_what_changed(tmp_path):
    for name in "ab":
        sidecar(tmp_path / f"{name}.json", t00080070=name)
    seen = []

    def read(path):
        seen.append(Path(path).name)
        return read_json_header(path)

    def manufacturers():
        paths = ["a.json", "b.json", "gone.json"]
        return read_headers(paths, read, root=tmp_path, cache=tmp_path / "headers.json")["Manufacturer"].to_list()

    assert manufacturers() == ["a", "b", ""]
    sidecar(tmp_path / "b.json", t00080070="longer")
    assert manufacturers() == ["a", "longer", ""]
    assert seen == ["a.json", "b.json", "gone.json", "b.json", "gone.json"]
    (tmp_path / "headers.json").write_text("[broken")
    assert manufacturers() == ["a", "longer", ""]


def test_headers_kept_by_a_version_that_read_others_are_read_again(tmp_path):
    sidecar(tmp_path / "a.json", t00080070="a")
    cache = tmp_path / "headers.json"
    read_headers(["a.json"], read_json_header, root=tmp_path, cache=cache)
    cache.write_text(cache.read_text().replace("WindowWidth", "WindowBreadth"))
    seen = []
    read_headers(["a.json"], lambda path: seen.append(path) or read_json_header(path), root=tmp_path, cache=cache)
    assert len(seen) == 1


def test_read_headers_is_the_same_for_any_number_of_jobs(tmp_path):
    for number in range(450):
        sidecar(tmp_path / f"{number}.json", t00080070=str(number))
    paths = [f"{number}.json" for number in range(450)]
    one, two = (read_headers(paths, read_json_header, root=tmp_path, jobs=jobs) for jobs in (1, 2))
    assert one.equals(two) and one["Manufacturer"].to_list() == [str(number) for number in range(450)]


def test_kept_headers_are_readable_by_their_owner_alone(tmp_path):
    sidecar(tmp_path / "a.json", t00100020="a patient id")
    cache = tmp_path / "caches" / "headers" / "bimcv+.json"
    for _ in range(2):
        read_headers(["a.json"], read_json_header, root=tmp_path, cache=cache)
        assert "a patient id" in cache.read_text()
        assert (cache.stat().st_mode & 0o777, cache.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        cache.unlink()
