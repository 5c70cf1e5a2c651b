"""Options: numbers beyond their limits, names without end, hostile expressions, settings and recipes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from .base import CPU, TRAIN
from .case import ANY_REFUSAL, DATA, DONE, FAILED, HANDLED, USAGE, Case
from .values import TEXTS

SMALL = ("--size", "16", "--replicates", "1", "--jobs", "1", "--out", "out")
NUMBERS = (
    "0",
    "-1",
    "1",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "9" * 400,
    "0.5",
    "",
    " ",
    "1e3",
    "0x10",
    "1_0",
    "\u0663",
)
WHOLE_TRAIN = (
    "--epochs",
    "--batch-size",
    "--patience",
    "--accumulate",
    "--replicate",
    "--replicates",
    "--members",
    "--seed",
    "--threads",
)
REAL_TRAIN = ("--lr", "--weight-decay")
BUILD_NUMBERS = ("--size", "--sample", "--replicates", "--seed", "--images", "--confounding", "--bias", "--jobs")
EXPRESSIONS = (
    "(" * 10_000,
    "not " * 10_000 + "sex == 'M'",
    "sex == 'M'" + " and sex == 'M'" * 3000,
    "-" * 10_000 + "1",
    "__import__('os').system('id')",
    "sex.__class__",
    "[x for x in sex]",
    "lambda: 1",
    "sex[0]",
    "f'{sex}'",
    "age_years == " + "9" * 5000,
    "age_years ** age_years ** 99",
    "age_years << 10",
    "age_years % 0",
    "age_years / 0 > 1",
    "sex",
    "1",
    "True",
    "''",
    "sex == ",
    "== 'M'",
    "sex = 'M'",
    "sex == 'M'; view",
    "sex == 'M\n'",
    "age_years > 'x'",
    "sex > 3",
    "nope == 1",
    "`nope` == 1",
    "COVID-19 == 0",
    "`COVID-19` == 0",
    "view in ('PA')",
    "view in ['PA', 1]",
    "view in PA",
    "1 < age_years < 90 < 100",
    "age_years == nan",
    "age_years == 1e400",
    "sex == '\x1b[31m'",
    "\u202esex == 'M'",
    'sex == "M',
    "not",
    "()",
    "(sex == 'M'",
    "sex == 'M')",
    "sex is None",
    "sex == None",
    "*",
    "sex == b'M'",
    "print(1)",
    "sex == 'M' if 1 else 2",
    "(x := 1)",
    "await x",
    "...",
    "#",
    "\\",
    "\0",
    "sex\x00",
    "x" * 5000,
    "'" + "x" * 100_000 + "' == sex",
    "age_years == 1j",
    "sex == 'M' or",
    "\t\n",
    "yield",
)
SETTINGS = (
    "",
    "=",
    "a",
    "a=",
    "=1",
    "momentum",
    "momentum=",
    "momentum=x",
    "momentum=nan",
    "momentum=1e308",
    "momentum=-1",
    "momentum=9",
    "beta2=1",
    "beta2=2",
    "milestones=",
    "milestones=-1",
    "milestones=1,x",
    "milestones=" + "1," * 3000,
    "ema=nan",
    "ema=2",
    "warm_up_epochs=-1",
    "warm_up_epochs=99999999999999999999",
    "lr=0.1",
    "name=x",
    "method=erm",
    "settings=a",
    "weight=1",
    "weight=nan",
    "__class__=1",
    "x" * 5000 + "=1",
    "momentum=0.9,momentum=0.8",
    "\x1b[31m=1",
    "help=1",
    "momentum=0.9\nlr=3",
    "label_smoothing=2",
    "dropout=-1",
    "epochs=1",
    "step_size=0",
    "step_factor=inf",
    "clip=-1",
    "pos_weight=nan",
)
RECIPES = {
    "empty": "",
    "nonsense": "][",
    "unknown": "nope = 1",
    "nested": "[a]\nb = 1",
    "list": "epochs = [1]",
    "text": 'epochs = "x"',
    "negative": "epochs = -1",
    "huge": "epochs = 99999999999999999999999",
    "nan": "learning_rate = nan",
    "inf": "learning_rate = inf",
    "date": "epochs = 2020-01-01",
    "twice": "epochs = 1\nepochs = 2",
    "truth": "epochs = true",
    "method": 'method = "nope"',
    "name": 'name = "../../x"',
    "escapes": 'method = "\\u001b[31m"',
    "deep": "a = " + "[" * 5000 + "]" * 5000,
    "settings": 'settings = "x=1"',
    "settings number": "settings = 3",
    "long": f'optimizer = "{"x" * 50_000}"',
    "NUL": "epochs\0 = 1",
    "key": '"\\u001b" = 1',
    "task": 'task = "masks"',
    "labels": 'labels = "nope"',
    "schedule": 'schedule = "nope"',
    "fraction": "epochs = 1.5",
    "members": "members = 10000000",
    "digits": "epochs = " + "9" * 5000,
    "keys": "\n".join(f"k{n} = 1" for n in range(3000)),
    "byte-order mark": "\ufeffepochs = 1",
    "milestones": "milestones = [3, 2]",
    "weights": 'weights = "/dev/zero"',
    "group": 'group = "nope"',
    "background": 'background = "red"',
}
NAMES = (
    "--arch",
    "--method",
    "--recipe",
    "--optimizer",
    "--schedule",
    "--weights",
    "--augment",
    "--labels",
    "--select-label",
    "--selection",
    "--target",
    "--empty-labels",
    "--balance",
    "--group",
    "--segmenter",
    "--mask-file",
    "--mask-bit",
    "--background",
    "--rest-class",
    "--grid",
    "--set",
    "--name",
    "--device",
    "--precision",
)
DRAWN = ("--shortcut", "--comorbidity", "--dataset")
"""Options of phantoms; the others are tried on films."""
BUILD_NAMES = (
    "--dataset",
    "--recipe",
    "--fit",
    "--views",
    "--per",
    "--shortcut",
    "--comorbidity",
    "--shard",
    "--scheduler",
    "--set",
    "--where",
    "--name",
)
EVALUATE_NAMES = ("--split", "--label", "--device", "--precision", "--threads", "--dataset", "--out")


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    yield from _numbers(bases)
    yield from _expressions(bases)
    yield from _settings(bases)
    yield from _names(bases)


def case(
    name: str,
    arguments: Sequence[object],
    codes: Sequence[int] = HANDLED,
    *,
    out: str = "out",
    make: Callable[[Path], object] = lambda home: None,
) -> Case:
    def prepare(home: Path) -> list[object]:
        make(home)
        return list(arguments)

    return Case(name[:100], prepare, codes, out=out)


def train(bases: Path, *more: object) -> list[object]:
    return ["train", "--dataset", bases / "data", *TRAIN, "--out", "out", *more]


def build(*more: object) -> list[object]:
    """Return a build of a small phantom."""
    small = ("--images", "6", "--size", "32", "--replicates", "1", "--jobs", "1", "--out", "out")
    return ["build-dataset", "--dataset", "phantom-I", *small, *more]


def _folder(bases: Path, *more: object) -> list[object]:
    """Return a build of films of one's own."""
    films = ("--root", bases / "films", "--table", bases / "films" / "films.csv")
    return ["build-dataset", "--dataset", "folder", *films, *SMALL, *more]


