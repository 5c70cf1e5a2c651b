"""Ranks as torchrun sets them, and what collective operations are in a plain process."""

import pytest
import torch

from cxrshort import distributed
from cxrshort.compute import Compute
from cxrshort.errors import DataError, UsageError, WorkFailedError

PLAIN = Compute("cpu", "fp32", 1)


@pytest.fixture
def launched(monkeypatch):
    """Set the environment variables of process 2 of 4."""
    values = {"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_plain_process_is_the_first_of_one(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert distributed.rank() == 0 and distributed.with_rank(PLAIN) is PLAIN


def test_torchrun_says_which_process_this_is(launched):
    compute = distributed.with_rank(PLAIN)
    assert (distributed.rank(), compute.rank, compute.processes, compute.device) == (2, 2, 4, "cpu")


def test_half_an_environment_is_a_plain_process(launched):
    launched.delenv("MASTER_PORT")
    assert distributed.with_rank(PLAIN) is PLAIN


def test_words_instead_of_ranks_are_refused(launched):
    launched.setenv("WORLD_SIZE", "many")
    with pytest.raises(UsageError, match="WORLD_SIZE=many"):
        distributed.rank()


def test_more_processes_than_gpus_are_refused(launched):
    launched.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="process '1' of this machine has no GPU, there are 1"):
        distributed.with_rank(Compute("cuda:0", "fp32", 1))
    with pytest.raises(UsageError, match="'mps' serves one process only"):
        distributed.with_rank(Compute("mps", "fp32", 1))


def test_operations_of_one_process_change_nothing():
    tensor = torch.tensor([1.0, 2.0])
    with distributed.process_group(PLAIN):
        assert distributed.all_reduce(tensor, PLAIN) is tensor
        assert distributed.any_rank(torch.tensor([0, 2]), PLAIN).tolist() == [False, True]
    assert tensor.tolist() == [1, 2]


def test_first_rank_acts_and_its_error_goes_through():
    completed = []
    distributed.on_first_rank(lambda: completed.append(1), PLAIN)
    assert completed == [1]

    def fail() -> None:
        raise DataError("broken", "mend it")

    with pytest.raises(DataError, match="broken"):
        distributed.on_first_rank(fail, PLAIN)


def test_lost_processes_are_one_clear_error(launched):
    def break_off(*arguments: object) -> None:
        raise RuntimeError("Connection reset by peer")

    launched.setattr(torch.distributed, "all_reduce", break_off)
    with pytest.raises(WorkFailedError, match="process 2 has lost its connection to the other processes"):
        distributed.all_reduce(torch.ones(1), Compute("cpu", "fp32", 1, rank=2, processes=4))
