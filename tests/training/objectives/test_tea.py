"""TEA put together from its parts, and its gradient through LRP against finite differences."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.attribution import grad_cam, gradient, lrp
from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batch, Share
from cxrshort.training.objectives.explanations import choose_outputs
from cxrshort.training.objectives.map_distances import map_distances
from cxrshort.training.objectives.target_sampling import sample_draws
from cxrshort.training.objectives.tea import TEA, TEASettings, parse_epsilon
from cxrshort.training.task import batch_loss
from cxrshort.training.teacher import CoTraining, teacher_view

from .by_hand import batch


def net(seed: int, *, outputs: int = 3) -> nn.Sequential:
    """Return a network in float64 and eval mode, whose first two layers meet at a batch norm."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 5, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(20, outputs),
        ).double()
        model[1].weight.data.uniform_(0.5, 1.5)
        model[1].bias.data.uniform_(-0.2, 0.2)
    return model.eval()


def lesson_batch(teacher: nn.Module, *, count: int = 6, masked: bool = False) -> Batch:
    samples = batch([[1.0, 0.0, 0.0]] * count, masked=masked, size=8)
    masks = samples.masks.double() if masked else None
    return samples._replace(images=samples.images.double(), masks=masks, teacher=teacher)


def test_objective_is_the_mean_distance_between_lrp_maps_of_the_same_output_and_epsilon() -> None:
    student, teacher = net(1), net(2)
    samples = lesson_batch(teacher)
    loss = TEA(TEASettings(seed=4))(student, samples)
    draws = sample_draws(samples, 5, seed=4)
    outputs = choose_outputs(teacher(samples.images).detach(), draws[:, :4])
    epsilon = 10 ** (-3 + draws[:, 4].double())  # the exponent is uniform from -3 to -2
    own, target = (
        lrp.relevance(model, samples.images, outputs=outputs, epsilon=epsilon) for model in (student, teacher)
    )
    torch.testing.assert_close(loss, map_distances(own, target)[0].mean(), rtol=1e-6, atol=0)
    assert len(set(outputs.tolist())) > 1


def test_maps_of_the_teacher_may_be_0_outside_of_the_masks() -> None:
    student, teacher = net(1), net(2)
    samples = lesson_batch(teacher, masked=True)
    with torch.random.fork_rng(devices=[]):
        losses = []
        for mask_maps in (False, True):
            torch.manual_seed(0)
            settings = TEASettings(background="noise", mask_maps=mask_maps, epsilon="0.01")
            losses.append(TEA(settings)(student, samples))
        torch.manual_seed(0)
        view = teacher_view(samples.images, samples.masks, background="noise", network=teacher)
    outputs = choose_outputs(teacher(view).detach(), sample_draws(samples, 5, seed=0)[:, :4])
    own, target = (
        lrp.relevance(model, images, outputs=outputs, epsilon=0.01)
        for model, images in ((student, samples.images), (teacher, view))
    )
    for loss, expected in zip(losses, (target, target * samples.masks), strict=True):
        torch.testing.assert_close(loss, map_distances(own, expected)[0].mean(), rtol=1e-6, atol=0)
    assert losses[0].item() != pytest.approx(losses[1].item(), rel=1e-3)


def flat(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def gradients(loss: Tensor, model: nn.Module) -> Tensor:
    slopes = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(parameter) if slope is None else slope).flatten()
            for slope, parameter in zip(slopes, model.parameters(), strict=True)
        ]
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "l1"},
        {"loss": "l2", "resolutions": "single"},
        {"explanation": "gradient-x-input"},
        {"explanation": "gradient"},
        {"explanation": "attention"},
        {"explanation": "grad-cam"},
    ],
    ids=lambda settings: ",".join(settings.values()) or "published",
)
@pytest.mark.parametrize("training", [False, True])
def test_gradient_equals_finite_differences(settings: dict[str, str], training: bool) -> None:
    """Along three directions of all weights at once; central differences of 1e-7 leave about 1e-7 of error."""
    student, teacher = net(1).train(training), net(2)
    student[1].momentum = 0.0  # running statistics stay, however often the student is looked at
    samples, objective = lesson_batch(teacher), TEA(TEASettings(epsilon="1e-2:1e-1", bn="autograd", **settings))
    slopes, start = gradients(objective(student, samples), student), flat(student)
    assert float(slopes.norm()) > 1e-3

    def loss_at(weights: Tensor) -> float:
        nn.utils.vector_to_parameters(weights, student.parameters())
        return float(objective(student, samples).detach())

    for seed in range(3):
        direction, step = torch.randn(len(start), generator=torch.Generator().manual_seed(seed)).double(), 1e-7
        expected = (loss_at(start + step * direction) - loss_at(start - step * direction)) / (2 * step)
        assert float(slopes @ direction) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_last_bias_gets_no_gradient_and_other_biases_get_theirs_through_epsilon_alone() -> None:
    student, samples = net(1), lesson_batch(net(2))
    TEA()(student, samples).backward()
    assert student[-1].bias.grad is None
    assert float(student[3].bias.grad.abs().max()) > 0
    plain = net(1)
    TEA(TEASettings(explanation="gradient-x-input"))(plain, samples).backward()
    assert [name for name, value in plain.named_parameters() if value.grad is None or not value.grad.any()] == [
        "0.bias",
        "1.bias",
        "3.bias",
        "7.bias",
    ]


