"""The language of selections: meaning against pandas, every refusal, and arbitrary input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrshort.errors import UsageError
from cxrshort.expressions import DEEPEST, LONGEST, categories, select_rows

NONE = float("nan")


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "view": ["PA", "AP", "", "PA"],
            "sex": pd.Series(["M", "F", None, "F"], dtype=object),
            "age_years": [17.0, 60.5, NONE, 80.0],
            "COVID-19": pd.Series([0.0, 1.0, NONE, 0.3], dtype="float32"),
            "COVID": [1.0, 0.0, 1.0, 0.0],
            "Lung Opacity": [0.0, 1.0, 1.0, 0.0],
            "cache_row": pd.array([7, 8, None, 9], dtype="Int64"),
            "study_date": ["2020-01-31", "2020-03-01", "2021", ""],
            "brixia.score": ["3", "12", "", "9"],
            "vendor": [NONE] * 4,
            "x (mm)": [1.0, 2.0, 3.0, 4.0],
            "in": ["a", "b", "c", "d"],
        }
    )


COMPARE = "compare a column with == != < <= > >= in, or not in"
LIST = 'write in (1, 2), or in ("PA", "AP")'


def rows(expression: str) -> list[int]:
    return np.flatnonzero(select_rows(table(), expression)).tolist()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('COVID-19 == 0 and view == "PA"', [0]),
        ("COVID-19==0 and view=='PA'", [0]),
        ("COVID == 1", [0, 2]),
        ("Lung Opacity == 1", [1, 2]),
        ("COVID-19 == 0.3", [3]),
        ("COVID-19 < 1e300", [0, 1, 3]),
        ("0.3 <= COVID-19", [1, 3]),
        ("age_years >= 18", [1, 3]),
        ("age_years > -5 and age_years <= +60.5", [0, 1]),
        ("cache_row != 8", [0, 3]),
        ('view in ("PA", "LATERAL")', [0, 3]),
        ('view not in ("PA")', [1]),
        ('not view in ("PA")', [1, 2]),
        ("cache_row in (7, 9)", [0, 3]),
        ('view != "PA"', [1]),
        ('not view == "PA"', [1, 2]),
        ("empty(view)", [2]),
        ("known (COVID-19) and empty(`study_date`)", [3]),
        ('study_date >= "2020-03"', [1, 2]),
        ("brixia.score > 8", [1, 3]),
        ('brixia.score == "12"', [1]),
        ('"12" == brixia.score', [1]),
        ('vendor == "Siemens" or vendor != 3', []),
        ("COVID-19 < COVID", [0]),
        ("view < sex", [1]),
        ("`x (mm)` > 3", [3]),
        ('`in` in ("a", "d")', [0, 3]),
        ('view == "AP" or view == "PA" and sex == "F"', [1, 3]),
        ('(view == "AP" or view == "PA") and sex == "F"', [1, 3]),
        ('not not (view == "AP")', [1]),
        ('not COVID-19 == 0 and known(view)or sex == "M"', [0, 1, 3]),
        ("view == 'say \"PA\"'", []),
    ],
)
def test_select_finds_the_rows(expression, expected):
    assert rows(expression) == expected


def test_select_prefers_the_longest_column():
    short = pd.DataFrame({"COVID": [1.0], "COVID-19": [0.0], "COVID-19.2": [0.5]})
    assert select_rows(short, "COVID-19.2 == 0.5 and COVID-19 == 0 and COVID == 1").tolist() == [True]


def test_select_reads_a_column_named_like_a_function():
    both = pd.DataFrame({"empty": ["x", ""], "known": [1.0, 2.0]})
    assert select_rows(both, 'empty == "x" and known(empty)').tolist() == [True, False]
    assert select_rows(both, "known == 2 and empty(empty)").tolist() == [False, True]


def test_select_needs_backticks_for_a_column_named_like_a_number():
    numbered = pd.DataFrame({"0": [0.0, 5.0], "x": [5.0, 0.0]})
    assert select_rows(numbered, "x == 0").tolist() == [False, True]
    assert select_rows(numbered, "`0` == 0").tolist() == [True, False]


def test_select_answers_for_an_empty_table():
    assert select_rows(table().iloc[:0], 'view == "PA" and not cache_row in (1, 2)').shape == (0,)


@pytest.mark.parametrize(
    ("expression", "message", "caret", "hint"),
    [
        ("veiw == 1", "'veiw' is not a known column", 0, "did you mean 'view'?"),
        ("`veiw` == 1", "'veiw' is not a known column", 0, "did you mean 'view'?"),
        ("COVID-190 == 1", "'COVID-190' is not a known column", 0, "did you mean 'COVID-19'?"),
        ("view == PA", "'PA' is not a known column", 8, 'a text stands in quotes: "PA"'),
        ("view = 'PA'", "unexpected '='", 5, "write =="),
        ("sex == 'F' && COVID == 1", "unexpected '&'", 11, "write and"),
        ("sex == 'F' $", "unexpected '$'", 11, ""),
        ("view == 'PA", "the ' is never closed", 8, "end the name or text with '"),
        ("`view == 1", "the ` is never closed", 0, "end the name or text with `"),
        ("view == ''", "no cell equals the empty text", 8, "empty(column) is true for missing cells"),
        ("(sex == 'F'", "'(' was never closed", 0, ""),
        ("sex == 'F' )", "unmatched ')'", 11, ""),
        ("sex == 'F' AND COVID == 1", "unexpected 'AND'", 11, "write and"),
        ("NOT sex == 'F'", "unexpected 'NOT'", 0, "write not"),
        ("sex", "this is no comparison", 0, COMPARE),
        ("not (sex, view)", "this is no comparison", 4, COMPARE),
        ("viev", "'viev' is not a known column", 0, "did you mean 'view'?"),
        ("sex,viev", "'viev' is not a known column", 4, "did you mean 'view'?"),
        ("sex is 'F'", "unexpected 'is'", 4, ""),
        ("18 <= age_years < 65", "a comparison has two sides", 18, "join two comparisons with and"),
        ("sex == (view == 'PA')", "this is neither a column nor a value", 8, ""),
        ("sex ==", "the expression ends here, expected a value or a column", 6, ""),
        ("sex not 'F'", "unexpected 'F'", 8, ""),
        ("sex in 'F'", "this is no list of values", 7, LIST),
        ("sex in (view)", "this is no list of values", 8, LIST),
        ("sex in ()", "this is no list of values", 7, LIST),
        ("sex in ('F' 'M')", "unexpected 'M'", 12, ""),
        ("empty(3)", "this is no comparison", 0, "questions are empty(column) and known(column)"),
        ("sex(view)", "this is no comparison", 0, "questions are empty(column) and known(column)"),
        ("known(sex == 'F')", "this is neither a column nor a value", 6, ""),
        ("empty(sex, view)", "this is no comparison", 0, COMPARE),
        ("__import__('os').system('true')", "unexpected '.'", 16, ""),
        ("sex == 'F' if view else (lambda: 1)", "unexpected 'if'", 11, ""),
        (
            '"sex" == "F"',
            "this comparison has no column",
            0,
            "the name of a column stands without quotes, or in backticks",
        ),
        (
            "view < 3",
            "'view' holds texts such as \"PA\" and cannot be compared with the number 3",
            0,
            "a text stands in quotes",
        ),
        (
            "COVID == view",
            "'view' holds texts such as \"PA\" and cannot be compared with the numbers in 'COVID'",
            9,
            "a text stands in quotes",
        ),
        (
            "COVID == '1'",
            "'COVID' holds numbers and cannot be compared with the text \"1\"",
            9,
            "a number stands without quotes",
        ),
    ],
)
def test_select_refuses_and_points_at_the_place(expression, message, caret, hint):
    with pytest.raises(UsageError) as caught:
        select_rows(table(), expression)
    assert caught.value.message == f"{message}\n  {expression}\n  {' ' * caret}^"
    assert caught.value.hint == hint


def test_select_shows_a_part_of_a_long_expression():
    long = "view == 'PA' or " * 20 + "view == \t 7"
    with pytest.raises(UsageError) as caught:
        select_rows(table(), long)
    place = long.rindex("view")
    shown = long[place - 40 :].replace("\t", "?")
    assert caught.value.message.split("\n")[1:] == ["  " + shown, " " * 42 + "^"]


def test_select_refuses_nothing_written():
    with pytest.raises(UsageError, match="^the expression is empty$"):
        select_rows(table(), " \t")


def test_select_refuses_an_endless_expression():
    with pytest.raises(UsageError, match=f"^an expression of {LONGEST + 1} characters is too long: {LONGEST} are"):
        select_rows(table(), "x" * (LONGEST + 1))


@pytest.mark.parametrize("opening", ["(", "not "])
def test_select_limits_the_depth(opening):
    close = ")" * DEEPEST if opening == "(" else ""
    assert len(select_rows(table(), opening * DEEPEST + "COVID == 1" + close)) == 4
    with pytest.raises(UsageError, match=f"^more than {DEEPEST} brackets inside one another\n"):
        select_rows(table(), opening * (DEEPEST + 1) + "COVID == 1")


def test_select_never_raises_another_error_at_the_greatest_length():
    assert len(select_rows(table(), " or ".join(["COVID == 1"] * (LONGEST // 14)))) == 4
    with pytest.raises(UsageError):
        select_rows(table(), "(" * LONGEST)


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("view", ["PA", "AP", "", "PA"]),
        (" `view` ", ["PA", "AP", "", "PA"]),
        ("sex", ["M", "F", "", "F"]),
        ("in", ["a", "b", "c", "d"]),
        ("x (mm)", ["1", "2", "3", "4"]),
        ("COVID-19", ["0", "1", "", "0.3"]),
        ("cache_row", ["7", "8", "", "9"]),
        ("age_years", ["17", "60.5", "", "80"]),
        ("vendor", ["", "", "", ""]),
        ("age_years >= 18", ["false", "true", "false", "true"]),
    ],
)
def test_categories_are_cells_or_answers(requested, expected):
    actual = categories(table(), requested)
    assert actual.tolist() == expected
    assert actual.name == requested.strip()


def test_categories_keep_the_index():
    assert categories(table().iloc[2:], "view").to_dict() == {2: "", 3: "PA"}


def test_categories_of_the_string_dtype_and_of_categoricals():
    typed = table().astype({"view": "string", "sex": "category"})
    assert categories(typed, "view").tolist() == ["PA", "AP", "", "PA"]
    assert categories(typed, "sex").tolist() == ["M", "F", "", "F"]
    assert select_rows(typed, 'view == "PA" and sex > "F"').tolist() == [True, False, False, False]


def test_categories_refuses_what_is_neither():
    with pytest.raises(UsageError, match="^'vieww' is not a known column\n"):
        categories(table(), "vieww == 'PA'")


# --- arbitrary input

WORDS = st.sampled_from(
    [*(f"`{name}`" for name in table().columns), *table().columns, *"()<>=!,`'\"&|", "==", "!=", "<=", ">="]
    + [
        "and",
        "or",
        "not",
        "in",
        "empty(",
        "known(",
        "'PA'",
        '"F"',
        "0",
        "-1.5",
        "1e999",
        "1e-400",
        "\x00",
        "é",
        "\ud800",
    ]
)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map(" ".join), st.lists(WORDS).map("".join)))
def test_arbitrary_text_is_answered_or_refused(text):
    for ask in (select_rows, categories):
        try:
            assert len(ask(table(), text)) == 4
        except UsageError as error:
            assert error.message


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=8), max_size=4, unique=True), st.text(max_size=30))
def test_arbitrary_column_names_are_reached_with_backticks(names, text):
    odd = pd.DataFrame({name: ["a", ""] for name in names})
    for name in (name for name in names if "`" not in name):
        assert select_rows(odd, f"`{name}` == 'a'").tolist() == [True, False]
    try:
        assert len(select_rows(odd, text)) == 2
    except UsageError as error:
        assert error.message


# --- agreement with pandas

RNG = np.random.default_rng(0)
LARGE = pd.DataFrame(
    {
        "view": RNG.choice(["PA", "AP", "LATERAL", ""], 200),
        "other-view": RNG.choice(["PA", "AP", ""], 200),
        "age_years": RNG.choice([0.0, 17.0, 18.0, 64.5, NONE], 200),
        "COVID-19": RNG.choice([0.0, 1.0, NONE], 200),
    }
)
TEXTS, NUMBERS = ("view", "other-view"), ("age_years", "COVID-19")
METHODS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def known(name):
    return LARGE[name].notna() & (LARGE[name] != "")


def compared(name, sign, value):
    """Return an expression and its answer, computed by the methods of pandas."""
    written = f'"{value}"' if isinstance(value, str) else f"{value}"
    answer = getattr(LARGE[name], METHODS[sign])(value) & known(name)
    return f"{name} {sign} {written}", answer


def among(name, values, negated):
    written = ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in values)
    answer = LARGE[name].isin(values) & known(name)
    return f"{name} {'not ' * negated}in ({written})", (~answer & known(name)) if negated else answer


SIGNS, VIEWS, AGES = (
    st.sampled_from(list(METHODS)),
    st.sampled_from(["PA", "AP", "Q"]),
    st.sampled_from([0, 1, 17, 64.5]),
)
LEAVES = st.one_of(
    st.builds(compared, st.sampled_from(TEXTS), SIGNS, VIEWS),
    st.builds(compared, st.sampled_from(NUMBERS), SIGNS, AGES),
    st.builds(among, st.sampled_from(TEXTS), st.lists(VIEWS, min_size=1, max_size=3), st.booleans()),
    st.builds(among, st.sampled_from(NUMBERS), st.lists(AGES, min_size=1, max_size=3), st.booleans()),
    st.sampled_from([(f"known({name})", known(name)) for name in LARGE]),
    st.sampled_from([(f"empty( `{name}` )", ~known(name)) for name in LARGE]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: (f"not ({one[0]})", ~one[1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) and ({two[1][0]})", two[0][1] & two[1][1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]})or({two[1][0]})", two[0][1] | two[1][1])),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TREES)
def test_random_expressions_agree_with_pandas(tree):
    expression, answer = tree
    assert select_rows(LARGE, expression).tolist() == answer.tolist()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(["and", "or"]), st.booleans(), LEAVES), min_size=1, max_size=6))
def test_precedence_without_brackets_agrees_with_python(parts):
    """Python's own precedence of ``|``, ``&`` and ``~`` on the same truth values is the second formula."""
    words, signs = "", ""
    for number, (joint, negated, (expression, _)) in enumerate(parts):
        words += f" {joint}" * (number > 0) + " not" * negated + f" {expression}"
        signs += {"and": "&", "or": "|"}[joint] * (number > 0) + "~" * negated + f"p{number}"
    answers = {f"p{number}": part[2][1] for number, part in enumerate(parts)}
    assert select_rows(LARGE, words).tolist() == pd.DataFrame(answers).eval(signs).tolist()


def test_several_columns_make_groups_of_their_combinations():
    table = pd.DataFrame({"view": ["PA", "AP", "PA", ""], "COVID-19": [1.0, 0.0, None, 1.0], "a,b": list("wxyz")})
    assert categories(table, "view, COVID-19").tolist() == ["PA,1", "AP,0", "", ""]
    assert categories(table, "`view`,`COVID-19`").tolist() == ["PA,1", "AP,0", "", ""]
    assert categories(table, "a,b").tolist() == list("wxyz")  # a column of that name comes first
    assert categories(table, "view in ('PA', 'AP')").tolist() == ["true", "true", "true", "false"]
    with pytest.raises(UsageError):
        categories(table, "view,nothing")
