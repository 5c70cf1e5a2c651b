"""Facts of models are those of their run.json and of their files; replicates that agree are one fact."""

from pathlib import Path

import pytest

from cxrshort.files import sha256
from cxrshort.verbs.stats.reports import model_facts as facts

from ..studies import INSIDE, MODEL, OTHER, change_run, load

MAKERS = [
    facts.model_description,
    facts.model_outputs,
    facts.software,
    facts.initialisation,
    facts.training_settings,
    facts.development,
    facts.selection,
    facts.ensembling,
    facts.missing_labels,
    facts.imbalance,
    facts.normalisation,
    facts.specification,
    facts.computation,
]


@pytest.mark.parametrize("make", MAKERS)
def test_no_training_gives_no_fact(study: Path, make) -> None:
    assert make(load(study / INSIDE)) == []


@pytest.mark.parametrize("make", MAKERS)
def test_every_fact_names_a_file_that_is_there(study: Path, make) -> None:
    made = make(load(study))
    assert made
    for fact in made:
        assert Path(fact.proof.partition(": ")[0]).is_file()


def test_replicates_that_agree_are_one_fact(study: Path) -> None:
    loaded = load(study)
    for make in (facts.software, facts.training_settings, facts.ensembling, facts.normalisation, facts.imbalance):
        assert len(make(loaded)) == 1
    assert [fact.text[:8] for fact in facts.development(loaded)] == ["split 0:", "split 1:"]


def test_settings_are_those_of_the_run(study: Path) -> None:
    loaded = load(study)
    (settings,) = facts.training_settings(loaded)
    assert settings.text.startswith(
        "method erm, epochs 1, batch size 32, adamw with learning rate 0.001 (cosine schedule)"
    )
    (start,) = facts.initialisation(loaded)
    assert start.text == "random initialisation, seed 0"
    assert "classifier small-cnn: input 32 x 32 px, 3 channels, " in facts.model_description(loaded)[0].text
    assert "of epoch 1 was chosen by AUC of COVID-19 on the fold val" in facts.selection(loaded)[0].text
    assert facts.missing_labels(loaded)[0].text == "images without a label do not count in the loss of that label"


def test_other_settings_read_otherwise(changeable: Path) -> None:
    changes = {
        "weights": "imagenet",
        "members": 4,
        "combine": "quadratic",
        "class_weights": True,
        "balance": "sex",
        "empty_labels": "zero",
    }
    change_run(changeable / MODEL, lambda record: record["arguments"].update(changes))
    loaded = load(changeable / MODEL)
    texts = [make(loaded)[0].text for make in (facts.initialisation, facts.ensembling, facts.imbalance)]
    assert texts == [
        "initialised with the weights imagenet, seed 0",
        "4 networks, combined by quadratic",
        "classes weighted, batches balanced by sex",
    ]
    assert facts.missing_labels(loaded)[0].text == "empty labels are read as 0"


def test_model_that_records_nothing_proves_nothing(changeable: Path) -> None:
    def forget(record: dict) -> None:
        record["arguments"].clear()
        record["summary"].clear()
        record.pop("versions")

    change_run(changeable / MODEL, forget)
    loaded = load(changeable / MODEL)
    for make in (
        facts.software,
        facts.initialisation,
        facts.development,
        facts.selection,
        facts.ensembling,
        facts.imbalance,
        facts.normalisation,
        facts.missing_labels,
        facts.model_outputs,
        facts.model_description,
        facts.training_settings,
    ):
        assert make(loaded) == []


def test_specification_has_the_hash_of_each_file(study: Path) -> None:
    made = facts.specification(load(study))
    assert [fact.text.rpartition(" ")[2] for fact in made] == [
        sha256(study / name / "model.safetensors") for name in (MODEL, OTHER)
    ]


def test_commands_and_counts(changeable: Path) -> None:
    change_run(changeable / MODEL, lambda record: record["machine"].update(command=["train", "--dataset", "I"]))
    assert "`cxrshort train --dataset I`" in [fact.text for fact in facts.commands(load(changeable))]
    (counts,) = facts.run_counts(load(changeable))
    assert counts.text == "runs: build-dataset 2, evaluate 1, explain 1, swap-test 1, train 2"