def evaluate(bases: Path, *more: object) -> list[object]:
    return ["evaluate", bases / "model", "--dataset", bases / "other", "--split", "all", *CPU, "--out", "out", *more]


def _numbers(bases: Path) -> Iterator[Case]:
    for number in NUMBERS:
        for option in WHOLE_TRAIN:
            if (
                option in ("--epochs", "--members", "--replicates")
                and number.isdigit()
                and number != "0"
                and number != "1"
            ):
                more = [f"{option}={number}", "--dry-run"]  # what is asked for is done, however long it takes
            else:
                more = [f"{option}={number}", "--json"]
            out = "" if option == "--replicates" else "out"
            yield case(f"train {option} {number[:25]!r}", train(bases, *more), (*HANDLED, FAILED), out=out)
        for option in REAL_TRAIN:
            yield case(f"train {option} {number[:25]!r}", train(bases, f"{option}={number}"), (*HANDLED, FAILED))
        for option in BUILD_NUMBERS:
            large = (
                option in ("--size", "--images", "--replicates")
                and len(number) > 3
                and number[:3] not in ("nan", "inf", "-in")
            )
            yield case(
                f"build {option} {number[:25]!r}", build(f"{option}={number}", *(["--dry-run"] if large else []))
            )
        yield case(f"build --sample --per {number[:25]!r}", _folder(bases, f"--sample={number}", "--per", "sex"))
        yield case(f"evaluate --threads {number[:25]!r}", evaluate(bases, f"--threads={number}"))
        yield case(f"comorbidity {number[:25]!r}", build(f"--comorbidity=Edema,Mass={number}"))
        yield case(f"shard {number[:25]!r}", build(f"--shard={number}/{number}"), out="")
        yield case(f"grid {number[:25]!r}", train(bases, f"--grid=lr=0.1,{number}"), (*HANDLED, FAILED))
        yield case(f"device cuda:{number[:25]!r}", train(bases, f"--device=cuda:{number}"))


