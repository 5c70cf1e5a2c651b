"""The journal of finished rows, cut short at any place."""

import pytest

from cxrshort.datasets.building.journal import Journal
from cxrshort.errors import DataError, UsageError

PLAN = ["64 crop", "a.png", "b.png", "c.png", "d.png"]
CHUNKS = ([{"row": 0, "reason": ""}, {"row": 2, "reason": "ü"}], [{"row": 1, "reason": "truncated"}])


def filled(path):
    journal = Journal(path, fingerprints=PLAN)
    for chunk in CHUNKS:
        journal.append(chunk)
    return journal


def test_journal_remembers_finished_rows(tmp_path):
    journal = filled(tmp_path / "journal.jsonl")
    assert journal.missing(4) == [3]
    again = Journal(tmp_path / "journal.jsonl", fingerprints=PLAN)
    assert again.results == journal.results == {0: CHUNKS[0][0], 1: CHUNKS[1][0], 2: CHUNKS[0][1]}
    again.append([{"row": 3}])
    assert Journal(tmp_path / "journal.jsonl", fingerprints=PLAN).missing(5) == [4]


def test_journal_forgets_no_more_than_the_line_that_a_kill_cut_short(tmp_path):
    path = tmp_path / "journal.jsonl"
    filled(path)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    second = whole.index(b"\n", first) + 1
    for length in range(first, len(whole) + 1):
        path.write_bytes(whole[:length])
        missing = Journal(path, fingerprints=PLAN).missing(4)
        assert missing == ([3] if length == len(whole) else [1, 3] if length >= second else [0, 1, 2, 3])
        Journal(path, fingerprints=PLAN).append([{"row": 3}])
        assert Journal(path, fingerprints=PLAN).missing(4) == missing[:-1]


@pytest.mark.parametrize("plan", [["32 crop", *PLAN[1:]], PLAN[:-1], [*PLAN[:-2], "c.png\nd.png"]])
def test_journal_refuses_another_plan(tmp_path, plan):
    filled(tmp_path / "journal.jsonl")
    with pytest.raises(UsageError) as caught:
        Journal(tmp_path / "journal.jsonl", fingerprints=plan)
    assert caught.value.message == f"'{tmp_path}' was begun from other images or settings"
    assert caught.value.hint == "--force starts over"


@pytest.mark.parametrize("content", [b"", b"{", b'{"plan"'])
def test_journal_without_a_whole_first_line_is_of_another_plan(tmp_path, content):
    (tmp_path / "journal.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match="was begun from other images or settings"):
        Journal(tmp_path / "journal.jsonl", fingerprints=PLAN)


@pytest.mark.parametrize("line", [b"\0\0\0", b"\xff", b"[", b"7", b"[{}]", b'[{"row": "x"}]', b"[1]", b""])
def test_journal_refuses_a_damaged_line(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    filled(path)
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(DataError) as caught:
        Journal(path, fingerprints=PLAN)
    assert (caught.value.message, caught.value.hint) == (f"'{path}' is damaged", "--force starts over")


def test_journal_takes_file_names_that_are_no_text(tmp_path):
    plan = ["a\udcff.png"]
    Journal(tmp_path / "journal.jsonl", fingerprints=plan).append([{"row": 0}])
    assert Journal(tmp_path / "journal.jsonl", fingerprints=plan).missing(1) == []


def test_journal_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(DataError) as caught:
        Journal(tmp_path / "journal.jsonl", fingerprints=PLAN)
    assert caught.value.message == f"'{tmp_path / 'journal.jsonl'}' cannot be read: is a directory"
