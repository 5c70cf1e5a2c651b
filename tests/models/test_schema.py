"""Model files with altered descriptions: all are refused with the name of the field, or work."""

import copy
import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cxrshort.errors import DataError
from cxrshort.models import ensemble, factory, pipeline, schema
from cxrshort.models.checkpoint import Description, read_description, save_model
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.people import hash_people

SIDE = 16
LABELS = ("COVID-19", "Edema")
RECIPE = {"method": "erm", "task": "multilabel", "mask_bit": "lungs", "learning_rate": 0.1}
Built = tuple[Classifier, Description]
KINDS = [kind for kind in schema.KINDS if kind != schema.CYCLEGAN]
"""Those that return logits; of a cyclegan, see tests/generative/cyclegan/test_model.py."""


def built(kind: str = "classifier", seed: int = 0) -> Built:
    masks = kind == "segmenter"
    description = Description(
        kind,
        "unet-small" if masks else "small-cnn",
        ("lungs",) if masks else LABELS,
        InputSpec(SIDE if not masks else 32),
        dataset="I",
        seed=seed,
        recipe=RECIPE | ({"task": "masks"} if masks else {}),
        pixels={"size": SIDE, "fit": "crop"},
        training_people=hash_people([f"nih/{seed}", "nih/9"]),
    )
    return factory.build_model(description, seed=seed), description


def models() -> dict[str, Built]:
    joined = pipeline.join_pipeline(built("segmenter"), built(), background="noise", threshold=0.5, size=SIDE)
    voting = ensemble.merge_members([built(seed=1), built(seed=2)])
    return {"classifier": built(), "segmenter": built("segmenter"), "ensemble": voting, "pipeline": joined}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    for kind, (model, description) in models().items():
        save_model(model, folder / kind, description=description)
    return {kind: folder / kind for kind in KINDS}