def _expressions(bases: Path) -> Iterator[Case]:
    for number, text in enumerate(EXPRESSIONS):
        if "\0" in text:
            continue  # no system passes it
        yield case(f"where {number} {text[:30]!r}", _folder(bases, f"--where={text}", "--json"))
        yield case(
            f"group {number} {text[:30]!r}",
            train(bases, "--method", "group-dro", f"--group={text}", "--json"),
            (*HANDLED, FAILED),
        )


def _settings(bases: Path) -> Iterator[Case]:
    for text in SETTINGS:
        yield case(f"set {text[:30]!r}", train(bases, f"--set={text}"), (*HANDLED, FAILED))
        yield case(f"set {text[:30]!r} of build", _folder(bases, f"--set={text}"))
        yield case(f"grid {text[:30]!r}", train(bases, f"--grid={text}", "--dry-run"))
        yield case(f"set {text[:30]!r} of rrr", train(bases, "--method", "rrr", f"--set={text}"), (*HANDLED, FAILED))
    for name, text in RECIPES.items():

        def make(home: Path, text: str = text) -> None:
            (home / "my.toml").write_text(text)

        yield case(f"recipe {name}", train(bases, "--recipe", "my.toml"), (*HANDLED, FAILED), make=make)
    for what in ("/dev/zero", "/dev/null", "/", "nowhere.toml", "/dev/zero.toml", "x" * 300 + ".toml"):
        yield case(f"recipe {what[:20]}", train(bases, "--recipe", what), ANY_REFUSAL)
    yield case(
        "recipe bytes",
        train(bases, "--recipe", "my.toml"),
        (DATA, USAGE),
        make=lambda home: (home / "my.toml").write_bytes(b"\xff\xfe\0"),
    )
    yield case(
        "recipe pipe",
        train(bases, "--recipe", "my.toml"),
        ANY_REFUSAL,
        make=lambda home: __import__("os").mkfifo(home / "my.toml"),
    )


def _names(bases: Path) -> Iterator[Case]:
    for what, text in TEXTS.items():
        for option in NAMES:
            yield case(f"train {option} {what}", train(bases, f"{option}={text}"), (*HANDLED, FAILED))
        for option in BUILD_NAMES:
            own = build(f"{option}={text}") if option in DRAWN else _folder(bases, f"{option}={text}")
            yield case(f"build {option} {what}", own, out="")
        for option in EVALUATE_NAMES:
            yield case(f"evaluate {option} {what}", evaluate(bases, f"{option}={text}", "--json"), out="")
        yield case(f"doctor {what}", ["doctor", text, "--json"], out="")
        yield case(f"doctor --device {what}", ["doctor", f"--device={text}"], out="")
        yield case(f"verb {what}", [text, "--json"], (USAGE, DONE), out="")
        yield case(f"option {what}", ["train", f"--{text}"], (USAGE, DONE), out="")
        yield case(f"no --out, --name {what}", ["train", "--dataset", bases / "data", *TRAIN, f"--name={text}"], out="")
    for device in ("cuda", "mps", "cuda:0", "cpu:3", "gpu", "CPU", "tpu"):
        yield case(f"device {device}", train(bases, f"--device={device}", "--json"), (*ANY_REFUSAL, DONE))
    for more in (
        ("--quiet", "--verbose"),
        ("--force", "--resume"),
        ("--masks",),
        ("--regression",),
        ("--multiclass",),
        ("--background", "noise"),
        ("--shard", "1/2", "--merge"),
        ("--merge",),
        ("--members", "2", "--regression"),
        ("--balance", "group"),
        ("--target", "masks"),
        ("--rest-class", "none"),
        ("--mask-bit", "heart,heart"),
        ("--labels", "COVID-19,COVID-19"),
        ("--labels", ","),
        ("--labels", ""),
        ("--replicate", "7"),
        ("--replicates", "7"),
        ("--grid", "lr=0.1", "--grid", "lr=0.2"),
        ("--method", "gain"),
        ("--method", "isnet"),
        ("--method", "multitask"),
        ("--method", "irm"),
        ("--method", "pgi"),
        ("--arch", "unet"),
        ("--arch", "multitask-unet"),
        ("--tensorboard",),
    ):
        yield case(f"train {' '.join(more)}", train(bases, *more, "--json"), (*HANDLED, FAILED), out="")
        yield case(f"build {' '.join(more)}", build(*more, "--json"), (*HANDLED, FAILED), out="")
        yield case(f"evaluate {' '.join(more)}", evaluate(bases, *more, "--json"), (*HANDLED, FAILED), out="")
