from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.interventions.pairs import Candidates
from cxrshort.interventions.swap_plan import BoxSources, CandidateBoxes, SwapPlan, find_boxes, plan_trials
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec

from .swaps import FP32, SIDE, box_table, candidates_of, swap_dataset


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return swap_dataset(tmp_path / "tiny")


def find(data: Dataset, sources: BoxSources | None = None) -> CandidateBoxes:
    return find_boxes(candidates_of(data), sources or BoxSources(), whole=data, label="COVID-19", compute=FP32)


def plan(data: Dataset, table: pd.DataFrame, *, images: Candidates | None = None, **options: object) -> SwapPlan:
    empty = np.zeros((len(data.manifest), SIDE, SIDE), bool)
    boxes = CandidateBoxes(table, empty, empty.any(axis=(1, 2)), ())
    chosen = {"intervention": None, "pairs": 20, "edge": "corner", "level": 0.05, "seed": 0, **options}
    return plan_trials(images or candidates_of(data), boxes, **chosen)  # type: ignore[arg-type]


def test_dataset_without_masks_and_boxes_has_borders_and_corners(data: Dataset) -> None:
    boxes = find(data)
    assert set(boxes.table["region"]) == {"border", "corners"}
    assert not boxes.own_lungs.any() and boxes.notes == ()


def test_lungs_of_an_average_anatomy_are_said_to_be_so(data: Dataset) -> None:
    boxes = find(data, BoxSources(presets=("shoulders",)))
    assert set(boxes.table["region"]) == {"shoulder_right", "shoulder_left"}
    assert boxes.notes[0].startswith("the lungs of 40 of 40 images are those of an average anatomy")
    assert not boxes.own_lungs.any()
    assert find(data, BoxSources(presets=("borders",))).notes == ()


def test_masks_of_the_user_are_the_lungs(data: Dataset, tmp_path: Path) -> None:
    masks = np.zeros((40, SIDE, SIDE), bool)
    masks[:, 8:28, 4:14] = masks[:, 8:28, 18:28] = True
    np.save(tmp_path / "lungs.npy", masks)
    boxes = find(data, BoxSources(presets=("shoulders",), masks=tmp_path / "lungs.npy"))
    assert np.array_equal(boxes.lungs, masks) and boxes.own_lungs.all() and boxes.notes == ()


def save_segmenter(folder: Path) -> Path:
    """Write a segmenter that was never trained."""
    described = Description("segmenter", "unet-small", ("lungs",), InputSpec(SIDE), recipe={"task": "masks"})
    folder.mkdir()
    network = factory.build_model(described, seed=0)
    checkpoint.save_model(network, folder / "model.safetensors", description=described)
    return folder


