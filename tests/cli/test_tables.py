"""What is printed may be shown by a terminal as it is."""

import pytest

from cxrshort.cli import tables
from cxrshort.cli.tables import Columns, line, notes, pairs, printable, refusal, shortened, table

HOSTILE = "I\x1b[31m\x07\u202e\ud800"
SHOWN = r"I\x1b[31m\x07\u202e\ud800"


def test_printable_escapes_what_would_move_a_terminal():
    assert printable(HOSTILE) == SHOWN
    assert printable("München, 5\u00a0µm\nnext") == "München, 5\u00a0µm\nnext"


def test_shortened_cuts_endless_words_alone():
    sentence = "'a/short/name' does not exist " * 40
    assert shortened(sentence) == sentence
    cut = shortened(f"'{'a' * 5000}{'b' * 500}' does not exist")
    assert len(cut) == 300 + len(" does not exist")
    assert cut.startswith("'aaa") and cut.endswith("bbb' does not exist") and cut.count("...") == 1


def test_notes_about_endless_names_can_be_read(capsys):
    notes([f"no gap for {'x' * 5000}"])
    assert len(capsys.readouterr().err) == len("note: no gap for \n") + 300


def test_lines_notes_and_tables_hold_no_control_character(capsys):
    line(HOSTILE)
    notes([HOSTILE])
    table(["name"], [[HOSTILE]])
    pairs([(HOSTILE, HOSTILE)])
    shown = capsys.readouterr()
    assert shown.out.count(SHOWN) == 4
    assert shown.err == f"note: {SHOWN}\n"
    assert all(character.isprintable() or character == "\n" for character in shown.out)


VERDICTS = [
    ["Pleural_Thickening", "manufacturer", "1.000 [0.829, 1.000]", "worst-case confounded"],
    ["Edema", "sex", "0.785 [0.246, 0.974]", "none shown (would have shown AUC 0.81)"],
]
RESULTS = [
    ["phantom-I/small-cnn/erm, epochs=2", "phantom-III", "external", 26, 15, "0.583 [0.383, 0.759], SD 0.023 over 2"],
    [
        "phantom-I/small-cnn/erm, epochs=12",
        "phantom-I",
        "internal",
        17,
        20,
        "1.000 [0.688, 1.000] (perfect separation)",
    ],
]
PATHS = [[0, 2400, "0.875", "replicate-0,epochs=2"], [1, 2400, "0.812", "/a/very/long/" + "path" * 20]]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    ("header", "rows", "columns"),
    [
        (["label", "predicted by", "AUC", "verdict"], VERDICTS, Columns(least={2: 22})),
        (["training", "tested on", "role", "pos.", "neg.", "AUC"], RESULTS, Columns(right=[3, 4], least={5: 22})),
        (["replicate", "images", "validation AUC of COVID-19", "run"], PATHS, Columns(right=[0, 1, 2])),
    ],
)
def test_table_fits_the_terminal_and_loses_nothing(capsys, monkeypatch, width, header, rows, columns):
    monkeypatch.setattr(tables, "_PIPED_WIDTH", width)
    table(header, rows, columns)
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= width
    text, whole = "".join("".join(shown).split()), "".join(str(cell) for row in rows for cell in row)
    letters = sorted(whole.replace(",", "").replace(" ", "") + "".join(header).replace(" ", ""))
    assert sorted(text.replace("─", "").replace(",", "")) == letters
    if width >= 80:  # no number is broken over two lines
        assert sum(line.count("[") for line in shown) == sum(line.count("]") for line in shown)
        assert all(line.count("[") == line.count("]") for line in shown)


def test_table_of_many_columns_continues_below_instead_of_breaking_words(capsys, monkeypatch):
    header = ["", *(f"site-{letter}, positive" for letter in "abcde")]
    rows = [
        [name, *["56 (100.0 %)"] * 5] for name in ("images", "Pleural_Thickening", "age, years: median [quartiles]")
    ]
    monkeypatch.setattr(tables, "_PIPED_WIDTH", 80)
    table(header, rows, Columns(right=range(1, 6), blocks=True))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count("Pleural_Thickening") == shown.count("images") == 2
    assert shown.count("56 (100.0 %)") == 15
    assert [shown.count(f"site-{letter},") for letter in "abcde"] == [1] * 5
    monkeypatch.setattr(tables, "_PIPED_WIDTH", 200)
    table(header, rows, Columns(right=range(1, 6), blocks=True))
    assert capsys.readouterr().out.count("Pleural_Thickening") == 1


def test_headings_are_folded_before_cells(capsys, monkeypatch):
    monkeypatch.setattr(tables, "_PIPED_WIDTH", 80)
    table(
        ["replicate", "images", "validation AUC of COVID-19", "run"], [[0, 24, "0.875", "r" * 40]], Columns([0, 1, 2])
    )
    assert "r" * 40 in capsys.readouterr().out


def test_note_is_folded_on_a_terminal_alone(capsys, monkeypatch):
    note = "word " * 30 + "end"
    notes([note])
    assert capsys.readouterr().err == f"note: {note}\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    notes([note])
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("note: word") and second.startswith("      word") and len(first) <= 100


def test_error_and_hint_are_folded_on_a_terminal_alone(capsys, monkeypatch):
    message = "word " * 30 + "end\n  viev == 1" + " or viev == 1" * 12 + "\n  ^"
    refusal(message, hint=f"cxrshort train --out /{'x' * 120}")
    assert capsys.readouterr().err == f"error: {message}\nhint: cxrshort train --out /{'x' * 120}\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    refusal(message, hint=f"cxrshort train --out /{'x' * 120}")
    first, second, expression, sign, *hint = capsys.readouterr().err.splitlines()
    assert first.startswith("error: word") and len(first) <= 100
    assert second.startswith("       word") and second.endswith(" end")
    assert (expression, sign) == tuple(message.splitlines()[1:])  # the sign stays below its place
    assert hint == ["hint: cxrshort train --out", f"      /{'x' * 120}"]  # a path stays whole, to be copied


def test_last_table_ends_without_an_empty_line(capsys):
    table(["name"], [["a"]])
    table(["name"], [["a"]], is_last=True)
    lines = capsys.readouterr().out.split("\n")
    assert lines == ["name", "────", "a", "", "name", "────", "a", ""]


def test_blocks_below_repeat_the_columns_that_are_named(capsys, monkeypatch):
    monkeypatch.setattr(tables, "_PIPED_WIDTH", 50)
    header, interval = ["edit", "images", "pixels", "features"], "0.836 [0.789, 0.873]"
    rows = [["edema", 24, interval, interval], ["mass", 8, interval, interval]]
    table(header, rows, Columns(right=[1], least={2: 20, 3: 20}, blocks=True, keys=2))
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert [line for line in lines if line[0] == "edit"] == [["edit", "images", name] for name in header[2:]]
    assert lines.count(["mass", "8", *interval.split()]) == 2


def test_blocks_below_repeat_as_many_columns_as_tell_the_rows_apart(capsys, monkeypatch):
    monkeypatch.setattr(tables, "_PIPED_WIDTH", 60)
    header = ["training", "matched", "AUC inside", "AUC outside", "gap"]
    interval = "0.836 [0.789, 0.873]"
    rows = [["erm", matched, interval, interval, f"0.{place}"] for place, matched in enumerate(["nothing", "view"], 1)]
    table(header, rows, Columns(least={2: 20, 3: 20}, blocks=True))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines if line[:1] == ["erm"]] == [["erm", "nothing"], ["erm", "view"]] * 2
    assert ["erm", "view", *interval.split(), "0.2"] in lines
