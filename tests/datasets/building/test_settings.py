"""What ``build-dataset --set`` takes."""

import dataclasses

import pytest

from cxrshort.datasets.building.settings import NAMES, READER, describe_settings, parse_settings
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import UsageError


def test_settings_are_read_as_the_types_of_their_defaults():
    actual = parse_settings(["require-report=true", " labeler = negbio", "confounder_strength=1"])
    assert actual == {"require_report": True, "labeler": "negbio", "confounder_strength": 1.0}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["labeler"], "--set 'labeler' is not of the form NAME=VALUE"),
        (["=1"], "--set '=1' is not of the form NAME=VALUE"),
        (["labeller=x"], "'labeller' is not a known setting of build-dataset"),
        (["age-unit=drop", "age_unit=drop"], "--set names 'age_unit' twice"),
        (["require-report=1"], "--set require-report is '1', it must be true or false"),
    ],
)
def test_other_texts_are_refused(texts, message):
    with pytest.raises(UsageError) as caught:
        parse_settings(texts)
    assert caught.value.message == message


def test_every_setting_of_a_reader_exists_and_has_a_meaning():
    assert set(READER) <= {field.name for field in dataclasses.fields(ReadOptions)}
    rows = describe_settings()["build-dataset"]
    assert [row["name"] for row in rows] == list(NAMES)
    assert all(row["meaning"] for row in rows)
