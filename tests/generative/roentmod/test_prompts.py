"""Prompts: the paper's, a user's own, the labels of their findings, and refusals."""

from pathlib import Path

import pytest

from cxrshort.columns import LABELS
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.generative.roentmod.prompts import SHAM, choose_prompts


def chosen(*texts: str, table: Path | None = None, labels: tuple[str, ...] = LABELS) -> tuple[list[Prompt], Prompt]:
    return choose_prompts(texts, table, labels=labels)


def test_without_prompts_the_six_of_the_paper_are_taken() -> None:
    prompts, sham = chosen()
    assert [(prompt.text, prompt.label) for prompt in prompts] == [
        ("cardiomegaly", "Cardiomegaly"),
        ("edema", "Edema"),
        ("middle lobe pneumonia", "Pneumonia"),
        ("right pleural effusion", "Effusion"),
        ("hernia", "Hernia"),
        ("left upper lobe mass", "Mass"),
    ]
    assert sham == SHAM == Prompt("sham", "no acute cardiopulmonary process")


def test_labels_come_from_the_name_or_the_words_and_from_nothing_like_them() -> None:
    prompts, _ = chosen("fluid=right pleural effusion", "Mass=a shadow", "scoliosis=scoliosis", "nodule")
    assert [prompt.label for prompt in prompts] == ["Effusion", "Mass", "", "Nodule"]
    assert chosen("edema", labels=("Hernia",))[0] == [Prompt("edema", "edema")]


def test_a_sham_may_have_other_words_and_its_names_are_one() -> None:
    prompts, sham = chosen("edema", "no finding=clear lungs")
    assert [prompt.edit for prompt in prompts] == ["edema"] and sham == Prompt("sham", "clear lungs")


def test_table_of_prompts_names_labels_of_its_own(tmp_path: Path) -> None:
    table = tmp_path / "prompts.csv"
    table.write_text("edit,text,label\nbig heart,enlarged cardiac silhouette,Cardiomegaly\nedema,edema,\n")
    prompts, _ = chosen(table=table)
    assert [(prompt.edit, prompt.label) for prompt in prompts] == [("big heart", "Cardiomegaly"), ("edema", "Edema")]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["cardiomegally"], "--prompt 'cardiomegally' is no built-in prompt"),
        (["edema="], "--prompt 'edema=' is not of the form NAME=words"),
        (["edema", "Edema=more edema"], "two prompts are called 'edema'"),
        (["sham=clear lungs"], "no prompt adds a finding, the sham edit alone is left"),
        (["round trip=nothing"], "'round trip' is the name of the round trip, which is always made"),
    ],
)
def test_prompts_that_make_no_sense_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(*texts)
    assert caught.value.message == message and caught.value.hint


def test_a_near_name_is_proposed_and_an_unknown_one_gets_the_list() -> None:
    with pytest.raises(UsageError) as near:
        chosen("cardiomegally")
    assert near.value.hint == "did you mean 'cardiomegaly'?"
    with pytest.raises(UsageError) as far:
        chosen("xyz")
    assert far.value.hint.startswith("the built-in prompts are cardiomegaly, edema, ")


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="does not exist"):
        chosen(table=tmp_path / "none.csv")
    table = tmp_path / "prompts.csv"
    table.write_text("edit,text,label\nedema,edema,Edemma\n")
    with pytest.raises(DataError) as caught:
        chosen(table=table)
    assert caught.value.message == "prompts.csv: 'Edemma' is not a label of the dataset"
    assert caught.value.hint == "did you mean 'Edema'?"
    table.write_text("edit,text\nedema,\n")
    with pytest.raises(DataError, match="prompts.csv: a prompt has no words: 'edema'"):
        chosen(table=table)