def test_teacher_gets_no_gradient_from_its_student() -> None:
    student, teacher = net(1), net(2)
    TEA()(student, lesson_batch(teacher)).backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_student_equal_to_its_teacher_has_no_loss_and_no_slope() -> None:
    student = net(2)
    loss = TEA()(student, lesson_batch(net(2)))
    assert loss.item() == 0
    assert float(gradients(loss, student).abs().max()) == 0


def test_explanations_alone_teach_the_logits_of_images_that_were_not_seen() -> None:
    """From a random start and the teacher's last layer, in a hundred steps; no label and no logit is ever compared."""
    student, teacher = plain(1), plain(2)
    student[-1].load_state_dict(teacher[-1].state_dict())
    student[-1].requires_grad_(False)
    seen, unseen = shaded(seed=0), shaded(seed=1)
    objective = TEA(TEASettings(epsilon="1e-2:1e-1"))
    optimizer = torch.optim.Adam([value for value in student.parameters() if value.requires_grad], 1e-2)

    def judge() -> tuple[float, Tensor]:
        samples = Batch(unseen, torch.zeros(48, 3), np.arange(48), teacher=teacher)
        with torch.no_grad():
            logits = torch.cat([student(unseen), teacher(unseen)], 1)
        return objective(student, samples).item(), torch.corrcoef(logits.T)[:3, 3:].diagonal()

    before, correlations = judge()
    assert before > 1 and float(correlations.max()) < 0.5
    for step in range(100):
        optimizer.zero_grad()
        objective(student, Batch(seen, torch.zeros(48, 3), np.arange(48), step=step, teacher=teacher)).backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
    after, correlations = judge()
    assert after < 0.35 * before and float(correlations.min()) > 0.6


def plain(seed: int) -> nn.Sequential:
    """Return a network without batch norm, in float32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 6, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24, 3),
        )


def shaded(*, seed: int) -> Tensor:
    """Return noise of many brightnesses, (48, 1, 8, 8)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(48, 1, 8, 8, generator=generator) * torch.rand(48, 1, 1, 1, generator=generator)


def test_loss_is_made_in_fp32_under_autocast() -> None:
    """The student's mode, batch norm by the batch, is on; bf16 would change the loss by a tenth."""
    losses = []
    for enabled in (False, True):
        student, teacher = net(1).float().train(), net(2).float()
        samples = lesson_batch(teacher)._replace(images=batch([[1.0, 0.0, 0.0]] * 6, size=8).images)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            losses.append(TEA()(student, samples))
    assert losses[1].dtype == torch.float32 and torch.equal(losses[0], losses[1])


