"""What is printed may be shown by a terminal as it is."""

from cxrshort.cli.tables import line, notes, pairs, printable, shortened, table

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
