"""Real processes under torchrun, on the CPU."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cxrshort import distributed
from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.models import checkpoint
from cxrshort.training import recipes
from cxrshort.training.distributed_steps import check_batch_size

from ..cli.console import environment, start
from . import torchrun_worker
from .tiny import tiny_dataset, tree
from .torchrun_worker import CASES

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
WORKER = str(Path(__file__).with_name("torchrun_worker.py"))


def launch(command: list[str], *, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return what one process and what two processes make of every case."""
    folder = tmp_path_factory.mktemp("processes")
    data = tiny_dataset(folder / "tiny")
    one, two = folder / "one", folder / "two"
    one.mkdir()
    two.mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.distributed, "all_reduce", torch.distributed.all_reduce)  # put back, as it counts now
        torchrun_worker.main(data, one)
    completed = launch([*TORCHRUN, WORKER, str(data), str(two)], cwd=folder)
    assert completed.returncode == 0, completed.stderr
    return one, two


def largest_difference(first: Path, second: Path) -> float:
    left, right = load_file(first), load_file(second)
    assert left.keys() == right.keys()
    return max(float((left[name] - right[name]).abs().max()) for name in left)


@pytest.mark.parametrize("name", [name for name in CASES if name != "batch-norm"])
def test_two_processes_train_the_model_of_one(results: tuple[Path, Path], name: str) -> None:
    """Twelve steps of SGD on labels and masks with gaps; a last batch of three leaves the second process none.

    Weights, losses, logits and what the objective remembers differ by the order of fp32 sums only.
    """
    one, two = results
    assert largest_difference(one / f"{name}-0.safetensors", two / f"{name}-0.safetensors") < 1e-5


PASSES = [
    ("erm", "accumulated"),
    *((name, f"{name} in passes") for name in ("isnet", "irm", "pgi", "group-dro", "multitask", "tea")),
]


@pytest.mark.parametrize(("name", "in_passes"), PASSES)
def test_passes_of_one_step_change_nothing_but_rounding(results: tuple[Path, Path], name: str, in_passes: str) -> None:
    one, _ = results
    difference = largest_difference(one / f"{name}-0.safetensors", one / f"{in_passes}-0.safetensors")
    assert 0 < difference < 1e-5


@pytest.mark.parametrize(("name", "in_passes"), PASSES)
def test_gradients_travel_once_a_step_however_many_passes(
    results: tuple[Path, Path], name: str, in_passes: str
) -> None:
    """Two epochs of six steps; the small network has more than 1000 weights, everything else sent has fewer numbers."""
    messages = json.loads((results[1] / "messages-1.json").read_text())
    assert messages[name] == messages[in_passes] == 12


