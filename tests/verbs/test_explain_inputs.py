"""What ``explain`` reads is recorded by its content, and is what ``--resume`` goes on with."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cxrshort.errors import UsageError
from cxrshort.files import sha256
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.results import Result
from cxrshort.verbs.explain import explain

from ..training.tiny import tiny_dataset, tiny_manifest, write_dataset

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
CLASSIFIER = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(32))
SEGMENTER = Description("segmenter", "unet-small", ("lungs",), InputSpec(32), recipe={"task": "masks"})
BLOCK = 8
"""Maps of a block, with a batch of one image."""


class InterruptionError(Exception):
    """Stand for whatever interrupts a run."""


def save_model(folder: Path, description: Description, *, seed: int) -> None:
    folder.mkdir(exist_ok=True)
    model = factory.build_model(description, seed=seed)
    checkpoint.save_model(model, folder / "model.safetensors", description=description)


def edit(path: Path, **columns: object) -> None:
    pd.read_csv(path, keep_default_na=False).assign(**columns).to_csv(path, index=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with datasets, untrained models, boxes and masks."""
    manifest = tiny_manifest(tmp_path / "tiny").assign(
        path=[f"{number:03d}.png" for number in range(48)], source_height=32, source_width=32
    )
    write_dataset(tmp_path / "tiny", manifest, signal=30)
    tiny_dataset(tmp_path / "other", name="other", people=10, seed=1)
    save_model(tmp_path / "run", CLASSIFIER, seed=1)
    save_model(tmp_path / "segmenter", SEGMENTER, seed=1)
    lungs = np.zeros((48, 32, 32), bool)
    lungs[:, 8:24, 4:28] = True
    np.save(tmp_path / "lungs.npy", lungs)
    (tmp_path / "masks").mkdir()
    for number in range(48):
        Image.fromarray(lungs[number].astype(np.uint8) * 255).save(tmp_path / "masks" / f"{number:03d}_mask.png")
    boxes = manifest[["image_id"]].assign(region="marker", x0=0, y0=0, x1=4, y1=4)
    boxes.to_csv(tmp_path / "boxes.csv", index=False)
    boxes.assign(region="sticker").to_csv(tmp_path / "tiny" / "regions.csv", index=False)
    return tmp_path


def run(home: Path, out: str, **options: Any) -> Result:
    options = {"references": 5, "settings": ["samples=2"], "batch_size": 1, "split": "all", **CPU, **options}
    return explain(str(home / "run"), dataset=str(home / "tiny"), out=home / out, **options)


def interrupt(home: Path, out: str, **options: Any) -> None:
    """Explain until the first block of maps is on the disk."""

    def stop(event: Mapping[str, Any]) -> None:
        if event["event"] == "maps" and event["done"] > BLOCK:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        run(home, out, report=stop, **options)


def replace_mask_file(home: Path) -> None:
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(home / "masks" / "003_mask.png")


REPLACED = {
    "model": ({}, lambda home: save_model(home / "run", CLASSIFIER, seed=2), "model_id was"),
    "dataset": ({}, lambda home: edit(home / "tiny" / "manifest.csv", age_years=50), "dataset_id was"),
    "boxes of the dataset": ({}, lambda home: edit(home / "tiny" / "regions.csv", x1=9), "sha256 of boxes of tiny, 0"),
    "background": (
        {"background": "other"},
        lambda home: edit(home / "other" / "manifest.csv", age_years=50),
        "background's dataset_id was",
    ),
    "boxes": ({"regions": "boxes.csv"}, lambda home: edit(home / "boxes.csv", x1=9), "boxes.csv was"),
    "masks": (
        {"masks": "lungs.npy"},
        lambda home: np.save(home / "lungs.npy", np.stack([np.tri(32, dtype=bool)] * 48)),
        "lungs.npy was",
    ),
    "mask files": ({"masks": "masks"}, replace_mask_file, "sha256 of mask files was"),
    "segmenter": (
        {"segmenter": "segmenter"},
        lambda home: save_model(home / "segmenter", SEGMENTER, seed=2),
        "sha256 of segmenter was",
    ),
}


def placed(home: Path, options: Mapping[str, str]) -> dict[str, Any]:
    places = {name: home / value for name, value in options.items()}
    return {name: str(path) if name in ("background", "segmenter") else path for name, path in places.items()}


@pytest.mark.parametrize("name", REPLACED)
def test_resume_refuses_an_input_that_was_replaced_in_its_place(home: Path, name: str) -> None:
    options, replace, reason = REPLACED[name]
    interrupt(home, "out", **placed(home, options))
    replace(home)
    with pytest.raises(UsageError) as caught:
        run(home, "out", resume=True, **placed(home, options))
    assert caught.value.message.startswith("--resume with other settings would change the result: ")
    assert reason in caught.value.message and caught.value.hint == "--force starts over"


def test_resume_goes_on_with_the_same_inputs_to_the_same_maps(home: Path) -> None:
    options = placed(home, {"background": "other", "regions": "boxes.csv", "masks": "masks", "segmenter": "segmenter"})
    interrupt(home, "out", **options)
    run(home, "out", resume=True, **options)
    run(home, "whole", **options)
    for name in ("maps.npy", "maps.csv"):
        assert (home / "out" / name).read_bytes() == (home / "whole" / name).read_bytes()


def test_every_file_that_is_read_is_an_input_of_the_run(home: Path) -> None:
    shutil.copytree(home / "tiny", home / "elsewhere" / "tiny")  # of the same name
    edit(home / "elsewhere" / "tiny" / "manifest.csv", age_years=50)
    options = placed(home, {"background": "elsewhere/tiny", "regions": "boxes.csv", "segmenter": "segmenter"})
    run(home, "out", images=4, **options)
    inputs = json.loads((home / "out" / "run.json").read_text())["inputs"]
    files = {
        "tiny": home / "tiny" / "manifest.csv",
        "boxes of tiny, 0": home / "tiny" / "regions.csv",
        "background tiny": home / "elsewhere" / "tiny" / "manifest.csv",
        str(home / "boxes.csv"): home / "boxes.csv",
        "segmenter": home / "segmenter" / "model.safetensors",
    }
    assert {name: inputs[name] for name in files} == {name: sha256(path) for name, path in files.items()}
    assert sha256(home / "run" / "model.safetensors") in inputs.values()


def test_batch_size_bounds_what_is_in_any_network(home: Path) -> None:
    sizes = []

    def note(module: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
        if isinstance(module, torch.nn.Conv2d):
            sizes.append(len(arguments[0]))

    hook = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        run(home, "out", batch_size=3, segmenter=str(home / "segmenter"), images=20, sanity=True)
    finally:
        hook.remove()
    assert max(sizes) == 3
