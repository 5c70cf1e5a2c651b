"""The language of ``--where``, ``--from`` and ``--group``: questions about columns, parsed, never evaluated.

    COVID-19 == 0 and view == "PA"
    age_years >= 18 and not (view in ("LATERAL", "UNKNOWN") or empty(sex))

- A comparison (``== != < <= > >=``), ``in (...)`` and ``not in (...)`` need a column on at least one side; values are
  numbers, or texts in single or double quotes. Texts are ordered letter by letter, which suits dates (2020-03-01).
- **A comparison with an empty cell is false**, ``!=`` and ``not in`` included. ``not`` turns false into true, so
  ``not view == "PA"`` holds where the view is missing and ``view != "PA"`` does not. ``empty(column)`` and
  ``known(column)`` ask for missing cells themselves.
- ``and`` binds closer than ``or``, ``not`` closer than both.
- The names of the table's columns are matched first and the longest one wins, so hyphens, dots, digits and spaces in
  them are no operators. Backticks around a name always work; they are needed where a name does not begin with a letter,
  digit or underscore, holds a quote, bracket, comma or comparison sign, or is itself a number or one of
  ``and or not in``.
- A column of texts that all read as numbers may be compared with a number.
"""

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrshort import registry
from cxrshort.errors import UsageError

Bools = NDArray[np.bool_]

LONGEST = 10_000
"""Characters of an expression; a list of some hundred image ids fits."""
DEEPEST = 50
"""Brackets and nots inside one another; far below Python's own limit on recursion."""

