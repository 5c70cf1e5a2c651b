"""Training from end to end, and what real kills and signals leave behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, OutputError, UsageError, WorkFailedError
from cxrshort.files import sha256
from cxrshort.models import checkpoint, factory
from cxrshort.models.scoring import score
from cxrshort.stats.auc import auc
from cxrshort.training.job import CHECKPOINT
from cxrshort.verbs.train import train

from ..cli.console import cxrshort_here, start
from ..training.tiny import png_signature, tiny_dataset, tree

QUICK = {"arch": "small-cnn", "device": "cpu", "precision": "fp32", "threads": 1}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_dataset(tmp_path / "tiny")


def fails(*arguments: object, **options: object) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        train(*arguments, **{**QUICK, **options})  # type: ignore[arg-type]
    return caught.value


def test_run_folder_holds_the_model_and_how_it_was_made(tiny: Path, tmp_path: Path) -> None:
    summary = train(str(tiny), overrides={"epochs": 2}, out=tmp_path / "run", **QUICK).summary
    assert sorted(tree(tmp_path / "run")) == ["log.jsonl", "model.safetensors", "run.json", "training.png"]
    assert png_signature(tmp_path / "run" / "training.png")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["verb"], record["state"], record["summary"]) == ("train", "done", summary)
    assert record["outputs"] == ["log.jsonl", "model.safetensors", "training.png"]
    assert record["arguments"]["threads"] == 1
    events = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(event["event"], event["epoch"]) for event in events] == [
        ("step", 1),
        ("epoch", 1),
        ("step", 2),
        ("epoch", 2),
    ]


def test_model_scores_validation_as_the_summary_says(tiny: Path, tmp_path: Path) -> None:
    summary = train(str(tiny), overrides={"epochs": 2}, out=tmp_path / "run", **QUICK).summary
    model, description = factory.load_model(tmp_path / "run" / "model.safetensors")
    fold = load_dataset(str(tiny)).fold("val", replicate=0)
    logits = score(model, fold.pixels, compute=choose_compute("cpu", precision="fp32"))
    assert auc(fold.manifest["COVID-19"], logits[:, 0]) == summary["selection"]["score"]
    assert summary["selection"]["score"] == max(record["score"] for record in summary["history"])
    assert description.selection == {**summary["selection"], "split": "val", "measure": "AUC of COVID-19"}
    assert description.labels == ("COVID-19", "Edema")


def test_model_knows_whom_it_was_trained_and_chosen_on(tiny: Path, tmp_path: Path) -> None:
    train(str(tiny), replicate=1, overrides={"epochs": 1}, out=tmp_path / "run", **QUICK)
    description = checkpoint.read_description(tmp_path / "run" / "model.safetensors")
    manifest = load_dataset(str(tiny)).manifest
    for split, expected in (("train", 12), ("val", 6), ("test", 0)):
        people = manifest["person_id"][manifest["split_1"] == split]
        assert checkpoint.trained_on(description, people) == expected
    assert description.replicate == 1
    assert description.pixels == {"size": 32, "fit": "crop"}


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tiny: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(str(tiny), seed=seed, overrides={"epochs": 1}, out=tmp_path / name, **QUICK)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_model_does_not_depend_on_where_its_first_weights_lay(tiny: Path, tmp_path: Path) -> None:
    train(str(tiny), overrides={"epochs": 1}, out=tmp_path / "start", **QUICK)
    weights = tmp_path / "start" / "model.safetensors"
    models = []
    for name in ("here.safetensors", "there.safetensors"):
        weights = weights.rename(tmp_path / name)
        train(str(tiny), overrides={"epochs": 1, "weights": str(weights)}, out=tmp_path / f"from-{name}", **QUICK)
        models.append((tmp_path / f"from-{name}" / "model.safetensors").read_bytes())
    assert models[0] == models[1]


@pytest.mark.parametrize("arch", ["densenet121", "resnet18", "small-cnn"])
def test_architecture_trains(tmp_path: Path, arch: str) -> None:
    data = tiny_dataset(tmp_path / "tiny", people=9)
    options = {**QUICK, "arch": arch}
    summary = train(str(data), overrides={"epochs": 1, "batch_size": 4}, out=tmp_path / "run", **options).summary
    assert summary["architecture"] == arch


def test_dry_run_writes_nothing_and_forecasts(tiny: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = train(str(tiny), dry_run=True, **QUICK).summary
    assert sorted(tmp_path.rglob("*")) == before
    assert result["images"] == {"train": 24, "val": 12}
    assert result["images_per_second"] > 0
    assert result["epochs"] == 10


def test_dry_run_downloads_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blocked(*arguments: object, **options: object) -> None:
        raise AssertionError("a dry run opened a connection")

    monkeypatch.setattr(socket, "socket", blocked)
    monkeypatch.setattr(socket, "create_connection", blocked)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", blocked)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    options = {**QUICK, "arch": "mobilenet_v2"}
    result = train(str(tiny), overrides={"weights": "imagenet", "epochs": 1}, dry_run=True, **options).summary
    assert result["reads"] == [str(tiny / "manifest.csv"), "imagenet"] and not (tmp_path / "hub").exists()
    error = fails(str(tiny), overrides={"weights": "imagenet"}, dry_run=True, arch="small-cnn")
    assert error.message == "'small-cnn' has no ImageNet weights"


def test_occupied_folder_is_refused_and_force_overwrites(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(str(tiny), overrides={"epochs": 1}, out=out, **QUICK)
    error = fails(str(tiny), overrides={"epochs": 1}, out=out)
    assert isinstance(error, OutputError)
    assert (error.message, error.hint) == (f"'{out}' exists already", "--force overwrites it, --out writes elsewhere")
    (out / "notes.txt").write_text("mine")
    before = (out / "model.safetensors").read_bytes()
    train(str(tiny), overrides={"epochs": 1}, out=out, force=True, seed=1, **QUICK)
    assert (out / "model.safetensors").read_bytes() != before
    assert (out / "notes.txt").read_text() == "mine"


def test_resuming_a_complete_run_changes_nothing(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    summary = train(str(tiny), overrides={"epochs": 1}, out=out, **QUICK).summary
    before = tree(out)
    assert train(str(tiny), overrides={"epochs": 1}, out=out, resume=True, **QUICK).summary == summary
    assert tree(out) == before


def test_resume_where_nothing_was_begun_begins(tiny: Path, tmp_path: Path) -> None:
    train(str(tiny), overrides={"epochs": 1}, out=tmp_path / "run", resume=True, **QUICK)
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_dataset_smaller_than_the_network_takes_is_refused(tmp_path: Path) -> None:
    data = tiny_dataset(tmp_path / "tiny", size=16)
    error = fails(str(data), arch="resnet18", out=tmp_path / "run")
    assert isinstance(error, UsageError)
    assert error.message == "'resnet18' needs images of 28 pixels, the dataset has 16"
    assert error.hint == "build-dataset with --size 28 or more"
    assert not (tmp_path / "run").exists()


def test_loss_that_is_no_number_ends_the_run_and_leaves_it_unfinished(tiny: Path, tmp_path: Path) -> None:
    settings = {"optimizer": "sgd", "learning_rate": 1e38, "weight_decay": 1e38}
    error = fails(str(tiny), overrides=settings, out=tmp_path / "run")
    assert isinstance(error, WorkFailedError)
    assert error.message == "a weight is no longer a number in epoch 1, step 1; nothing was saved before it"
    assert (tmp_path / "run" / "unfinished.json").exists()
    assert not (tmp_path / "run" / "run.json").exists()


# Real kills. Enough steps that a watcher sees the moment it waits for: 50 steps an epoch, several epochs.
LONG = ["--arch", "small-cnn", "--threads", "1", "--device", "cpu", "--epochs", "4", "--batch-size", "8"]
Moment = Callable[[Path], bool]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bytes]]:
    """Return a folder with a dataset, and the model that an unbroken run makes of it."""
    folder = tmp_path_factory.mktemp("long")
    tiny_dataset(folder / "tiny", people=400)
    train_here(folder, "--out", "unbroken")
    yield folder, (folder / "unbroken" / "model.safetensors").read_bytes()


def train_here(folder: Path, *options: str) -> None:
    """Train within this process, whose bytes are those of any other."""
    with contextlib.chdir(folder):
        completed = cxrshort_here("train", "--dataset", "tiny", *LONG, *options)
    assert completed.exit_code == 0, completed.stderr


def events(out: Path) -> list[dict[str, object]]:
    log = out / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def begun(out: Path) -> bool:
    return (out / "unfinished.json").exists()


def first_steps(out: Path) -> bool:
    return len(events(out)) >= 1


def second_epoch(out: Path) -> bool:
    return any(event["epoch"] == 2 for event in events(out))


def third_epoch(out: Path) -> bool:
    return any(event["epoch"] == 3 for event in events(out))


def saving_state(out: Path) -> bool:
    return any(out.glob(f"{CHECKPOINT}.*.tmp")) or any(out.glob(f".{CHECKPOINT}.*.tmp"))


def writing_model(out: Path) -> bool:
    return any(out.glob(".model.safetensors.*.tmp")) or (out / "model.safetensors").exists()


def interrupt(process: "subprocess.Popen[str]", out: Path, *, moment: Moment, number: signal.Signals) -> None:
    """Send a signal as soon as the moment has come, with the process held still so that it cannot pass."""
    while True:
        while not moment(out):
            if moment in (begun, first_steps, second_epoch, third_epoch):
                _pause(process)
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
        process.send_signal(signal.SIGSTOP)
        held = moment(out)
        if held:
            process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        if held:
            return


def _pause(process: "subprocess.Popen[str]") -> None:
    """Let the process run for a moment."""
    try:
        process.wait(0.005)
    except subprocess.TimeoutExpired:
        return


def broken(folder: Path, out: str, *, moment: Moment, number: signal.Signals) -> tuple[int, str]:
    """Train, or go on with it, until the moment, and return how the process ended."""
    with start("train", "--dataset", "tiny", *LONG, "--out", out, "--resume", cwd=folder) as process:
        interrupt(process, folder / out, moment=moment, number=number)
        stderr = process.communicate()[1]
    return process.returncode, stderr


def finish(folder: Path, out: str) -> bytes:
    train_here(folder, "--out", out, "--resume")
    assert sorted(tree(folder / out)) == ["log.jsonl", "model.safetensors", "run.json", "training.png"]
    return (folder / out / "model.safetensors").read_bytes()


def complete_log(folder: Path, out: str) -> list[tuple[object, ...]]:
    """Return the events of a run without what a clock measured."""
    return [(event["event"], event["epoch"], event.get("step"), event["loss"]) for event in events(folder / out)]


def test_killed_run_ends_in_the_same_bytes(long: tuple[Path, bytes]) -> None:
    """One run, killed after its first steps, while it saves a state, and in a later epoch."""
    folder, unbroken = long
    for moment in (first_steps, saving_state, third_epoch):
        code, _ = broken(folder, "killed", moment=moment, number=signal.SIGKILL)
        assert code == -signal.SIGKILL
        assert not (folder / "killed" / "run.json").exists()
    assert finish(folder, "killed") == unbroken
    assert complete_log(folder, "killed") == complete_log(folder, "unbroken")


@pytest.mark.slow
def test_run_killed_at_its_edges_ends_in_the_same_bytes(long: tuple[Path, bytes]) -> None:
    """Before the first step, at the second epoch, and while the finished model is written."""
    folder, unbroken = long
    for moment in (begun, second_epoch, writing_model):
        code, _ = broken(folder, "edges", moment=moment, number=signal.SIGKILL)
        assert code == -signal.SIGKILL
    assert finish(folder, "edges") == unbroken


def test_signals_save_the_state_and_exit_with_75(long: tuple[Path, bytes]) -> None:
    folder, unbroken = long
    for number, moment in ((signal.SIGTERM, first_steps), (signal.SIGINT, second_epoch), (signal.SIGUSR1, third_epoch)):
        code, stderr = broken(folder, "signals", moment=moment, number=number)
        assert code == 75, stderr
        error, hint = stderr.splitlines()[-2:]
        assert error.startswith("error: interrupted in epoch ")
        assert error.endswith("; the state is saved")
        assert hint == "hint: the same command with --resume continues"
    assert finish(folder, "signals") == unbroken


def test_resuming_with_another_seed_is_refused_by_name(tiny: Path, tmp_path: Path) -> None:
    def stop_at_once(event: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    overrides = {"epochs": 2}
    assert fails(str(tiny), overrides=overrides, out=tmp_path / "run", report=stop_at_once).exit_code == 75
    error = fails(str(tiny), overrides=overrides, out=tmp_path / "run", seed=4, resume=True)
    assert isinstance(error, UsageError)
    assert error.message == "--resume with other settings would change the model: seed was '0' and is '4'"
    assert error.hint == "--force starts over"
    error = fails(str(tiny), overrides=overrides, out=tmp_path / "run")
    assert isinstance(error, OutputError)
    assert error.message == f"'{tmp_path / 'run'}' holds an unfinished run"
    assert error.hint == "--resume continues it, --force starts over"


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        ({"settings": "step=0.2"}, {}, "settings was 'step=0.1' and is 'step=0.2'"),
        ({"learning_rate": 0.5}, {}, "learning_rate was '0.001' and is '0.5'"),
        ({}, {"precision": "bf16"}, "precision was 'fp32' and is 'bf16'"),
        ({}, {"threads": 2}, "threads was '1' and is '2'"),
    ],
)
def test_resuming_with_another_option_names_it(
    tiny: Path, tmp_path: Path, overrides: dict[str, object], options: dict[str, object], message: str
) -> None:
    begun = {"epochs": 2, "method": "group-dro", "group": "view", "settings": "step=0.1"}
    begin(tiny, tmp_path / "run", begun)
    error = fails(str(tiny), overrides={**begun, **overrides}, out=tmp_path / "run", resume=True, **options)
    assert error.message == f"--resume with other settings would change the model: {message}"


def test_resuming_on_a_changed_manifest_names_it(tiny: Path, tmp_path: Path) -> None:
    begin(tiny, tmp_path / "run", {"epochs": 2})
    before = sha256(tiny / "manifest.csv")
    text = (tiny / "manifest.csv").read_text()
    (tiny / "manifest.csv").write_text(text.replace(",AP,", ",PA,", 1))
    error = fails(str(tiny), overrides={"epochs": 2}, out=tmp_path / "run", resume=True)
    after = sha256(tiny / "manifest.csv")
    assert error.message == (
        f"--resume with other settings would change the model: manifest_sha256 was '{before}' and is '{after}'"
    )


def begin(dataset: Path, out: Path, overrides: dict[str, object]) -> None:
    """Begin a run that a signal stops after its first look."""

    def stop_at_once(event: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    assert fails(str(dataset), overrides=overrides, out=out, report=stop_at_once).exit_code == 75
