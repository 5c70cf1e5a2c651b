"""One writer per folder."""

import errno
import fcntl

import pytest

from cxrshort import locks
from cxrshort.errors import OutputError


def test_only_writer_refuses_a_second_one_and_leaves_nothing(tmp_path):
    with locks.only_writer(tmp_path):
        with pytest.raises(OutputError, match="is being written by process"), locks.only_writer(tmp_path):
            pass
        assert (tmp_path / locks.LOCK).exists()
    assert not list(tmp_path.iterdir())


def test_only_writer_does_not_take_a_file_whose_name_has_gone(tmp_path, monkeypatch):
    path, lock = tmp_path / locks.LOCK, fcntl.flock
    calls = []

    def slow(file, operation):
        if not calls:  # another process ends, and removes its file, between opening and locking
            path.unlink()
        calls.append(operation)
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    with locks.only_writer(tmp_path):
        assert path.exists() and len(calls) == 2


def test_only_writer_goes_on_where_the_file_system_has_no_locks(tmp_path, monkeypatch):
    def unsupported(file, operation):
        raise OSError(errno.ENOSYS, "function not implemented")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with locks.only_writer(tmp_path):
        assert (tmp_path / locks.LOCK).exists()
    assert not list(tmp_path.iterdir())
