"""Edited datasets: rows, labels, bytes that depend on nothing but what was asked, and bad input."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import load_dataset
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom
from cxrshort.errors import CxrshortError, DataError, MissingInputError, OutputError, UsageError
from cxrshort.generative.roentmod.opening import EditorOptions
from cxrshort.verbs.roentmod.edit import choose_edits, edit
from cxrshort.verbs.roentmod.stress_test import stress_test
from cxrshort.verbs.train import train

from ...generative.roentmod.tiny_pipeline import build
from ...training.tiny import png_signature, tiny_dataset
from .edited import CPU, contents, edited, phantoms

TWO = ["edema", "mass"]
CONTROLS = ["sham", "round trip"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return phantoms(tmp_path_factory.mktemp("source") / "films")


@pytest.fixture(scope="module")
def whole(source: Path) -> Path:
    folder = source.parent / "whole"
    edited(source, folder, prompts=TWO)
    return folder


def test_each_image_without_findings_has_every_edit_and_both_controls(source: Path, whole: Path) -> None:
    before, after = load_dataset(str(source)), load_dataset(str(whole))
    healthy = before.manifest[~(before.manifest[before.labels] > 0).any(axis=1)]
    rows = after.manifest
    assert len(healthy) >= 5 and len(rows) == 4 * len(healthy)
    assert set(rows["source_image_id"]) == set(healthy["image_id"])
    assert rows.groupby("source_image_id")["edit"].apply(set).map(sorted).map(tuple).unique().tolist() == [
        tuple(sorted([*TWO, *CONTROLS]))
    ]
    own = before.manifest.set_index("image_id").loc[rows["source_image_id"]]
    for column in ("person_id", "split_0", "split_1", "view", "sex"):
        assert rows[column].tolist() == own[column].tolist()
    assert after.made_from == {before.dataset_id: before.name}


def test_labels_are_exact_and_facts_of_edits_are_no_labels(source: Path, whole: Path) -> None:
    before, after = load_dataset(str(source)), load_dataset(str(whole))
    assert after.labels == before.labels
    rows = after.manifest
    for edit_name, label in (("edema", "Edema"), ("mass", "Mass"), ("sham", ""), ("round trip", "")):
        part = rows[rows["edit"] == edit_name]
        assert part["edit_label"].unique().tolist() == [label]
        present = [name for name in after.labels if (part[name] == 1).any()]
        assert present == ([label] if label else [])
        assert (part[after.labels].sum(axis=1) == (1 if label else 0)).all()
    facts = {"edit_prompt", "edit_seed", "edit_repetition", "edit_parameters", "edit_severity", "edit_change"}
    assert facts <= set(rows.columns)


def test_pictures_are_those_that_the_written_phantoms_draw(whole: Path) -> None:
    data = load_dataset(str(whole))
    drawn = [Phantom.from_json(line) for line in (whole / "phantoms.jsonl").read_text().splitlines()]
    assert [phantom.phantom_id for phantom in drawn] == data.manifest["image_id"].tolist()
    expected = [draw_phantom(phantom, size=32) for phantom in drawn]
    everything = range(len(drawn))
    np.testing.assert_array_equal(data.pixels.take(everything), [drawing.pixels for drawing in expected])
    assert data.masks is not None
    np.testing.assert_array_equal(data.masks.take(everything), [drawing.masks for drawing in expected])


def test_noise_of_an_image_is_the_same_in_all_its_edits(source: Path, whole: Path) -> None:
    data, films = load_dataset(str(whole)), load_dataset(str(source))
    rows = data.manifest
    assert rows.groupby("source_image_id")["edit_seed"].nunique().unique().tolist() == [1]
    name = rows["source_image_id"].iloc[0]
    pictures = dict(zip(rows["edit"], data.pixels.take(range(len(rows))), strict=True))
    of_first = {
        row["edit"]: data.pixels.take([place])[0] for place, row in rows[rows["source_image_id"] == name].iterrows()
    }
    original = films.pixels.take(np.flatnonzero(films.manifest["image_id"] == name))[0]
    np.testing.assert_array_equal(of_first["round trip"], original)
    assert (of_first["sham"] != original).any()
    assert (of_first["mass"] == of_first["sham"]).mean() > 0.7 and pictures


def test_folder_says_how_it_was_made(whole: Path) -> None:
    record = json.loads((whole / "run.json").read_text())
    assert (record["verb"], record["state"], record["name"]) == ("roentmod edit", "done", "edits")
    summary = record["summary"]
    assert summary["candidates"] == summary["rows"] + len(pd.read_csv(whole / "excluded.csv"))
    assert summary["off_target"] == "exact" and summary["editor"]["severity"] == 0.7
    assert [prompt["edit"] for prompt in summary["prompts"]] == ["edema", "mass", "sham"]
    assert png_signature(whole / "edits.png") and "edits.png" in record["outputs"]


@pytest.mark.parametrize("shards", [3])
def test_shards_write_the_bytes_of_one_process(source: Path, whole: Path, tmp_path: Path, shards: int) -> None:
    for number in range(shards, 0, -1):
        edited(source, tmp_path / "out", prompts=TWO, shard=f"{number}/{shards}")
    edited(source, tmp_path / "out", prompts=TWO, merge=True)
    assert contents(tmp_path / "out") == contents(whole)


def test_interrupted_edits_go_on_to_the_same_bytes(source: Path, whole: Path, tmp_path: Path) -> None:
    def interrupt(event: object) -> None:
        if isinstance(event, dict) and event.get("done"):
            raise KeyboardInterrupt

    with pytest.raises(CxrshortError, match="interrupted, 16 of "):
        edited(source, tmp_path / "out", prompts=TWO, report=interrupt)
    with pytest.raises(UsageError, match="was begun from other images or settings"):
        edited(source, tmp_path / "out", prompts=TWO, resume=True, seed=1)
    edited(source, tmp_path / "out", prompts=TWO, resume=True)
    assert contents(tmp_path / "out") == contents(whole)
    again = edited(source, tmp_path / "out", prompts=TWO, resume=True)
    assert again.summary["rows"] == again.summary["candidates"]
    with pytest.raises(OutputError, match="exists already"):
        edited(source, tmp_path / "out", prompts=TWO)


def test_forecast_comes_after_the_first_batch(source: Path, tmp_path: Path) -> None:
    events: list[dict[str, object]] = []
    edited(source, tmp_path / "out", prompts=TWO, report=lambda event: events.append(dict(event)))
    notes = [event["text"] for event in events if event["event"] == "note"]
    assert len(notes) == 1 and " edits take less than a minute, at " in str(notes[0])
    assert events[-1] == {"event": "edits", "done": events[-1]["of"], "of": events[-1]["of"]}


def test_dry_run_counts_edits_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    result = edited(source, tmp_path / "out", prompts=TWO, repetitions=3, dry_run=True)
    images = result.summary["images"]
    assert result.summary["edits"] == images * (3 * 3 + 1) and result.summary["minutes"] > 0
    assert not (tmp_path / "out").exists()


def test_repetitions_have_other_noise_and_names_of_their_own(source: Path, tmp_path: Path) -> None:
    edited(source, tmp_path / "out", prompts=["edema"], repetitions=2, sample=2)
    data = load_dataset(str(tmp_path / "out"))
    rows = data.manifest
    pairs = rows[rows["edit"] == "edema"].groupby("source_image_id")
    assert pairs.size().tolist() == [2, 2] and pairs["edit_seed"].nunique().tolist() == [2, 2]
    for _, part in pairs:
        first, second = data.pixels.take(part.index.to_numpy())
        assert (first != second).any()


@pytest.mark.parametrize(("scheme", "values"), [("negative", {0.0}), ("ignore", set()), ("table", {0.25})])
def test_schemes_fill_the_other_labels(source: Path, tmp_path: Path, scheme: str, values: set[float]) -> None:
    table = tmp_path / "readers.csv"
    table.write_text("added,Edema,Hernia\nEdema,0.9,0.25\n")
    named = str(table) if scheme == "table" else scheme
    result = edited(source, tmp_path / "out", prompts=["edema"], sample=2, off_target=named)
    rows = load_dataset(str(tmp_path / "out")).manifest
    edema = rows[rows["edit"] == "edema"]
    assert edema["Edema"].tolist() == [1.0, 1.0]
    assert set(edema["Hernia"].dropna()) == values
    assert (rows[rows["edit"] == "sham"]["Hernia"] == 0).all()
    assert any(note.startswith("the table has no column of ") for note in result.notes) == (scheme == "table")


def test_composite_keeps_the_source_outside_the_lungs(source: Path, tmp_path: Path) -> None:
    edited(source, tmp_path / "out", prompts=["edema"], sample=3, inside=["lungs"], edge=0.0)
    before, after = load_dataset(str(source)), load_dataset(str(tmp_path / "out"))
    assert before.masks is not None
    rows = after.manifest[after.manifest["edit"] == "edema"]
    places = pd.Index(before.manifest["image_id"]).get_indexer(rows["source_image_id"])
    lungs = (before.masks.take(places) & 1) > 0
    changed = after.pixels.take(rows.index.to_numpy()) != before.pixels.take(places)
    assert changed[lungs].any() and not changed[~lungs].any()
    assert not (tmp_path / "out" / "phantoms.jsonl").exists()  # these pictures are no phantom's own


def test_damaged_sources_are_excluded_with_their_reason(source: Path, tmp_path: Path) -> None:
    edited(source, tmp_path / "first", prompts=["edema"], sample=2, inside=["lungs"])
    manifest = pd.read_csv(tmp_path / "first" / "manifest.csv")
    films = pd.read_csv(source / "manifest.csv")
    wrong = films[films["image_id"].isin(manifest["source_image_id"])].copy()
    # The pixels of another film under the name of a healthy one.
    other = films[~films["image_id"].isin(wrong["image_id"])].iloc[0]
    wrong.loc[wrong.index[0], ["cache_row", "pixels_crc32"]] = other[["cache_row", "pixels_crc32"]]
    wrong.to_csv(tmp_path / "wrong.csv", index=False)
    result = edited(tmp_path / "wrong.csv", tmp_path / "out", prompts=["edema"])
    excluded = pd.read_csv(tmp_path / "out" / "excluded.csv")
    assert set(excluded["reason"]) == {"not a phantom's own picture"} and len(excluded) == 2
    assert excluded["detail"].str.startswith(str(wrong["image_id"].iloc[0])).all()
    assert result.summary["candidates"] == result.summary["rows"] + 2 == 6


def test_diffusion_edits_stand_beside_its_round_trip(source: Path, tmp_path: Path) -> None:
    options = EditorOptions(generator=str(build(tmp_path / "tiny")), steps=5, batch_size=2)
    chosen = {"split": "all", "sample": 2, "prompts": ["edema", "mass"], "options": options, **CPU}
    edit(str(source), out=tmp_path / "out", name="edits", **chosen)  # type: ignore[arg-type]
    data = load_dataset(str(tmp_path / "out"))
    rows = data.manifest
    assert rows["edit"].value_counts().to_dict() == {"edema": 2, "mass": 2, "sham": 2, "round trip": 2}
    assert set(rows["edit_strength"].iloc[:6]) == {"0.4"} and set(rows["edit_strength"].iloc[6:]) == {""}
    assert {"edit_channel_spread", "edit_vae_fp32"} <= set(rows.columns)
    pictures = data.pixels.take(range(len(rows)))
    edema, mass = (pictures[np.flatnonzero(rows["edit"] == name)] for name in ("edema", "mass"))
    assert (edema != mass).any()
    assert data.masks is None and not (tmp_path / "out" / "regions.csv").exists()  # diffusion may move anatomy
    for number in (1, 2):
        edit(str(source), out=tmp_path / "shards", name="edits", shard=f"{number}/2", **chosen)  # type: ignore[arg-type]
    edit(str(source), out=tmp_path / "shards", name="edits", merge=True, **chosen)  # type: ignore[arg-type]
    assert contents(tmp_path / "shards") == contents(tmp_path / "out")


def test_strength_0_is_the_round_trip(source: Path, tmp_path: Path) -> None:
    options = EditorOptions(generator=str(build(tmp_path / "tiny")), strength=0.0)
    edit(str(source), out=tmp_path / "out", split="all", sample=1, prompts=["edema"], options=options, **CPU)  # type: ignore[arg-type]
    first, *others = load_dataset(str(tmp_path / "out")).pixels.take(range(3))
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_model_is_stress_tested_on_the_edits_and_the_sham_is_taken(source: Path, whole: Path, tmp_path: Path) -> None:
    train(str(source), arch="small-cnn", overrides={"epochs": 1}, out=tmp_path / "model", **CPU)
    edited(source, tmp_path / "edits", prompts=TWO, split="test", all_images=True)
    result = stress_test(
        [tmp_path / "model"], before=str(source), after=str(tmp_path / "edits"), expected="targets", **CPU
    )
    assert {row["added"] for row in result.summary["cells"]} == set(TWO)
    assert {row["added"] for row in result.summary["controls"]} == set(CONTROLS)
    assert not any("no sham edit" in note for note in result.notes)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"prompts": ["edemma"]}, UsageError, "--prompt 'edemma' is no built-in prompt"),
        ({"prompts": ["edema", "edema"]}, UsageError, "two prompts are called 'edema'"),
        ({"prompts": ["x=scoliosis"]}, UsageError, "the phantom has no finding 'x'"),
        ({"editor": "cyclegan:nowhere"}, MissingInputError, "'nowhere' does not exist"),
        ({"editor": "diffusion", "options": EditorOptions(generator="nowhere")}, MissingInputError, "'nowhere' does "),
        ({"editor": "fantom"}, UsageError, "'fantom' is not a known editor"),
        ({"editor": "diffusion"}, UsageError, "--generator is missing"),
        ({"options": EditorOptions(severity=2)}, UsageError, "--severity is '2', it must be above 0 and at most 1"),
        ({"where": "COVID-19 == 1"}, DataError, "films: no image without findings, "),
        ({"shard": "1/2", "merge": True}, UsageError, "--shard and --merge exclude each other"),
        ({"shard": "3/2"}, UsageError, "--shard is '3/2'"),
        ({"inside": ["liver"]}, UsageError, "'liver' is not a known structure of this dataset's masks"),
        ({"repetitions": 0}, UsageError, "--repetitions is '0', it must be 1 or more"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    source: Path, tmp_path: Path, options: dict[str, object], kind: type[CxrshortError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        edited(source, tmp_path / "out", **options)
    assert caught.value.message.startswith(message) and not (tmp_path / "out").exists()


def test_table_without_the_row_of_a_prompt_is_refused(source: Path, tmp_path: Path) -> None:
    table = tmp_path / "readers.csv"
    table.write_text("added,Edema\nHernia,0.25\n")
    with pytest.raises(DataError) as caught:
        edited(source, tmp_path / "out", prompts=["edema"], off_target=str(table))
    assert caught.value.message == "readers.csv: no row is of the added finding 'Edema'"


def test_a_cyclegan_makes_one_edit(source: Path) -> None:
    data = load_dataset(str(source))
    chosen = {"choices": {"seed": 0}, "off_target": None}
    plan = choose_edits(data, "cyclegan", prompts=(["COVID-19=the other side"], None), **chosen)  # type: ignore[arg-type]
    assert [prompt.label for prompt in plan.prompts] == ["COVID-19", ""] and plan.scheme.scheme == "ignore"
    with pytest.raises(UsageError, match="makes one edit, the way to its other side, and 6 prompts are asked for"):
        choose_edits(data, "cyclegan", prompts=([], None), **chosen)  # type: ignore[arg-type]


def test_films_of_no_phantom_are_refused_by_its_editor(tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "films", name="films", people=4, size=32)
    with pytest.raises(DataError, match="films is no phantom dataset"):
        edited(tmp_path / "films", tmp_path / "out", prompts=["edema"])
