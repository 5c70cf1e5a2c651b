"""JSON files: read with refusals that name the file and the field, and written without numbers JSON does not have."""

import json

import pytest

from cxrshort.errors import DataError, MissingInputError
from cxrshort.json_files import finite_values, json_crc32, json_values, read_json, read_record, write_json


def test_numbers_that_are_not_finite_are_written_as_null(tmp_path):
    values = {"auc": float("nan"), "interval": (0.5, float("inf")), "draws": 2000}
    write_json(tmp_path / "run.json", values)
    assert (
        read_json(tmp_path / "run.json")
        == finite_values(values)
        == {"auc": None, "interval": [0.5, None], "draws": 2000}
    )


def test_values_equal_their_json(tmp_path):
    arguments = json_values({"out": tmp_path, "sizes": (1, 2)})
    assert arguments == {"out": str(tmp_path), "sizes": [1, 2]} == json.loads(json.dumps(arguments))


@pytest.mark.parametrize(
    ("content", "rule"),
    [(b"{", "not readable as JSON"), (b"\xff", "not readable as JSON"), (b"[" * 99_999, "not readable as JSON")]
    + [(b"[]", "not a JSON object")],
    ids=["cut short", "not text", "too deep", "list"],
)
def test_read_json_refuses_what_is_no_object(tmp_path, content, rule):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_json(path)
    assert caught.value.message == f"'{path}' is {rule}"


def test_read_json_refuses_a_missing_file(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        read_json(tmp_path / "run.json")
    assert caught.value.message == f"'{tmp_path / 'run.json'}' cannot be read: no such file or directory"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "null"), (3, "3"), ("x" * 90, '"' + "x" * 56 + "..."), ([["a", 1]], '[["a", 1]]')]
)
def test_record_with_a_field_of_another_type_is_refused(tmp_path, value, shown):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"recipe": value, "name": "I"}))
    with pytest.raises(DataError) as caught:
        read_record(path, {"recipe": dict, "gone": str}, hint="make it again")
    assert caught.value.message == f"'{path}': field 'recipe' is '{shown}', it must be an object"
    assert caught.value.hint == "make it again"
    assert read_record(path, {"name": str}, hint="")["name"] == "I"


def test_checksum_is_that_of_the_json_as_it_is_read() -> None:
    value = {"b": [1, float("nan")], 3: {"a": (0.1, None)}}
    read = json.loads('{"3": {"a": [0.1, null]}, "b": [1, null]}')
    assert json_crc32(value) == json_crc32(read)
    assert json_crc32(value) != json_crc32({**value, "b": [2, None]})