def test_segmenter_draws_few_images_at_a_time_and_fewer_where_memory_runs_out(data: Dataset, tmp_path: Path) -> None:
    sizes: list[int] = []

    def watch(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if isinstance(module, Classifier):
            sizes.append(len(arguments[0]))
            if len(arguments[0]) > 4:
                raise torch.OutOfMemoryError("CUDA out of memory")

    sources = BoxSources(presets=("shoulders",), segmenter=str(save_segmenter(tmp_path / "lungs")))
    hook = register_module_forward_pre_hook(watch)
    try:
        options = {"whole": data, "label": "COVID-19", "compute": FP32}
        find_boxes(candidates_of(data), sources, batch_size=8, **options)  # type: ignore[arg-type]
    finally:
        hook.remove()
    assert sizes == [8, *[4] * 10]


def test_files_of_the_sources_are_named(tmp_path: Path) -> None:
    model = save_segmenter(tmp_path / "lungs") / "model.safetensors"
    sources = BoxSources(Path("boxes.csv"), masks=Path("lungs"), segmenter=str(tmp_path / "lungs"))
    assert sources.files == {"regions": Path("boxes.csv"), "masks": Path("lungs"), "segmenter": model}
    assert BoxSources().files == {}


def test_masks_that_do_not_exist_or_are_of_nothing_are_refused(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="is not a folder of masks"):
        find(data, BoxSources(masks=tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no mask of any of these 40 images"):
        find(data, BoxSources(masks=tmp_path / "empty"))


def test_finder_that_proposes_nothing_is_refused(data: Dataset) -> None:
    flat = replace(data)
    pixels = type(
        "Flat",
        (),
        {"image_shape": (SIDE, SIDE), "take": lambda self, rows: np.zeros((len(rows), SIDE, SIDE), np.uint8)},
    )
    object.__setattr__(flat, "pixels", pixels())
    with pytest.raises(UsageError, match="no region has a box in any image"):
        find(flat, BoxSources(presets=("markers",)))


def test_every_region_has_the_same_pairs_where_the_same_images_have_it(data: Dataset) -> None:
    planned = plan(data, box_table(data, tag=[0, 0, 4, 4], other=[9, 9, 12, 12]))
    assert planned.pairs["tag"] == planned.pairs["other"] and len(planned.pairs["tag"]) == 20
    assert planned.reasons == {} and planned.regions == ["tag", "other"]
    assert planned.with_null == [number for number, trial in enumerate(planned.trials) if trial.purpose == "test"]


def test_region_too_large_for_random_patches_has_no_null(data: Dataset) -> None:
    planned = plan(data, box_table(data, tag=[0, 0, 4, 4], most=[0, 0, 32, 20]))
    assert planned.without_room == {("most", "replace")}
    assert {planned.trials[number].region for number in planned.with_null} == {"tag"}


@pytest.mark.parametrize("intervention", ["blur", "mean", "inpaint"])
def test_without_room_and_without_direction_a_region_is_not_testable(data: Dataset, intervention: str) -> None:
    planned = plan(data, box_table(data, tag=[0, 0, 4, 4], most=[0, 0, 32, 20]), intervention=intervention)
    assert planned.reasons == {
        "most": f"no room for random patches of its size, and {intervention} predicts no direction"
    }
    assert {trial.region for trial in planned.trials} == {"tag"} and list(planned.pairs) == ["tag"]
    assert planned.without_room == frozenset()


def test_region_that_cannot_be_compared_makes_no_other_one_stricter(data: Dataset) -> None:
    table = box_table(data, tag=[0, 0, 4, 4], most=[0, 0, 32, 20])
    # 3 pairs are 6 persons, who reach p = 0.031: enough for one region, and too few for two.
    assert list(plan(data, table, intervention="blur", pairs=3).reasons) == ["most"]


def test_too_few_pairs_are_not_testable_and_the_reachable_p_is_said(data: Dataset) -> None:
    table = box_table(data, tag=[0, 0, 4, 4], other=[9, 9, 12, 12])
    reasons = plan(data, table, pairs=4).reasons
    expected = "--pairs 4: 4 pairs reach p = 0.12 at best, and 0.025 is needed (0.05 over 2 regions), which takes 7"
    assert reasons == {"tag": expected, "other": expected}
    assert plan(data, table, pairs=4).trials == ()


def test_region_with_boxes_in_few_images_is_not_testable(data: Dataset) -> None:
    table = box_table(data, tag=[0, 0, 4, 4])
    planned = plan(data, pd.concat([table, table.head(5).assign(region="rare")]))
    assert planned.reasons == {
        "rare": "2 of 20 positives and 3 of 20 negatives have boxes: 2 pairs reach p = 0.5 at best, and 0.025 is "
        "needed (0.05 over 2 regions), which takes 7"
    }
    assert {trial.region for trial in planned.trials} == {"tag"}


@pytest.mark.parametrize("positive", [True, False])
def test_one_class_alone_is_not_testable(data: Dataset, positive: bool) -> None:
    images = Candidates(data, np.full(40, positive))
    missing = "negative" if positive else "positive"
    reasons = plan(data, box_table(data, tag=[0, 0, 4, 4]), images=images).reasons
    assert reasons == {"tag": f"no image of the fold is {missing}: a pair needs both"}


def test_interventions_without_a_partner_count_persons(data: Dataset) -> None:
    table = box_table(data, tag=[0, 0, 4, 4])
    assert plan(data, table, intervention="blur", pairs=3).reasons == {}
    assert "2 persons reach" in plan(data, table, intervention="blur", pairs=1).reasons["tag"]
    assert plan(data, table, intervention="move", pairs=3).reasons["tag"].startswith("--pairs 3: 3 pairs reach")


def test_seed_draws_the_pairs(data: Dataset) -> None:
    table = box_table(data, tag=[0, 0, 4, 4])
    assert plan(data, table, seed=1).pairs == plan(data, table, seed=1).pairs != plan(data, table).pairs


def test_unknown_edge_is_refused(data: Dataset) -> None:
    with pytest.raises(UsageError, match="'above' is not a known edge"):
        plan(data, box_table(data, tag=[0, 0, 4, 4]), intervention="move", edge="above")