def record_of(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(read_description(path).to_json())
    return record


def altered(path: Path, record: Any, out: Path, *, hollow: bool = False) -> Path:
    """Write a model file's tensors, byte for byte, under another description; ``hollow`` leaves a hole for them.

    All headers have one length, so that where ``out`` is such a file already its header alone is written.
    """
    header, tensors = parts_of(path)
    text = json.dumps({**header, "__metadata__": {"cxrshort": json.dumps(record)}}).encode()
    room = 8 * ((len(json.dumps(header)) + ROOM) // 8)
    assert len(text) <= room
    beginning = room.to_bytes(8, "little") + text.ljust(room)
    if out.exists():
        with out.open("r+b") as file:
            file.write(beginning)
        return out
    with out.open("wb") as file:
        file.write(beginning if hollow else beginning + tensors)
        file.truncate(len(beginning) + len(tensors))
    return out


ROOM = 4096
"""Bytes of a header for what an altered description has more."""


@cache
def parts_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the header of a model file and the bytes of its tensors."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


MISSING = object()
VALUES: list[Any] = [
    *(MISSING, None, True, False, -1, 0, 1, 2, 3, 7, 10**30, 0.5, 1.5, -0.5, math.nan, math.inf),
    *("", "A", "x" * 1000, "\x1b[31m", "\ud800", [], [1], [None], ["A"], ["A", "A"], [""], [0.5, 0.5, 0.5]),
    *({}, {"A": 1}, {"A": {"B": [1]}}, [{}], [[]], "AAAAAAAAAAA=", {"00": "AAAAAAAAAAA="}, {"zz": ""}, {"00": "A"}),
]
MORE: dict[str, list[Any]] = {
    "kind": list(schema.KINDS),
    "architecture": ["resnet18", "unet-small", "small-cn", "timm:", "timm:nothing", "txrv:all", "py:a:b", "a:b"],
    "labels": [["COVID-19"], ["COVID-19", "Edema", "Mass"], ["COVID-19", 3]],
    "background": ["noise", "black", "white"],
    "combine": ["mean", "quadratic"],
    "recipe.task": list(schema.TASKS),
    "recipe.mask_bit": ["heart", "lungs+heart", "liver", "lungs+", "lungs+liver"],
}


APART = {
    *("dataset", "replicate", "seed", "selection", "pixels", "training_people", "format", "threshold", "combine"),
    *("recipe", "recipe.method", "recipe.epochs", "recipe.mask_bit", "spec.crop", "spec.std"),
}
"""Fields by which no network is built; their files are described and not loaded."""


def short(path: str) -> str:
    """Return the name of a field in its own description."""
    return path.rpartition("].")[2]


def paths(record: dict[str, Any], within: str = "") -> Iterator[str]:
    """Yield the name of every field, those of nested objects and parts included."""
    for name in (*schema.DESCRIPTION, "colour"):
        yield within + name
    for name in (*schema.SPEC, "colour"):
        yield f"{within}spec.{name}"
    for name in (*schema.RECIPE, "epochs"):
        yield f"{within}recipe.{name}"
    for number, part in enumerate(record.get("parts", [])):
        yield from paths(part, f"{within}parts[{number}].")


def mutated(record: dict[str, Any], path: str, value: Any) -> dict[str, Any] | None:
    """Return a copy with one field changed or taken out; None where nothing changes."""
    changed = copy.deepcopy(record)
    place: Any = changed
    *above, name = path.replace("[", ".").replace("]", "").split(".")
    for key in above:
        place = place[int(key) if key.isdigit() else key]
    if value is MISSING:
        place.pop(name, None)
    else:
        place[name] = value
    return None if changed == record else changed


def names(path: str) -> set[str]:
    """Return by what a message may name a field; what must go together names the fields of one description."""
    later = {"has format"} if path == "format" else set()
    return {f"'{path}'", f"'{path}.", f"'{short(path)}'", *(["'parts'"] if path.startswith("parts[") else []), *later}


@pytest.mark.parametrize("kind", KINDS)
def test_altered_field_is_refused_by_name_or_works(kind: str, saved: dict[str, Path], tmp_path: Path) -> None:
    original = record_of(saved[kind])
    refused, accepted = 0, 0
    for path in paths(original):
        for value in [*VALUES, *MORE.get(short(path), [])]:
            record = mutated(original, path, value)
            if record is None:
                continue
            try:
                hollow = altered(saved[kind], record, tmp_path / "hollow.safetensors", hollow=True)
                description = read_description(hollow)
                if short(path) in APART:
                    continue
                model, _ = factory.load_model(altered(saved[kind], record, tmp_path / "m.safetensors"))
            except DataError as error:
                refused += 1
                assert any(name in error.message for name in names(path)), (path, value, error.message)
                assert error.message.isprintable() and error.hint
                continue
            accepted += 1
            assert model.labels == description.labels
            with torch.inference_mode():
                assert torch.isfinite(model(torch.rand(2, 1, SIDE, SIDE))).all(), (path, value)
    assert refused > 5 * accepted > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("record", [None, 3, "text", [], [1], True])
def test_description_that_is_no_object_is_refused(
    kind: str, record: Any, saved: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="field 'description' is"):
        read_description(altered(saved[kind], record, tmp_path / "m.safetensors"))


def test_parts_do_not_nest(saved: dict[str, Path], tmp_path: Path) -> None:
    record = record_of(saved["pipeline"])
    record["parts"][1] = copy.deepcopy(record)
    with pytest.raises(DataError, match="field 'parts' is"):
        read_description(altered(saved["pipeline"], record, tmp_path / "m.safetensors"))


def test_number_of_networks_is_that_of_the_file(saved: dict[str, Path], tmp_path: Path) -> None:
    """Ten million networks are never built."""
    record = record_of(saved["ensemble"]) | {"members": 10_000_000}
    file = altered(saved["ensemble"], record, tmp_path / "m.safetensors")
    with pytest.raises(DataError) as caught:
        read_description(file)
    assert caught.value.message == f"'{file}': field 'members' is '10000000', it must be 2, the networks in the file"


def test_what_trainings_write_keeps_every_rule(saved: dict[str, Path]) -> None:
    for kind, (model, description) in models().items():
        loaded, read = factory.load_model(saved[kind])
        assert read == description
        assert all(torch.equal(value, load_file(saved[kind])[name]) for name, value in model.state_dict().items())
        assert loaded.labels == description.labels


def test_every_field_is_in_the_table() -> None:
    written = {*json.loads(models()["pipeline"][1].to_json()), "head"}  # written where it is not linear
    assert written == set(schema.DESCRIPTION)
    assert set(InputSpec(1).record()) == set(schema.SPEC)