_SHOWN = 40
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INSTEAD = {"=": "==", "!": "not", "&": "and", "|": "or", "~": "not"} | {
    each: each for each in ("and", "or", "not", "in")
}

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_PLAIN = re.compile(r"\w[^=!<>()\"'`,]*")
_RESERVED = re.compile(rf"and|or|not|in|{_NUMBER}")
_CALL = re.compile(r"(?P<function>empty|known)(?=\s*\()")
_LEXEME = re.compile(
    rf"(?P<number>{_NUMBER})(?![\w.])"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<backticks>`[^`]*`)"
    r"|(?P<sign>[=!<>]=|[<>(),]|(?:and|or|not|in)(?![\w.-]))"
    r"|(?P<word>\w[\w.-]*)"
)


def select(table: pd.DataFrame, expression: str) -> Bools:
    """Return for which rows an expression holds.

    Args:
        table: any table with unique column names; missing cells are NaN, None or the empty string.
        expression: in the language described above.

    Returns:
        (N,) one truth value per row.

    Raises:
        UsageError: the expression cannot be understood, names no column of the table, or compares numbers with texts;
            the message points at the place.

    Example:
        >>> table = pd.DataFrame({"view": ["PA", "AP", ""], "COVID-19": [0.0, 1.0, None]})
        >>> select(table, 'COVID-19 == 0 and view == "PA"').tolist()
        [True, False, False]
        >>> select(table, "empty(view) or COVID-19 > 0.5").tolist()
        [False, True, True]
    """
    if len(expression) > LONGEST:
        message = f"an expression of {len(expression)} characters is too long: {LONGEST} are allowed"
        raise UsageError(message, "put the answer into a column of the manifest and name that")
    if not expression.strip():
        raise UsageError("the expression is empty", 'write a comparison, such as view == "PA"')
    return _Parser(table, expression).parse()


def categories(table: pd.DataFrame, expression_or_column: str) -> pd.Series:
    """Return the group of each row: the value of a column, or of several, or whether an expression holds.

    Args:
        table: as for :func:`select`.
        expression_or_column: the name of a column, with or without backticks; names joined by commas, whose
            combinations are the groups; else an expression.

    Returns:
        (N,) text: the cells of the column, ``""`` where missing and numbers as short as they are exact; of several
        columns, joined by commas and ``""`` where any is missing; for an expression ``"true"`` or ``"false"``.

    Raises:
        UsageError: neither a column nor an expression that can be understood.

    Example:
        >>> table = pd.DataFrame({"sex": ["F", None], "age_years": [17.0, 60.5]})
        >>> categories(table, "sex").tolist(), categories(table, "age_years").tolist()
        (['F', ''], ['17', '60.5'])
        >>> categories(table, "age_years >= 18").tolist()
        ['false', 'true']
        >>> categories(table, "sex,age_years").tolist()
        ['F,17', '']
    """
    wanted = expression_or_column.strip()
    names = {form: name for name in table.columns for form in (f"`{name}`", str(name))}
    parts = [each.strip() for each in wanted.split(",")]
    if wanted in names:
        texts = _as_texts(table[names[wanted]])
    elif all(each in names for each in parts):
        rows = zip(*(_as_texts(table[names[each]]) for each in parts), strict=True)
        texts = np.array([",".join(row) if all(row) else "" for row in rows], dtype=object)
    else:
        texts = np.where(select(table, expression_or_column), "true", "false").astype(object)
    return pd.Series(texts, index=table.index, name=wanted, dtype=object)


@dataclass(frozen=True, slots=True)
class _Token:
    """Hold one word of an expression.

    Args:
        kind: ``"column"``, ``"number"``, ``"text"``, ``"function"``, ``"word"`` (not understood), ``"end"``, or the
            keyword or sign itself.
        content: the name, the value without quotes, or what was written.
        start: its place in the expression, from 0.
    """

    kind: str
    content: str
    start: int


class _Parser:
    """Read an expression from left to right, one method per rule, and compute it on the way.

    Args:
        table: whose columns the expression names.
        expression: what the user wrote.
    """

    def __init__(self, table: pd.DataFrame, expression: str) -> None:
        self._columns = {str(name): table[name] for name in table.columns}
        self._expression = expression
        self._texts_of = cache(lambda name: _as_texts(self._columns[name]))
        self._numbers_of = cache(lambda name: _as_numbers(self._columns[name]))
        self._known = cache(lambda name: _known(self._columns[name]))
        self._depth = self._place = 0
        self._tokens = list(self._split())

    def parse(self) -> Bools:
        """Return the truth value of every row."""
        result = self._any_of()
        self._expect("end", wanted="and, or, or the end")
        return result

    # --- words

    def _split(self) -> Iterable[_Token]:
        column = _column_pattern(self._columns)
        place = 0
        while rest := self._expression[place:].lstrip():
            place = len(self._expression) - len(rest)
            call = _CALL.match(rest)
            if not call and (found := column.match(rest)):
                yield _Token("column", found[0], place)
            elif found := call or _LEXEME.match(rest):
                yield self._token(str(found.lastgroup), found[0], place)
            else:
                raise self._stray(rest[0], place)
            place += found.end()
        yield _Token("end", "end", len(self._expression.rstrip()))

    def _token(self, kind: str, written: str, place: int) -> _Token:
        if kind == "backticks":
            return self._column(written[1:-1], place)
        if kind == "text":
            if len(written) == 2:
                raise self._refusal("no cell equals the empty text", place, "empty(column) is true for missing cells")
            return _Token(kind, written[1:-1], place)
        return _Token(written if kind == "sign" else kind, written, place)

    def _column(self, name: str, place: int) -> _Token:
        try:
            registry.check_name(self._columns, name, kind="column")
        except UsageError as error:
            raise self._refusal(error.message, place, error.hint) from None
        return _Token("column", name, place)

    # --- rules

    def _take(self, *kinds: str) -> _Token | None:
        token = self._tokens[self._place]
        if token.kind not in kinds:
            return None
        self._place += 1
        return token

    def _expect(self, *kinds: str, wanted: str) -> _Token:
        if token := self._take(*kinds):
            return token
        token = self._tokens[self._place]
        if token.kind == "word" and "column" in kinds and token.content.lower() not in _INSTEAD:
            self._column(token.content, token.start)
        found = "the expression ends here" if token.kind == "end" else f"unexpected '{token.content}'"
        hint = _instead(token.content) if token.kind == "word" else ""
        raise self._refusal(f"{found}, expected {wanted}", token.start, hint)

    def _any_of(self) -> Bools:
        result = self._all_of()
        while self._take("or"):
            result = result | self._all_of()
        return result

    def _all_of(self) -> Bools:
        result = self._one()
        while self._take("and"):
            result = result & self._one()
        return result

    def _one(self) -> Bools:
        if negation := self._take("not"):
            return ~self._nested(self._one, negation)
        if bracket := self._take("("):
            result = self._nested(self._any_of, bracket)
            self._expect(")", wanted="and, or, or ')'")
            return result
        if function := self._take("function"):
            self._expect("(", wanted="'('")
            known = self._known(self._expect("column", wanted="a column").content)
            self._expect(")", wanted="')'")
            return known if function.content == "known" else ~known
        return self._comparison()

    def _nested(self, rule: Callable[[], Bools], token: _Token) -> Bools:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._refusal(f"more than {DEEPEST} brackets inside one another", token.start, "say it more simply")
        result = rule()
        self._depth -= 1
        return result

    def _comparison(self) -> Bools:
        left = self._expect("column", "number", "text", wanted="a column, a value, not, or '('")
        if sign := self._take(*_COMPARE):
            return self._compare(left, sign.kind, self._right())
        negated = self._take("not")
        self._expect("in", wanted="in" if negated else f"{' '.join(_COMPARE)} in, or not in")
        among: Bools = np.logical_or.reduce([self._compare(left, "==", value) for value in self._values()])
        return self._known(left.content) & ~among if negated else among

    def _right(self) -> _Token:
        token = self._tokens[self._place]
        if token.kind == "word" and token.content.lower() not in _INSTEAD:
            message = f"'{token.content}' is not a known column"
            raise self._refusal(message, token.start, f'a text stands in quotes: "{token.content}"')
        return self._expect("column", "number", "text", wanted="a value or a column")

    def _values(self) -> Iterable[_Token]:
        self._expect("(", wanted="'('")
        yield self._expect("number", "text", wanted="a number, or a text in quotes")
        while not self._take(")"):
            self._expect(",", wanted="',' or ')'")
            yield self._expect("number", "text", wanted="a number, or a text in quotes")

    # --- values

    def _compare(self, left: _Token, sign: str, right: _Token) -> Bools:
        if "column" not in (left.kind, right.kind):
            hint = "the name of a column stands without quotes, or in backticks"
            raise self._refusal("this comparison has no column", left.start, hint)
        as_numbers = self._is_number(left) or self._is_number(right)
        convert = self._as_number if as_numbers else self._as_text
        first, second = convert(left, right), convert(right, left)
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite there, and compares as it should
            result: Bools = np.asarray(_COMPARE[sign](first, second), dtype=np.bool_)
        for side in (left, right):
            result = result & self._known(side.content) if side.kind == "column" else result
        return result

    def _is_number(self, token: _Token) -> bool:
        """Say whether a side is a number; a column without any value is nothing in particular."""
        if token.kind != "column":
            return token.kind == "number"
        return pd.api.types.is_numeric_dtype(self._columns[token.content]) and bool(self._known(token.content).any())

    def _as_text(self, token: _Token, other: _Token) -> NDArray[np.object_]:
        del other
        return self._texts_of(token.content) if token.kind == "column" else np.asarray(token.content, dtype=object)

    def _as_number(self, token: _Token, other: _Token) -> NDArray[np.floating[Any]] | float:
        """Return cells as they are stored; a Python float beside them takes on their precision (NEP 50)."""
        if token.kind == "number":
            return float(token.content)
        if token.kind == "text":
            message = f"'{other.content}' holds numbers and cannot be compared with the text \"{token.content}\""
            raise self._refusal(message, token.start, "a number stands without quotes")
        numbers, wrong = self._numbers_of(token.content)
        if wrong:
            against = f"the number {other.content}" if other.kind == "number" else f"the numbers in '{other.content}'"
            message = f"'{token.content}' holds texts such as \"{wrong}\" and cannot be compared with {against}"
            raise self._refusal(message, token.start, "a text stands in quotes")
        return numbers

    # --- refusals

    def _stray(self, sign: str, place: int) -> UsageError:
        if sign in "\"'`":
            return self._refusal(f"the {sign} is never closed", place, f"end the name or text with {sign}")
        return self._refusal(f"unexpected '{sign}'", place, _instead(sign))

    def _refusal(self, message: str, place: int, hint: str) -> UsageError:
        start = max(0, place - _SHOWN)
        shown = self._expression[start : place + _SHOWN]
        return UsageError(f"{_printable(message)}\n  {_printable(shown)}\n  {' ' * (place - start)}^", hint)


