"""What the tests of several processes run under torchrun: every case of ``CASES``, the weights saved by each process.

Without torchrun it is one process, which works on the same global batches.
"""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from torch import nn

from cxrshort import distributed
from cxrshort.compute import Compute, choose_compute, deterministic
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import OutputError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import Task
from cxrshort.models.scoring import scan, score
from cxrshort.targets import label_matrix
from cxrshort.training import recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batches
from cxrshort.training.data.mixture import Mixture
from cxrshort.training.data.sampling import balanced_sampling_weights
from cxrshort.training.loop import FitConfig, fit
from cxrshort.training.objectives.contract import make_objective
from cxrshort.training.teacher import CoTraining

LABELS = ("COVID-19", "Edema")
SGD = {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 2, "batch_size": 9}
CASES: dict[str, dict[str, Any]] = {
    "erm": {},
    "clipped": {"clip_norm": 0.05},
    "accumulated": {"accumulate": 3},
    "averaged": {"ema": 0.9},
    "balanced": {"balance": "label"},
    "weighted": {"class_weights": True},
    "rrr": {"method": "rrr", "settings": "weight=1e4"},
    "gain": {"method": "gain"},
    # Clipped: its slopes are so steep that six free steps make 1e-4 of a difference of 1e-7.
    "isnet": {"method": "isnet", "settings": "warm_up_epochs=1", "clip_norm": 0.05},
    "isnet in passes": {"method": "isnet", "settings": "warm_up_epochs=1", "clip_norm": 0.05, "accumulate": 3},
    "multitask": {"method": "multitask"},
    "multitask in passes": {"method": "multitask", "accumulate": 3},
    "irm": {"method": "irm", "settings": "warm_up_epochs=0"},
    "irm in passes": {"method": "irm", "settings": "warm_up_epochs=0", "accumulate": 3},
    "pgi": {"method": "pgi", "settings": "warm_up_epochs=0"},
    "pgi in passes": {"method": "pgi", "settings": "warm_up_epochs=0", "accumulate": 3},
    "group-dro": {"method": "group-dro", "settings": "step=0.5"},
    "group-dro in passes": {"method": "group-dro", "settings": "step=0.5", "accumulate": 3},
    "tea": {"method": "tea", "settings": "background=black", "clip_norm": 0.05},
    "tea in passes": {"method": "tea", "settings": "background=black", "clip_norm": 0.05, "accumulate": 3},
    "tea co-trained": {
        "method": "tea",
        "settings": "background=black,co_train=true,warm_up_epochs=1",
        "clip_norm": 0.05,
    },
    "mixed": {"mix": 0.3},
    "batch-norm": {},
}


class Lungs:
    """Masks whose foreground is the left half; every fifth image has none."""

    def take(self, indices: Any) -> Any:
        masks = np.zeros((len(indices), 32, 32), np.uint8)
        masks[indices % 5 > 0, :, :16] = 1
        return masks


def network(*, frozen: bool, draws: bool, seed: int = 1) -> Classifier:
    """Return the small network, one that draws masks or not; ``frozen`` keeps its batch norms in eval mode.

    Every process drops its own features, so that only networks without dropout can be compared.
    """
    name = "multitask-unet-small" if draws else "small-cnn"
    model = factory.build_model(Description("classifier", name, LABELS, InputSpec(size=32)), seed=seed)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if frozen and isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign]
    return model


