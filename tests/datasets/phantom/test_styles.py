"""The table of shortcuts, and the parameters that each consists of."""

import dataclasses

from cxrshort.datasets.phantom.styles import SHORTCUTS, STYLE_FIELDS, Style


def test_every_parameter_of_a_style_belongs_to_one_shortcut() -> None:
    names = [name for fields in STYLE_FIELDS.values() for name in fields]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(Style))
    assert list(STYLE_FIELDS) == list(SHORTCUTS)


def test_shortcut_is_described_in_one_phrase() -> None:
    for name, text in SHORTCUTS.items():
        assert name == name.lower() and text[0].islower() and not text.endswith("."), name


def test_view_is_the_shortcut_that_no_parameter_of_a_style_makes() -> None:
    assert [name for name, fields in STYLE_FIELDS.items() if not fields] == ["view"]
