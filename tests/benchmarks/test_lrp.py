"""Layer-wise relevance propagation against the network's own passes, as ratios measured in one run:
``pytest --benchmark-only tests/benchmarks/test_lrp.py``.

DenseNet-121 of torchvision at 224 px, batch 4, fp32, channels-last, one thread; processor time, medians of turns.
A heatmap is compared with a forward pass without gradients (two passes are the least that it can take); a step of
training with explanations alone (TEA), the teacher's map included, with a step of training by cross-entropy (8 passes
to 3 by counting). Peak memory per image is the difference between processes of two batch sizes, as the operating
system accounts it (``VmHWM``, which starts anew with each program).
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import densenet121

from cxrshort.attribution.lrp import relevance
from cxrshort.compute import keep_freed_memory
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.tea import TEA, TEASettings

from ..cli.console import environment
from .turns import in_turns

SIZE, BATCH, LABELS = 224, 4, 15
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
keep_freed_memory()


def network() -> nn.Module:
    return densenet121(num_classes=LABELS).to(DEVICE, memory_format=torch.channels_last)


def draw(count: int = BATCH) -> Tensor:
    images = torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return images.to(DEVICE, memory_format=torch.channels_last)


def seconds(work: Callable[[], object]) -> float:
    """Return processor seconds, which a neighbour on the machine does not lengthen; seconds of a GPU."""
    clock = time.perf_counter if DEVICE == "cuda" else time.process_time
    start = clock()
    work()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return clock() - start


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Steps:
    """A teacher and a student, and the steps that are compared."""

    def __init__(self, *, bn: str, count: int = BATCH) -> None:
        self.teacher, self.student, self.images = network().eval(), network().train(), draw(count)
        self.teacher.requires_grad_(False)
        self.epsilon = torch.logspace(-3, -2, count, device=DEVICE)
        self.objective = TEA(TEASettings(epsilon="1e-3:1e-2", bn=bn)).to(DEVICE)
        self.targets = torch.randint(0, 2, (count, LABELS), device=DEVICE).float()
        self.batch = Batch(self.images, self.targets, np.arange(count), teacher=self.teacher)
        self.optimizer = torch.optim.SGD(self.student.parameters(), 1e-3, momentum=0.9)

    def forward(self) -> None:
        with torch.inference_mode():
            self.teacher(self.images)

    def heatmap(self) -> Tensor:
        return relevance(self.teacher, self.images, epsilon=self.epsilon)

    def cross_entropy(self) -> None:
        self.learn(functional.binary_cross_entropy_with_logits(self.student(self.images), self.targets))

    def explanations_alone(self) -> None:
        self.learn(self.objective(self.student, self.batch))

    def learn(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()


def compare(benchmark, capsys, name: str, *works: Callable[[], object]) -> None:
    times = in_turns(*(lambda work=work: seconds(work) for work in works))
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info[name] = round(times[0] / times[1], 3)
    with capsys.disabled():
        sys.stderr.write(f"\n{name}: {times[0] / times[1]:.2f} ({times[0]:.2f} / {times[1]:.2f} s, {DEVICE})\n")


@pytest.mark.usefixtures("one_thread")
def test_heatmap_against_a_forward_pass(benchmark, capsys):
    steps = Steps(bn="eval")
    compare(benchmark, capsys, "heatmap / forward pass", steps.heatmap, steps.forward)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("bn", ["eval", "batch-detached"])
def test_step_of_explanations_alone_against_cross_entropy(benchmark, capsys, bn):
    steps = Steps(bn=bn)
    name = f"step of explanations alone / cross-entropy, batch norm '{bn}'"
    compare(benchmark, capsys, name, steps.explanations_alone, steps.cross_entropy)


def peak_mib(count: int, *, bn: str) -> float:
    command = [sys.executable, "-m", __name__, str(count), bn]
    completed = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True)
    return int(completed.stdout) / 1024


@pytest.mark.parametrize("bn", ["eval", "batch-detached"])
def test_peak_memory_of_a_step_per_image(benchmark, capsys, bn):
    few, many = (peak_mib(count, bn=bn) for count in (2, 6))  # equal within 1 % from run to run
    per_image = (many - few) / 4
    benchmark.pedantic(lambda: None, rounds=1)
    name = f"peak memory of a step of explanations alone, batch norm '{bn}'"
    benchmark.extra_info[name] = round(per_image / 1024, 3)
    with capsys.disabled():
        sys.stderr.write(f"\n{name}: {per_image / 1024:.3f} GiB per image ({few:.0f} MiB for 2)\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    steps = Steps(bn=sys.argv[2], count=int(sys.argv[1]))
    for _ in range(2):
        steps.explanations_alone()
    status = Path("/proc/self/status").read_text().splitlines()
    sys.stdout.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