def learn(name: str, data: Dataset, compute: Compute, out: Path) -> dict[str, torch.Tensor]:
    """Train one case and return the weights, the loss of each epoch and the logits of all images.

    Where images are mixed, every third one counts as synthetic.
    """
    recipe = recipes.load_recipe("standard", overrides={**SGD, **CASES[name]})
    targets = label_matrix(data.manifest, LABELS)
    groups = (np.arange(len(targets)) // 2 % 2).astype(np.int64)
    objective: Any = make_objective(
        recipe.method, recipe.settings, task=Task(weights=(1.5, 3.0) if recipe.class_weights else ())
    )
    objective.check(groups, Lungs())
    chances = balanced_sampling_weights(groups) if recipe.balance else None
    batches = Batches(
        data.pixels,
        targets,
        batch_size=recipe.batch_size,
        seed=0,
        device=compute.torch_device,
        groups=groups,
        masks=Lungs(),
        sampling_weights=chances,
        mixture=Mixture(np.arange(len(targets)) % 3 == 0, recipe.mix) if recipe.mix else None,
        rank=compute.rank,
        processes=compute.processes,
    )
    model: nn.Module = network(frozen=name != "batch-norm", draws=recipe.method == "multitask")
    teacher = network(frozen=True, draws=False, seed=2) if objective.needs.teacher else None
    if teacher is not None and objective.co_trains:
        model = CoTraining(model, copy.deepcopy(teacher))
    config = FitConfig(objective, recipe, compute, lambda trained: {"score": 0.5}, teacher=teacher)
    state = fit(model, batches, config=config, checkpoint=Checkpoint(path=out / f"{name}.pt"))
    weights = {key: value.contiguous() for key, value in model.state_dict().items() if "num_batches" not in key}
    memory = {f"objective.{key}": value for key, value in state.objective.items()}
    average = {f"average.{key}": value for key, value in state.average.items() if "num_batches" not in key}
    logits = torch.from_numpy(score(model, data.pixels, compute=compute))
    losses = torch.tensor([record["loss"] for record in state.history])
    return {**weights, **memory, **average, "logits": logits, "losses": losses}


class Counted:
    """Images whose content does not matter."""

    image_shape = (1, 1)

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def take(self, indices: Any) -> Any:
        return np.zeros((len(indices), 1, 1), np.uint8)


def scan_images(out: Path, compute: Compute) -> None:
    """Write what shares of a scan are put together to: numbers of two kinds, signs of zero, no number; few batches."""

    def numbers(images: torch.Tensor, at: Any) -> Any:
        return np.stack([at + 0.1, at * -0.0, np.where(at % 2, np.nan, at)], axis=1).astype(np.float32)

    def flags(images: torch.Tensor, at: Any) -> Any:
        return at % 3 == 0

    actual = {
        f"{work.__name__} {count}": scan(
            work, Counted(count), model=torch.nn.Identity(), compute=compute, batch_size=10
        )
        for work in (numbers, flags)
        for count in (1, 10, 34)
    }
    save_arrays({name: values.view(np.uint8) for name, values in actual.items()}, out / f"scan-{compute.rank}")


def refuse() -> None:
    """Fail as a folder does that is there already."""
    raise OutputError("'x' exists already", "--force")


def count_messages(counts: list[int]) -> Callable[..., Any]:
    """Return torch's own sum over processes, which also counts the messages that carry gradients."""
    all_reduce = torch.distributed.all_reduce

    def counted(tensor: torch.Tensor, *arguments: Any) -> Any:
        counts[-1] += tensor.is_floating_point() and tensor.numel() > 1000
        return all_reduce(tensor, *arguments)

    return counted


def native_threads() -> list[str]:
    """Return the threads of this process by number, those of libraries included; none where there is no /proc."""
    tasks = Path("/proc/self/task")
    return sorted(path.name for path in tasks.iterdir()) if tasks.is_dir() else []


def main(folder: Path, out: Path) -> None:
    """Train every case."""
    data = load_dataset(str(folder))
    compute = distributed.with_rank(choose_compute("cpu", precision="fp32", threads=1))
    before = native_threads()
    with distributed.process_group(compute), deterministic():
        try:
            distributed.on_first_rank(refuse, compute)
        except OutputError as error:
            text = f"{type(error).__name__}: {error.message}; {error.hint}"
            (out / f"error-{compute.rank}.txt").write_text(text)
        counts: list[int] = []
        torch.distributed.all_reduce = count_messages(counts)
        for name in CASES:
            counts.append(0)
            save_file(learn(name, data, compute, out), out / f"{name}-{compute.rank}.safetensors")
        scan_images(out, compute)
    (out / f"messages-{compute.rank}.json").write_text(json.dumps(dict(zip(CASES, counts, strict=True))))
    left = [native_thread for native_thread in native_threads() if native_thread not in before]
    (out / f"threads-{compute.rank}.txt").write_text(" ".join(left))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
