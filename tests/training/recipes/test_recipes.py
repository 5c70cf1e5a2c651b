import pytest

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.registry import check_name
from cxrshort.training import AUGMENTATIONS, DISTILLATIONS, OBJECTIVES, recipes
from cxrshort.training.objectives.contract import make_objective
from cxrshort.training.recipes import Recipe


@pytest.mark.parametrize("name", recipes.names())
def test_recipe_names_things_that_exist(name: str) -> None:
    recipe = recipes.load_recipe(name)
    assert recipe.name == name
    check_name({**OBJECTIVES, **DISTILLATIONS}, recipe.method, kind="method")
    make_objective(recipe.method, recipe.settings, task=Task())
    check_name(AUGMENTATIONS, recipe.augment, kind="augmentation")


def test_degrave2021_says_what_the_paper_says() -> None:
    assert recipes.load_recipe("degrave2021") == Recipe(
        name="degrave2021",
        method="erm",
        weights="imagenet",
        epochs=30,
        batch_size=16,
        optimizer="sgd",
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="step",
        step_epochs=5,
        step_factor=0.1,
        clip_norm=0.0,
        empty_labels="zero",
        augment="none",
        labels="all",
        select_label="COVID-19",
    )


CLIPPED = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0, "clip_norm": 1.0, "selection": "loss"}
"""What all students of TEA share, unless a recipe says otherwise."""
STATED = {
    "darkcovidnet": {  # fastai v1 notebooks of Ozturk et al. 2020
        "epochs": 100,
        "batch_size": 32,
        "optimizer": "adamw",
        "learning_rate": 3e-3,
        "beta2": 0.99,
        "weight_decay": 0.01,
        "schedule": "one-cycle",
        "selection": "last",
        "augment": "fastai",
    },
    "covid-net": {  # Wang et al. 2020 as quoted; the classes of DeGrave et al. 2021
        "task": "multiclass",
        "labels": "COVID-19,Pneumonia",
        "rest_class": "No pneumonia",
        "epochs": 22,
        "batch_size": 8,
        "optimizer": "adam",
        "learning_rate": 2e-5,
        "schedule": "plateau",
        "step_factor": 0.7,
        "step_epochs": 5,
        "balance": "label",
        "label_weights": "COVID-19=25",
    },
    "cv19-net": {  # the public code of Zhang et al. 2021
        "members": 20,
        "combine": "quadratic",
        "epochs": 100,
        "batch_size": 150,
        "optimizer": "adam",
        "learning_rate": 6e-5,
        "weight_decay": 1e-5,
        "head_learning_rate": 1e-4,
        "head_weight_decay": 1e-2,
        "schedule": "plateau",
        "step_factor": 0.5,
        "step_epochs": 3,
        "smallest_rate": 1e-5,
        "patience": 10,
        "selection": "loss",
        "augment": "cv19",
    },
    "roentmod": {  # Methods of RoentMod 2025
        "weights": "imagenet",
        "epochs": 100,
        "batch_size": 32,
        "learning_rate": 1e-4,
        "patience": 50,
    },
    "tea2025": {  # Bassi et al. 2025, X-ray classifiers
        "task": "multiclass",
        "epochs": 200,
        "batch_size": 16,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "momentum": 0.99,
        "weight_decay": 1e-3,
        "milestones": "10,40,160",
        "clip_norm": 1.0,
        "augment": "tea",
    },
    "tea2025-xray": {  # Bassi et al. 2025, X-ray student: co-trained, DenseNet-121
        "method": "tea",
        "settings": "init=teacher,freeze_last=true,co_train=true,warm_up_epochs=5,epsilon=1e-3:1e-2",
        "epochs": 500,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "milestones": "300,400",
        "augment": "tea",
        **CLIPPED,
    },
    "tea2025-coco": {  # COCO-on-Places student, ResNet-50
        "settings": "init=teacher,freeze_last=true,epsilon=1e-3:1e-2",
        "epochs": 10000,
        "batch_size": 128,
        "learning_rate": 1e-2,
        "milestones": "500",
        **CLIPPED,
    },
    "tea2025-waterbirds": {  # Waterbirds student, ResNet-50
        "settings": "init=teacher,freeze_last=true,epsilon=1e-3:1e-2",
        "epochs": 400,
        "batch_size": 100,
        "learning_rate": 1e-3,
        "schedule": "constant",
        **CLIPPED,
    },
    "tea2025-mnist": {  # Coloured MNIST student, ResNet-18
        "settings": "init=random,epsilon=1e-2:1e-1",
        "epochs": 100,
        "batch_size": 128,
        "learning_rate": 1e-2,
        "schedule": "constant",
        **CLIPPED,
        "momentum": 0.99,
    },
    "tea2025-dogs": {  # DogsWithTies student, ResNet-18, of CLIP
        "settings": "init=random,epsilon=1e-3:1e-2",
        "epochs": 20000,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "schedule": "constant",
        **CLIPPED,
        "weight_decay": 1e-3,
    },
}


