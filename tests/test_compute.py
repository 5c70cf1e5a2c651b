"""Device, precision, determinism, and generators that are functions of their counters."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cxrshort.compute import choose_compute, deterministic, keep_freed_memory, seeded_draws, seeded_generator
from cxrshort.errors import UsageError


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_choose_takes_the_cpu_where_there_is_no_cuda():
    expected = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert choose_compute().device == expected
    assert choose_compute("cpu", precision="fp32", threads=1).record() == {
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
    }
    assert torch.get_num_threads() == 1


def test_choose_spells_a_device_in_one_way():
    assert choose_compute("cpu:3", precision="fp32").device == "cpu"


def test_automatic_precision_follows_the_processor():
    information = Path("/proc/cpuinfo")
    has_amx = information.exists() and " amx_bf16" in information.read_text()
    assert choose_compute("cpu").precision == ("bf16" if has_amx else "fp32")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_automatic_precision_follows_the_gpu():
    expected = "bf16" if torch.cuda.get_device_capability(0) >= (8, 0) else "fp32"
    assert choose_compute("cuda").record()["precision"] == expected
    assert choose_compute("cuda").device == choose_compute("cuda:0").device == "cuda:0"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ({"device": "gpu"}, "'gpu' is not a known device", "one of: auto, cpu, cuda, cuda:N, mps"),
        ({"device": ""}, "'' is not a known device", "one of: auto, cpu, cuda, cuda:N, mps"),
        ({"device": "cuda:-1"}, "'cuda:-1' is not a known device", "one of: auto, cpu, cuda, cuda:N, mps"),
        ({"device": "cuda:99"}, "'cuda:99' is not available on this machine", "--device auto takes what there is"),
        ({"device": "meta"}, "'meta' is not available on this machine", "--device auto takes what there is"),
        ({"precision": "fp16"}, "'fp16' is not a known precision", "one of: auto, fp32, bf16"),
        ({"threads": 0}, "--threads is '0', it must be 1 or more", "leave it out to use all cores"),
    ],
)
def test_choose_refuses(words, message, hint):
    with pytest.raises(UsageError) as caught:
        choose_compute(**words)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_autocast_computes_in_the_chosen_precision():
    matrix = torch.ones(4, 4)
    for precision, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with choose_compute("cpu", precision=precision).autocast():
            assert (matrix @ matrix).dtype == kind
    assert choose_compute("cpu").torch_device == torch.device("cpu")


@pytest.mark.parametrize("before", [(False, False), (True, False), (True, True)], ids=str)
@pytest.mark.parametrize("cudnn_benchmark", [False, True])
def test_deterministic_restores_what_was_set(before, cudnn_benchmark):
    enabled, warn_only = before

    def state():
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.benchmark,
        )

    at_first = state()
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    torch.backends.cudnn.benchmark = cudnn_benchmark
    try:
        with pytest.raises(KeyError), deterministic():
            assert state() == (True, False, False)
            raise KeyError
        assert state() == (enabled, warn_only, cudnn_benchmark)
    finally:
        torch.use_deterministic_algorithms(at_first[0], warn_only=at_first[1])
        torch.backends.cudnn.benchmark = at_first[2]


def draw(*counters, count=4):
    return torch.rand(count, generator=seeded_generator(*counters))


def test_generator_is_a_function_of_its_counters():
    first = draw(0, 1, 2)
    torch.manual_seed(1)
    torch.rand(3)
    assert torch.equal(draw(0, 1, 2), first)


def test_generator_mixes_by_splitmix64():
    # First output of splitmix64 from state 0: Vigna, https://prng.di.unimi.it/splitmix64.c
    assert seeded_generator(0).initial_seed() == 0xE220A8397B1DCDAF & (2**63 - 1)


def test_generators_of_neighbours_are_unrelated():
    counters = [(seed, epoch, step) for seed in range(4) for epoch in range(4) for step in range(16)]
    shorter = [(seed,) for seed in range(4)] + [(seed, epoch) for seed in range(4) for epoch in range(4)]
    draws = torch.stack([draw(*seed, count=1000) for seed in (*counters, *shorter)])
    correlation = torch.corrcoef(draws).fill_diagonal_(0)
    # 276 streams of 1000 draws: 38,000 correlations of standard deviation 0.032; 6 deviations never occur by chance.
    assert correlation.abs().max() < 0.19


def test_global_draws_are_a_function_of_the_counters_and_leave_no_trace():
    cpu = torch.device("cpu")
    torch.manual_seed(5)
    untouched = torch.rand(3)
    torch.manual_seed(5)
    drawn = []
    for counters in ((0, 1), (0, 2), (0, 1)):
        with seeded_draws(*counters, device=cpu):
            drawn.append(torch.nn.functional.dropout(torch.ones(64)))
    assert torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[1])
    assert torch.equal(torch.rand(3), untouched)


def test_generator_takes_any_whole_number():
    assert len({tuple(draw(seed).tolist()) for seed in (-1, 0, 1, 2**31, 2**40, 2**63)}) == 6


FAULTS = """
import resource, torch
from cxrshort.compute import keep_freed_memory
assert keep_freed_memory()
def turn():
    parts = [torch.ones(6 * 2**20) for _ in range(3)]  # 24 MiB each, more together than what the heap keeps by default
for _ in range(3):
    turn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):
    turn()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_kept_memory_is_not_cleared_again_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    if not keep_freed_memory():
        pytest.skip("the C library has no mallopt, or the environment sets its allocator")

    faults = int(subprocess.run([sys.executable, "-c", FAULTS], check=True, capture_output=True).stdout)
    # All new, the blocks have 40 x 3 x 6,144 pages; by default the count is that or next to nothing, as chance has it.
    assert faults < 0.05 * 40 * 3 * 6144
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert not keep_freed_memory()


def test_other_systems_keep_their_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