@pytest.mark.parametrize("name", CASES)
def test_all_processes_hold_the_same_bytes(results: tuple[Path, Path], name: str) -> None:
    """Weights, running statistics and the objective's memory, also where the objective differentiates twice."""
    _, two = results
    first, second = (load_file(two / f"{name}-{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert all(bool(torch.isfinite(value).all()) for value in first.values())


@pytest.mark.parametrize("name", ["rrr", "gain", "irm", "pgi", "group-dro", "isnet", "tea", "tea co-trained"])
def test_other_methods_learn_something_of_their_own(results: tuple[Path, Path], name: str) -> None:
    losses = [load_file(results[1] / f"{method}-0.safetensors")["losses"] for method in (name, "erm")]
    assert float((losses[0] - losses[1]).abs().max()) > 1e-3


def test_weights_of_groups_move(results: tuple[Path, Path]) -> None:
    weights = load_file(results[1] / "group-dro-0.safetensors")["objective.weights"]
    assert float((weights - 0.5).abs().max()) > 1e-3


def test_running_statistics_are_averaged_over_processes(results: tuple[Path, Path]) -> None:
    """The mean of the first layer's input does not depend on the weights' path by much; both saw all images."""
    one, two = (load_file(result / "batch-norm-0.safetensors") for result in results)
    torch.testing.assert_close(one["network.1.running_mean"], two["network.1.running_mean"], rtol=0.05, atol=0.05)


def test_what_the_first_process_alone_finds_is_raised_in_all(results: tuple[Path, Path]) -> None:
    for folder, ranks in zip(results, ([0], [0, 1]), strict=True):
        actual = [(folder / f"error-{rank}.txt").read_text() for rank in ranks]
        assert actual == ["OutputError: 'x' exists already; --force"] * len(ranks)


def test_shares_of_a_scan_have_the_bytes_of_one_process(results: tuple[Path, Path]) -> None:
    """Also where the second process has nothing to do."""
    one, two = results
    expected = (one / "scan-0").read_bytes()
    assert len(load_file(one / "scan-0")["numbers 34"]) == 34
    assert [(two / f"scan-{rank}").read_bytes() for rank in (0, 1)] == [expected] * 2


def test_no_thread_outlives_the_connection(results: tuple[Path, Path]) -> None:
    """A thread of the process group that lives on aborts the process now and then, when the interpreter shuts down."""
    for rank in (0, 1):
        assert (results[1] / f"threads-{rank}.txt").read_text() == ""


def test_more_processes_than_images_in_a_batch_are_refused() -> None:
    recipe = recipes.load_recipe("standard", overrides={"batch_size": 2})
    with pytest.raises(UsageError) as caught:
        check_batch_size(recipe, Compute("cpu", "fp32", 1, processes=4))
    assert caught.value.message == "--batch-size is '2', it must be at least the 4 processes"
    assert caught.value.hint == "it counts the images of all processes together"
    check_batch_size(recipe, Compute("cpu", "fp32", 1, processes=2))


@pytest.mark.parametrize(
    ("device", "variables", "message", "hint"),
    [
        (
            "cpu",
            {"RANK": "one"},
            "'RANK=one, WORLD_SIZE=2, LOCAL_RANK=1' are not the numbers that torchrun sets",
            "start it with torchrun",
        ),
        ("mps", {}, "'mps' serves one process only", "--device cpu, or leave torchrun out"),
        (
            "cuda:0",
            {"LOCAL_RANK": "99"},
            f"process '99' of this machine has no GPU, there are {torch.cuda.device_count()}",
            "lower torchrun's --nproc-per-node",
        ),
    ],
)
def test_places_that_do_not_exist_are_refused(
    monkeypatch: pytest.MonkeyPatch, device: str, variables: dict[str, str], message: str, hint: str
) -> None:
    usual = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in {**usual, **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        distributed.with_rank(Compute(device, "fp32", 1))
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_process_is_placed_as_torchrun_says_and_a_plain_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Compute("cpu", "fp32", 1)
    monkeypatch.setenv("WORLD_SIZE", "2")  # alone, it is some other program's
    assert distributed.with_rank(plain) == plain
    for name, value in {"RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert distributed.with_rank(plain) == Compute("cpu", "fp32", 1, rank=1, processes=2)


# The command itself.
TRAIN = ["train", "--dataset", "tiny", "--arch", "small-cnn", "--threads", "1", "--device", "cpu", "--epochs", "2"]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def start_two(*arguments: str, cwd: Path) -> list[Any]:
    """Start the command twice as torchrun would, so that each exit code can be seen."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        start(*arguments, cwd=cwd, variables=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in (0, 1)
    ]


def run_two(*arguments: str, cwd: Path) -> tuple[str, str]:
    """Run the command twice as torchrun would, to an end without error, and return what both wrote together."""
    processes = start_two(*arguments, cwd=cwd)
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    return outputs[0][0] + outputs[1][0], outputs[0][1] + outputs[1][1]


def begun(log: Path) -> bool:
    return log.exists() and "\n" in log.read_text()


def test_signal_to_one_process_stops_all_and_resume_ends_in_the_bytes_of_torchrun(tmp_path: Path) -> None:
    """Only the first process writes and prints, also where both stop."""
    tiny_dataset(tmp_path / "tiny", people=200)
    options = [*TRAIN, "--batch-size", "8", "--set", "ema=0.9"]
    whole = launch([*TORCHRUN, "-m", "cxrshort", *options, "--out", "whole", "--json"], cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.count('"model"') == whole.stderr.count("epoch 2:") == 1
    assert sorted(tree(tmp_path / "whole")) == ["log.jsonl", "model.safetensors", "run.json", "training.png"]

    processes = start_two(*options, "--out", "broken", cwd=tmp_path)
    while processes[0].poll() is None and not begun(tmp_path / "broken" / "log.jsonl"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            processes[0].wait(0.01)
    processes[1].send_signal(signal.SIGTERM)
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [75, 75], outputs
    assert outputs[0][1].splitlines()[-1] == "hint: the same command with --resume continues"
    assert outputs[1] == ("", "")

    run_two(*options, "--out", "broken", "--resume", cwd=tmp_path)
    models = [(tmp_path / name / checkpoint.FILE).read_bytes() for name in ("whole", "broken")]
    assert models[0] == models[1]
