"""``doctor`` as a command: what it refuses, and its document."""

import json
from pathlib import Path

import pytest

from .console import cxrshort_here, failure


def test_document_is_of_the_machine_where_nothing_is_named() -> None:
    result = cxrshort_here("doctor", "--device", "cpu", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["schema"] == "cxrshort.doctor/1"
    assert document["machine"]["device"] == "cpu"
    assert not document["model"] and not document["dataset"]
    assert not any(row["possible"] for row in document["audits"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nowhere",), 66, "'nowhere' does not exist"),
        (("--dataset", "nope"), 66, "'nope' is not built yet"),
        (("--device", "gpu"), 2, "'gpu' is not a known device"),
    ],
)
def test_what_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, message: str
) -> None:
    monkeypatch.delenv("CXRSHORT_DATASETS", raising=False)
    monkeypatch.chdir(tmp_path)
    exit_code, text, _ = failure(cxrshort_here("doctor", *words))
    assert (exit_code, text) == (code, message)