def _column_pattern(names: Iterable[str]) -> re.Pattern[str]:
    bare = [name for name in names if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name)]
    longest_first = sorted(bare, key=len, reverse=True)
    return re.compile(f"(?:{'|'.join(map(re.escape, longest_first))})(?![\\w.-])" if bare else r"(?!)")


def _instead(written: str) -> str:
    right = _INSTEAD.get(written.lower())
    return f"write {right}" if right else ""


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)


def _known(column: pd.Series) -> Bools:
    known: Bools = column.notna().to_numpy(dtype=np.bool_)
    return known if pd.api.types.is_numeric_dtype(column) else known & (_as_texts(column) != "")


def _as_texts(column: pd.Series) -> NDArray[np.object_]:
    """Return the cells as ``str``, missing ones as the empty string."""
    missing = column.isna().to_numpy(dtype=np.bool_)
    texts = column.to_numpy(dtype=object, copy=True)
    texts[missing] = ""
    if pd.api.types.is_float_dtype(column):
        shown = {each: np.format_float_positional(each, trim="-") for each in column[~missing].unique()}
        return np.array([shown.get(each, "") for each in texts], dtype=object)
    if pd.api.types.infer_dtype(texts, skipna=False) not in ("string", "empty"):
        texts[~missing] = [str(each) for each in texts[~missing]]
    return texts


def _as_numbers(column: pd.Series) -> tuple[NDArray[np.floating[Any]], str]:
    """Return the cells as numbers, missing ones as NaN; and one cell that is no number, "" where all are."""
    if pd.api.types.is_numeric_dtype(column):
        dtype = np.float32 if column.dtype == np.float32 else np.float64
        return column.to_numpy(dtype=dtype, na_value=np.nan), ""
    texts = _as_texts(column)
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    wrong = texts[np.isnan(numbers) & (texts != "")]
    return numbers, str(wrong[0]) if len(wrong) else ""