@pytest.mark.parametrize(
    ("explanation", "explain"),
    [
        ("gradient", lambda model, images, outputs: slopes_of(model, images, outputs)),
        ("gradient-x-input", lambda model, images, outputs: images * slopes_of(model, images, outputs)),
        (
            "grad-cam",
            lambda model, images, outputs: grad_cam.weighted_activations(model, images, outputs=outputs).maps.relu(),
        ),
        ("attention", lambda model, images, outputs: (model[:6](images) ** 2).sum(1, keepdim=True)),
    ],
)
def test_explanation_is_a_setting(explanation: str, explain: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> None:
    student, teacher = net(1), net(2)
    samples = lesson_batch(teacher)
    loss = TEA(TEASettings(explanation=explanation))(student, samples)
    outputs = choose_outputs(teacher(samples.images).detach(), sample_draws(samples, 5, seed=0)[:, :4])
    own, target = (explain(model, samples.images, outputs) for model in (student, teacher))
    torch.testing.assert_close(loss, map_distances(own, target)[0].mean())


def slopes_of(model: nn.Module, images: Tensor, outputs: Tensor) -> Tensor:
    return gradient.explain(model, images, score=lambda logits: logits.gather(1, outputs[:, None])[:, 0]).maps


# Epsilon.


def epsilons(monkeypatch: pytest.MonkeyPatch, samples: Batch, settings: TEASettings | None = None) -> list[Tensor]:
    """Return the epsilons that LRP is given, by the teacher first."""
    given: list[Tensor] = []
    explain = lrp.explain

    def noting(*arguments, epsilon, **options):  # type: ignore[no-untyped-def]
        given.append(epsilon)
        return explain(*arguments, epsilon=epsilon, **options)

    with monkeypatch.context() as patched:
        patched.setattr(lrp, "explain", noting)
        TEA(settings)(net(1), samples)
    return given


def test_teacher_and_student_have_one_epsilon_for_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    teachers, students = epsilons(monkeypatch, lesson_batch(net(2)))
    assert torch.equal(teachers, students)
    assert len(set(teachers.tolist())) == 6


def test_exponent_of_epsilon_is_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    values, _ = epsilons(monkeypatch, lesson_batch(net(2), count=2000), TEASettings(epsilon="1e-4:1e-2"))
    exponents = np.log10(values.numpy())
    assert -4 <= exponents.min() < -3.99 and -2.01 < exponents.max() <= -2
    # 4.5 standard deviations of a count of 2000 draws in one of four equal parts.
    counts, _ = np.histogram(exponents, bins=4, range=(-4, -2))
    assert (np.abs(counts - 500) < 4.5 * math.sqrt(2000 * 0.25 * 0.75)).all()


def test_one_epsilon_is_that_of_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    values, _ = epsilons(monkeypatch, lesson_batch(net(2)), TEASettings(epsilon="0.05"))
    np.testing.assert_allclose(values.numpy(), 0.05, rtol=1e-6)


def test_draws_are_a_function_of_seed_epoch_and_step(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = lesson_batch(net(2))
    first = epsilons(monkeypatch, samples)[0]
    assert torch.equal(epsilons(monkeypatch, samples)[0], first)
    for other in (samples._replace(epoch=1), samples._replace(step=8)):
        assert not torch.equal(epsilons(monkeypatch, other)[0], first)
    assert not torch.equal(epsilons(monkeypatch, samples, TEASettings(seed=1))[0], first)


@pytest.mark.parametrize("parts", [2, 3])
def test_draws_do_not_depend_on_how_a_step_is_cut(monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    samples = lesson_batch(net(2))
    whole = epsilons(monkeypatch, samples)[0]
    cut = [epsilons(monkeypatch, part)[0] for part in samples.split(parts)]
    assert len(cut) == parts and torch.equal(torch.cat(cut), whole)
    # A process's share, worked on in passes.
    share = samples._replace(
        images=samples.images[2:], targets=samples.targets[2:], indices=samples.indices[2:], share=Share(2, 6, 1.0, 4)
    )
    passes = [epsilons(monkeypatch, part)[0] for part in share.split(2)]
    assert torch.equal(torch.cat(passes), whole[2:])


def test_passes_of_a_step_add_up_to_its_loss_and_gradient() -> None:
    whole, parts = net(1), net(1)
    samples, objective = lesson_batch(net(2)), TEA()
    loss = objective(whole, samples)
    loss.backward()
    added = objective.backward(parts, samples, accumulation_steps=3, compute=Compute("cpu", "fp32", 1))
    torch.testing.assert_close(added.double(), loss.detach())
    for expected, actual in zip(whole.parameters(), parts.parameters(), strict=True):
        if expected.grad is not None:
            torch.testing.assert_close(actual.grad, expected.grad)


def test_images_that_could_not_be_compared_are_counted() -> None:
    samples, objective = lesson_batch(net(2)), TEA()
    samples.images[:2] = 0.0  # relevance is pixel times slope
    student = net(1)
    loss = objective(student, samples)
    loss.backward()
    assert int(objective.skipped) == 2
    assert all(bool(torch.isfinite(value.grad).all()) for value in student.parameters() if value.grad is not None)
    objective(student, samples)
    assert int(objective.skipped) == 4 and objective.state_dict()["skipped"].dtype == torch.int64


def test_student_without_any_relevance_is_left_as_it_is() -> None:
    student, objective = net(1), TEA()
    with torch.no_grad():
        student[-1].weight.zero_()
    loss = objective(student, lesson_batch(net(2)))
    assert loss.item() == 2.0 and int(objective.skipped) == 6
    assert float(gradients(loss, student).abs().max()) == 0


# Co-training.
@pytest.mark.parametrize(("epoch", "follows"), [(0, True), (1, True), (2, False), (9, False)])
def test_teacher_follows_its_student_in_warm_up_epochs_alone(epoch: int, follows: bool) -> None:
    objective = TEA(TEASettings(co_train=True, warm_up_epochs=2, teacher_weight=0.0))
    both = CoTraining(net(1), net(2))
    objective(both, lesson_batch(net(3))._replace(epoch=epoch)).backward()
    slopes = [parameter.grad for parameter in both.teacher.parameters() if parameter.grad is not None]
    assert any(float(slope.abs().max()) > 0 for slope in slopes) == follows
    assert objective.warm_up_epochs == 2 and objective.co_trains


def test_teacher_learns_by_the_labels_with_its_weight() -> None:
    samples = lesson_batch(net(3))
    alone = TEA()(net(1), samples._replace(teacher=net(2)))
    both = CoTraining(net(1), net(2)).eval()
    loss = TEA(TEASettings(co_train=True, teacher_weight=0.3))(both, samples)
    labels = functional.binary_cross_entropy_with_logits(net(2)(samples.images), samples.targets.double())
    torch.testing.assert_close(loss, alone + 0.3 * labels)
    loss.backward()
    expected = torch.autograd.grad(
        0.3 * batch_loss(Task(), both.teacher(samples.images), samples), both.teacher[-1].bias
    )
    torch.testing.assert_close(both.teacher[-1].bias.grad, expected[0])
    assert both.student[-1].bias.grad is None


def test_parts_of_a_co_trained_step_add_up_to_its_loss() -> None:
    samples = lesson_batch(net(3))
    samples.targets[0] = float("nan")
    samples = samples._replace(target_counts=np.array([0, 3, 3, 3, 3, 3]))
    objective, both = TEA(TEASettings(co_train=True)), CoTraining(net(1), net(2)).eval()
    added = objective.backward(both, samples, accumulation_steps=2, compute=Compute("cpu", "fp32", 1))
    torch.testing.assert_close(added.double(), objective(both, samples).detach())


# Settings.
def test_published_settings_are_the_defaults() -> None:
    settings = TEASettings()
    assert (settings.loss, settings.resolutions, settings.explanation) == ("geo-l1", "multi", "lrp")
    assert parse_epsilon(settings.epsilon) == (1e-3, 1e-2) and settings.teacher_weight == 0.1
    assert TEA().warm_up_epochs == 0 and not TEA().co_trains


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "l3"}, "'l3' is not a known loss on maps"),
        ({"resolutions": "both"}, "'both' is not a known choice of resolutions"),
        ({"explanation": "lpr"}, "'lpr' is not a known explanation to learn from"),
        ({"bn": "train"}, "'train' is not a known rule for batch norm"),
        ({"epsilon": "0"}, "--set epsilon is '0', it must be above 0, or a range LOW:HIGH"),
        ({"epsilon": "1e-2:1e-3"}, "--set epsilon is '1e-2:1e-3', it must be above 0, or a range LOW:HIGH"),
        ({"epsilon": "1e-2:inf"}, "--set epsilon is '1e-2:inf', it must be above 0, or a range LOW:HIGH"),
        ({"epsilon": "nan"}, "--set epsilon is 'nan', it must be above 0, or a range LOW:HIGH"),
        ({"epsilon": "small"}, "--set epsilon is 'small', it must be a number"),
        ({"outputs": -1.0}, "outputs of tea is '-1.0', it must not be below 0"),
        ({"representations": float("nan")}, "representations of tea is 'nan', it must not be below 0"),
        ({"teacher_weight": -0.1}, "teacher_weight of tea is '-0.1', it must not be below 0"),
        ({"warm_up_epochs": -1}, "warm_up_epochs of tea is '-1', it must not be below 0"),
        ({"warm_up_epochs": 2}, "tea has warm-up epochs only with --co-train"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TEASettings(**settings)  # type: ignore[arg-type]
    assert caught.value.message.startswith(message)
