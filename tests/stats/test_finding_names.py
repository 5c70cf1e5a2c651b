"""Names of one finding are recognised, and no name of another one."""

import pytest

from cxrshort.columns import LABELS
from cxrshort.stats.finding_names import ROUND_TRIPS, SHAMS, canonical, edit_role, label_of, plain


@pytest.mark.parametrize(
    ("edit", "label"),
    [
        ("cardiomegaly", "Cardiomegaly"),
        ("edema", "Edema"),
        ("middle lobe pneumonia", "Pneumonia"),
        ("right pleural effusion", "Effusion"),
        ("hernia", "Hernia"),
        ("left upper lobe mass", "Mass"),
        ("Pleural_Thickening", "Pleural_Thickening"),
        ("covid-19", "COVID-19"),
        ("pleural", ""),
        ("no mass", ""),
    ],
)
def test_prompts_of_the_paper_and_labels_are_of_their_labels(edit: str, label: str) -> None:
    assert label_of(edit, LABELS) == label


def test_no_label_stands_for_another_one_or_for_a_sham() -> None:
    names = [canonical(label) for label in LABELS]
    assert len(set(names)) == len(names)
    assert not set(names) & {*SHAMS, *ROUND_TRIPS}
    assert all(plain(name) == name for name in (*SHAMS, *ROUND_TRIPS))


def test_role_of_an_edit_is_read_off_its_name() -> None:
    assert [edit_role(name) for name in ("Edema", "sham", "No acute cardiopulmonary process", "VAE-round-trip")] == [
        "edit",
        "sham",
        "sham",
        "round trip",
    ]
    assert [edit_role(name, sham="Nothing_new") for name in ("nothing new", "sham", "Edema")] == [
        "sham",
        "sham",
        "edit",
    ]
