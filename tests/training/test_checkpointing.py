import os
from pathlib import Path

import pytest
import torch

from cxrshort import runs
from cxrshort.errors import DataError, UsageError
from cxrshort.training import checkpointing as states
from cxrshort.training.checkpointing import Checkpoint

SETTINGS = {"seed": 0, "threads": 1, "batch_size": 8, "labels": ["COVID-19"]}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state = Checkpoint(
        path=tmp_path / "state.pt",
        epoch=2,
        step=5,
        loss_sum=1.25,
        history=[{"epoch": 1, "score": 0.5}, {"epoch": 2, "score": 0.75}],
        best_weights={"weight": torch.arange(3.0)},
        model=layer.state_dict(),
        optimizer=optimizer.state_dict(),
        settings=SETTINGS,
    )
    state.save()
    return tmp_path / "state.pt"


def test_state_comes_back_as_it_was_saved(saved: Path) -> None:
    state = states.load_checkpoint(saved, settings=SETTINGS)
    assert (state.epoch, state.step, state.loss_sum) == (2, 5, 1.25)
    assert state.history == [{"epoch": 1, "score": 0.5}, {"epoch": 2, "score": 0.75}]
    assert torch.equal(state.best_weights["weight"], torch.arange(3.0))
    assert set(state.model) == {"weight", "bias"}
    assert float(state.optimizer["state"][0]["step"]) == 1.0
    assert [path.name for path in saved.parent.iterdir()] == ["state.pt"]


def test_changed_settings_are_refused_by_name(saved: Path) -> None:
    with pytest.raises(UsageError) as caught:
        states.load_checkpoint(saved, settings={**SETTINGS, "threads": 4, "seed": 1})
    assert caught.value.message == (
        "--resume with other settings would change the model: seed was '0' and is '1', threads was '1' and is '4'"
    )
    assert caught.value.hint == "--force starts over"


def test_state_that_is_a_pipe_is_refused(saved: Path) -> None:
    saved.unlink()
    os.mkfifo(saved)
    with pytest.raises(DataError, match="is not a file"):
        states.load_checkpoint(saved, settings=SETTINGS)


def test_log_goes_back_to_the_state_and_loses_what_is_no_event(saved: Path) -> None:
    run = runs.start_run(saved.parent / "run", "train", arguments={})
    before = ['{"epoch": 1}', '{"epoch": 2, "step": 9}', '{"epoch": 3, "step": 5}']
    others = ["7", "null", "[1]", "{}", '{"epoch": "x"}', '{"epoch": 1, "step": null}', "\udcff", "[" * 100_000]
    later = ['{"epoch": 3, "step": 6}', '{"epoch": 3}', '{"epoch": 4, "step": 0}', '{"epoch": 2, "st']
    text = "\n".join([*others, *before, *later])
    run.path(runs.LOG).write_text(text, encoding="utf-8", errors="surrogateescape")
    states.resume_checkpoint(run, saved, settings=SETTINGS, resume=True)
    assert run.path(runs.LOG).read_text().splitlines() == before


def test_damaged_state_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], whole[:-30], b"\x80\x02j\x04:"):
        saved.write_bytes(content)
        with pytest.raises(DataError) as caught:
            states.load_checkpoint(saved, settings=SETTINGS)
        assert (caught.value.message, caught.value.hint) == (f"'{saved}' is damaged", "--force starts over")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 1, "colour": "blue"}, 3])
def test_file_that_holds_no_state_is_refused(saved: Path, content: object) -> None:
    torch.save(content, saved)
    with pytest.raises(DataError) as caught:
        states.load_checkpoint(saved, settings=SETTINGS)
    assert caught.value.message == f"'{saved}' is damaged"


class Bomb:
    """Unpickles by making a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


def test_state_that_runs_code_is_refused_and_runs_nothing(saved: Path) -> None:
    torch.save({"epoch": Bomb(saved.parent / "exploded")}, saved)
    with pytest.raises(DataError):
        states.load_checkpoint(saved, settings={})
    assert not (saved.parent / "exploded").exists()