@pytest.mark.parametrize("name", list(STATED))
def test_recipe_says_what_its_source_states(name: str) -> None:
    recipe = recipes.load_recipe(name).record()
    assert {key: recipe[key] for key in STATED[name]} == STATED[name]


def test_other_labels_or_another_task_leave_out_the_class_for_the_rest() -> None:
    assert recipes.load_recipe("covid-net").rest_class == "No pneumonia"
    assert recipes.load_recipe("covid-net", overrides={"labels": "Normal,Pneumonia,COVID-19"}).rest_class == ""
    assert recipes.load_recipe("covid-net", overrides={"task": "multilabel", "labels": "all"}).rest_class == ""
    kept = recipes.load_recipe("covid-net", overrides={"labels": "COVID-19,Edema", "rest_class": "Others"})
    assert (kept.labels, kept.rest_class) == ("COVID-19,Edema", "Others")


def test_a_given_value_overrides_one_setting_and_none_leaves_the_recipes() -> None:
    recipe = recipes.load_recipe("degrave2021", overrides={"epochs": 3, "learning_rate": None})
    assert recipe == Recipe(**{**recipes.load_recipe("degrave2021").record(), "epochs": 3})


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        ({"optimizer": "adan"}, "'adan' is not a known optimizer", "did you mean 'adam'?"),
        ({"schedule": "cosin"}, "'cosin' is not a known schedule", "did you mean 'cosine'?"),
        ({"empty_labels": "x"}, "'x' is not a known way to read empty labels", "one of: mask, zero"),
        ({"epochs": 0}, "--epochs is '0', it must be above 0", ""),
        ({"batch_size": -4}, "--batch-size is '-4', it must be above 0", ""),
        ({"learning_rate": 0.0}, "--learning-rate is '0.0', it must be above 0", ""),
        ({"learning_rate": float("nan")}, "--learning-rate is 'nan', it must be above 0", ""),
        ({"step_epochs": 0}, "--set step_epochs is '0', it must be above 0", ""),
        ({"weight_decay": -0.1}, "--weight-decay is '-0.1', it must not be below 0", ""),
        ({"momentum": -0.1}, "--set momentum is '-0.1', it must not be below 0", ""),
        ({"beta2": 1.0}, "--set beta2 is '1.0', it must be between 0 and 1", "the usual one is 0.999"),
        (
            {"label_weights": "COVID-19=2", "class_weights": True},
            "--class-weights and --set label_weights exclude each other",
            "give one of them",
        ),
        (
            {"label_weights": "age_years=2", "task": "regression"},
            "--set label_weights fits labels or classes, not regression",
            "leave it out",
        ),
        (
            {"rest_class": "Others"},
            "--rest-class needs --multiclass and --labels",
            "such as --labels COVID-19,Pneumonia",
        ),
        ({"clip_norm": float("nan")}, "--set clip_norm is 'nan', it must not be below 0", ""),
    ],
)
def test_setting_out_of_range_is_refused(overrides: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipes.load_recipe("standard", overrides=overrides)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_unknown_recipe_proposes_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        recipes.load_recipe("degrave2020")
    assert caught.value.message == "'degrave2020' is not a known recipe"
    assert caught.value.hint == "did you mean 'degrave2021'?"
