"""Scores of trials: exact where nothing changes, those of images edited one by one, resumed and distributed alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from cxrshort.dataset import Dataset
from cxrshort.errors import UsageError
from cxrshort.interventions.random_patches import draw_patches
from cxrshort.interventions.trial_scores import (
    NULL,
    TRIALS_AT_ONCE,
    Scorer,
    digest,
    fill_null,
    image_digest,
    score_trials,
    trial_boxes,
)
from cxrshort.interventions.trials import RegionTest, RegionTrial, region_trials
from cxrshort.runs import start_run

from .swaps import CORNER, ELSEWHERE, SIDE, CornerLogit, corner_scorer, swap_dataset

PATCHES = 7


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return swap_dataset(tmp_path / "tiny")


def trials_of(box: np.ndarray = CORNER, *, intervention: str = "replace", count: int = 12) -> list[RegionTrial]:
    pairs = [(2 * number + 1, 2 * number) for number in range(count)]
    boxes = dict.fromkeys(range(2 * count), box)
    return region_trials(RegionTest("tag", intervention, pairs), boxes, shape=(SIDE, SIDE), edge="corner")


def brightness(data: Dataset, row: int) -> float:
    return float(data.pixels.take([row])[0, :16, :16].mean()) / 255 * 10


def test_logits_before_and_after_are_those_of_the_edited_images(data: Dataset) -> None:
    trials = [trial for trial in trials_of() if trial.purpose == "test"]
    scores = score_trials(trials, corner_scorer(data.pixels))
    # Means of 256 pixels in float32.
    np.testing.assert_allclose(scores.before, [brightness(data, trial.row) for trial in trials], rtol=1e-5)
    # The whole corner comes from the partner, and so does its brightness.
    np.testing.assert_allclose(scores.after, [brightness(data, trial.partner or 0) for trial in trials], rtol=1e-5)
    assert (scores.changed_pixels > 200).all() and (scores.changed_pixels <= 256).all()


@pytest.mark.parametrize("intervention", ["replace", "swap"])
def test_sham_changes_no_pixel_and_no_bit_of_a_logit(data: Dataset, intervention: str) -> None:
    shams = [trial for trial in trials_of(intervention=intervention) if trial.purpose == "sham"]
    for batch_size in (1, 5, 64):
        scores = score_trials(shams, corner_scorer(data.pixels, batch_size=batch_size))
        assert not scores.changed_pixels.any() and np.array_equal(scores.before, scores.after)


@contextmanager
def room_for(images: int) -> Iterator[list[int]]:
    """Let memory run out for more images at a time; yields how many the network has been shown each time."""
    sizes: list[int] = []

    def watch(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if isinstance(module, CornerLogit):
            sizes.append(len(arguments[0]))
            if sizes[-1] > images:
                raise torch.OutOfMemoryError("CUDA out of memory")

    hook = register_module_forward_pre_hook(watch)
    try:
        yield sizes
    finally:
        hook.remove()


def test_trials_that_run_out_of_memory_are_scored_in_smaller_batches(data: Dataset) -> None:
    trials = [trial for trial in trials_of() if trial.purpose != "same class"]
    expected = score_trials(trials, corner_scorer(data.pixels))
    with room_for(3) as sizes:
        scores = score_trials(trials, corner_scorer(data.pixels, batch_size=8))
    assert sizes[:3] == [8, 4, 2] and max(sizes[3:]) == 2
    # Sums of float32 in batches of another size may differ in the last bits.
    np.testing.assert_allclose(scores.after, expected.after, rtol=1e-6)
    shams = np.array([trial.purpose == "sham" for trial in trials])
    assert np.array_equal(scores.before[shams], scores.after[shams])


def test_progress_counts_batches_of_trials_and_single_trials_of_the_null(data: Dataset, tmp_path: Path) -> None:
    trials, events = [trial for trial in trials_of() if trial.purpose == "test"], list[dict[str, object]]()
    score_trials(trials, corner_scorer(data.pixels), report=events.append)  # type: ignore[arg-type]
    assert events == [{"event": "trials scored", "done": done, "of": 24} for done in (0, 8, 16)]
    events.clear()
    run = start_run(tmp_path / "out", "swap-test", arguments={})
    fill(run, trials_of(ELSEWHERE)[:20], corner_scorer(data.pixels), report=events.append)
    assert sorted({int(str(event["done"])) for event in events}) == list(range(21))
    assert {(event["event"], event["of"]) for event in events} == {("trials", 20)}


def test_no_trial_needs_no_score(data: Dataset, tmp_path: Path) -> None:
    assert len(score_trials([], corner_scorer(data.pixels)).before) == 0
    run = start_run(tmp_path / "out", "swap-test", arguments={})
    assert fill(run, [], corner_scorer(data.pixels)).shape == (0, PATCHES)


def fill(run, trials: list[RegionTrial], scorer: Scorer, *, resume: bool = False, seed: int = 3, report=None):
    options = {} if report is None else {"report": report}
    return fill_null(run, trials, scorer, patches=PATCHES, seed=seed, settings={"model": "a"}, resume=resume, **options)


def test_null_is_the_same_edit_at_random_places(data: Dataset, tmp_path: Path) -> None:
    trials = [trial for trial in trials_of(ELSEWHERE) if trial.purpose == "test"]
    null = fill(start_run(tmp_path / "out", "swap-test", arguments={}), trials, corner_scorer(data.pixels))
    assert null.shape == (len(trials), PATCHES) and null.dtype == np.float32
    trial = trials[5]
    draws = draw_patches(trial_boxes(trial), shape=(SIDE, SIDE), patches=PATCHES, generator=trial.generator(3))
    images = data.pixels.take([trial.row, trial.partner or 0]).astype(np.float64) / 255
    expected = []
    for x0, y0, x1, y1 in draws.boxes[:, 0].tolist():
        edited = images[0].copy()
        edited[y0:y1, x0:x1] = images[1, y0:y1, x0:x1]
        expected.append(10 * edited[:16, :16].mean())
    np.testing.assert_allclose(null[5], expected, rtol=1e-5)  # float32


class KilledError(Exception):
    """Stands for the end of a process."""


def test_interrupted_null_goes_on_to_the_same_bytes(data: Dataset, tmp_path: Path) -> None:
    trials = [trial for trial in trials_of(ELSEWHERE, count=20) if trial.purpose == "test"]
    assert len(trials) > 2 * TRIALS_AT_ONCE
    scorer = corner_scorer(data.pixels)
    fill(start_run(tmp_path / "whole", "swap-test", arguments={}), trials, scorer)

    def kill(event) -> None:
        if event.get("done") == 2 * TRIALS_AT_ONCE:
            raise KilledError

    with pytest.raises(KilledError):
        fill(start_run(tmp_path / "cut", "swap-test", arguments={}), trials, scorer, report=kill)
    assert not np.array_equal(np.load(tmp_path / "cut" / NULL), np.load(tmp_path / "whole" / NULL))
    run, events = start_run(tmp_path / "cut", "swap-test", arguments={}, resume=True), []
    fill(run, trials, scorer, resume=True, report=events.append)
    assert events[0] == {"event": "trials", "done": 2 * TRIALS_AT_ONCE, "of": len(trials)}
    assert (tmp_path / "cut" / NULL).read_bytes() == (tmp_path / "whole" / NULL).read_bytes()


def test_null_of_other_patches_is_not_continued(data: Dataset, tmp_path: Path) -> None:
    trials = [trial for trial in trials_of(ELSEWHERE) if trial.purpose == "test"]
    run = start_run(tmp_path / "out", "swap-test", arguments={})
    fill(run, trials, corner_scorer(data.pixels))
    with pytest.raises(UsageError, match="seed was '3' and is '4'"):
        fill(run, trials, corner_scorer(data.pixels), resume=True, seed=4)
    with pytest.raises(UsageError, match="trials was"):
        fill(run, [*trials[1:], trials[0]], corner_scorer(data.pixels), resume=True)


def test_digest_tells_trials_apart() -> None:
    trials = trials_of()
    assert digest(trials) == digest(trials_of())
    assert (
        len({digest(part) for part in (trials, trials[1:], trials_of(ELSEWHERE), trials_of(intervention="swap"))}) == 4
    )


def test_digest_of_images_is_of_their_names_in_order() -> None:
    names = [["a", "b"], ["b", "a"], ["ab"], ["a', 'b"], []]
    assert len({image_digest(part) for part in names}) == len(names)
    assert image_digest(["a", "b"]) == image_digest(("a", "b"))


def test_score_of_a_softmax_is_a_log_odds(data: Dataset) -> None:
    scorer = corner_scorer(data.pixels)
    images = torch.rand(4, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    plain = scorer.model(images)
    scorer.model.outputs = type(scorer.model.outputs)("multiclass")
    # Of two classes whose first logit is 0, the log-odds of the second are its own logit.
    torch.testing.assert_close(scorer.model(images), plain)
    assert plain.shape == (4, 1)
