"""The net in torch: equal to the one that is served, calibrated, the same for the same seed, and judged fairly."""

from itertools import pairwise

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("torch", reason="training needs the extra train: torch is missing")
pytest.importorskip("sklearn", reason="training needs the extra train: scikit-learn is missing")
pytest.importorskip("lightgbm", reason="training needs the extra train: lightgbm is missing")

import torch

from ml.evaluation.bootstrap import Interval
from ml.evaluation.metrics import Accuracy, Figures
from ml.features import NAMES
from ml.net import Head, Model, Origin, checksum, dump, load
from ml.training import outcome, run
from ml.training.contest import CHALLENGER, RULE, Contest, contest, refusals, seen_until
from ml.training.dataset import HEADS, rows_of
from ml.training.outcome import OutcomeNet, Part, Recipe, Task, fit, head_losses
from ml.training.platt import LABELS_MIN, calibrated
from ml.training.run import train
from ml.training.runners import here
from ml.training.split import NotEnough, Split, lacking, split_of, whole
from tests.ml.logs import DAY, HOUR, population

WIDTH = len(NAMES)
CHURN = (Head("churn_14d", "logit", 14), Head("engagement", "count", 7))
RECENCY, DAYS, BETS = NAMES.index("recency"), NAMES.index("days_28"), NAMES.index("bets_28")


def planted(count: int, seed: int = 0) -> Part:
    """Return rows in which recency drives churn and active days the engagement, and nothing ever varies in bets."""
    rng = np.random.default_rng(seed)
    vector = rng.normal(2, 1, (count, WIDTH))
    vector[:, BETS] = 3.0
    odds = 1 / (1 + np.exp(-3 * (vector[:, RECENCY] - 2)))
    label = np.stack([rng.random(count) < odds, rng.poisson(np.exp(0.5 * vector[:, DAYS] - 1))], axis=1).astype(float)
    return Part(vector, label, np.ones((count, 2), dtype=np.bool_))


def task(**recipe: object) -> Task:
    return Task(planted(1_500), planted(600, 1), CHURN, structs.replace(Recipe(epochs=4, batch=128), **recipe))


def test_torch_and_the_served_net_agree_to_five_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[OutcomeNet] = []

    class Kept(OutcomeNet):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(outcome, "OutcomeNet", Kept)
    fitted = fit(task())
    model, rows = Model(fitted.artefact), planted(300, 2).vector
    rows[:, BETS] = 3.0
    z = np.clip((rows - np.array(fitted.artefact.mean)) / np.array(fitted.artefact.scale), -8, 8)
    with torch.no_grad():
        o = made[0](torch.as_tensor(z, dtype=torch.float32)).double()
        a, b = (torch.tensor([getattr(head, name) for head in fitted.artefact.heads]) for name in ("slope", "shift"))
        told = torch.sigmoid(a * o + b)[:, 0].numpy()
        days = torch.exp(a * o + b)[:, 1].clamp(max=7).numpy()
    assert np.abs(model.predict(rows)[:, 0] - told).max() < 1e-5
    assert np.abs(model.predict(rows)[:, 1] - days).max() < 1e-5


def test_a_planted_effect_is_found_and_named() -> None:
    fitted = fit(task(epochs=12))
    model = load(dump(fitted.artefact))
    usual = [2.0] * WIDTH
    late, early = list(usual), list(usual)
    late[RECENCY], early[RECENCY] = 3.5, 0.5
    assert model.score(tuple(early)).values["churn"] < 0.15
    told = model.score(tuple(late))
    assert told.values["churn"] > 0.85
    assert told.drivers[0][0] == "recency"
    assert told.drivers[0][1] > 0
    active = list(usual)
    active[DAYS] = 4.0
    expected = np.exp(0.5 * 4 - 1)
    assert model.score(tuple(active)).values["engagement"] == pytest.approx(expected, rel=0.25)


def test_what_never_varied_is_ignored_when_it_does() -> None:
    model = Model(fit(task()).artefact)
    one, other = [2.0] * WIDTH, [2.0] * WIDTH
    one[BETS], other[BETS] = 0.0, 1_000.0
    assert model.score(tuple(one)).values == model.score(tuple(other)).values
    assert fit(task()).artefact.layers[0].weight[0][RECENCY] != 0


def test_a_time_since_what_never_happened_is_ignored() -> None:
    vector = planted(50).vector
    vector[:, NAMES.index("deposits_28")] = 0.0
    silent = outcome.ignored(vector)
    assert [name for name, is_ in zip(NAMES, silent, strict=True) if is_] == ["bets_28", "deposits_28", "since_deposit"]


def test_the_same_seed_gives_the_same_bytes_and_leaves_torch_as_it_was() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = fit(task(seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(9)
    assert dump(fit(task(seed=3)).artefact) == dump(one.artefact)
    assert checksum(fit(task(seed=4)).artefact) != checksum(one.artefact)


def test_the_epoch_with_the_best_check_is_kept() -> None:
    asked = task(epochs=25, rate=0.05, patience=3)
    fitted = fit(asked)
    checks = [check for _, check in fitted.losses]
    outputs, label, mask = (
        torch.as_tensor(of, dtype=torch.float32)
        for of in (Model(fitted.artefact).outputs(asked.check.vector), asked.check.label, asked.check.mask)
    )
    assert float(head_losses(outputs, label, mask, CHURN)) == pytest.approx(min(checks), rel=1e-5)
    assert fitted.check_loss == min(checks)
    assert len(checks) < 25, "it never stopped early"
    assert len(checks) == fitted.best + 1 + 3


def test_a_label_that_is_not_ripe_moves_nothing() -> None:
    o = torch.tensor([[0.5, 0.1], [2.0, 0.3]], requires_grad=True)
    label = torch.tensor([[1.0, 2.0], [0.0, 5.0]])
    mask = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    head_losses(o, label, mask, CHURN).backward()  # type: ignore[no-untyped-call]
    assert o.grad is not None
    assert o.grad[0, 0] != 0
    assert o.grad.flatten()[1:].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["logit", "count"])
def test_calibration_finds_the_line_it_was_bent_by(kind: str) -> None:
    rng = np.random.default_rng(4)
    o = rng.normal(0, 1, 40_000)
    bent = 0.6 * o - 0.4
    y = (rng.random(len(o)) < 1 / (1 + np.exp(-bent))) if kind == "logit" else rng.poisson(np.exp(bent))
    slope, shift = calibrated(o, y.astype(float), kind)  # type: ignore[arg-type]
    assert slope == pytest.approx(0.6, abs=0.04)
    assert shift == pytest.approx(-0.4, abs=0.04)


def test_with_few_labels_only_the_shift_is_fitted() -> None:
    rng = np.random.default_rng(4)
    o = rng.normal(0, 1, LABELS_MIN - 1)
    y = (rng.random(len(o)) < 1 / (1 + np.exp(-0.2 * o - 1))).astype(float)
    slope, shift = calibrated(o, y, "logit")
    assert slope == 1
    assert np.mean(1 / (1 + np.exp(-o - shift))) == pytest.approx(y.mean(), abs=1e-3)


def test_labels_that_a_line_parts_do_not_drive_the_slope_away() -> None:
    o = np.linspace(-3, 3, 1_000)
    slope, _ = calibrated(o, (o > 0).astype(float), "logit")
    assert 1 < slope < 1e5


GOOD = Figures(0.80, 0.9, 0.5, 0.10, 0.2, 0.01, 2.0, Accuracy(0.8, 0.75))


@pytest.mark.parametrize(
    ("changed", "brier", "said"),
    [
        pytest.param({}, Interval(-0.02, -0.001), (), id="surely better"),
        pytest.param({}, Interval(-0.02, 0.0001), ("Brier",), id="better by chance, maybe"),
        pytest.param({"roc_auc": 0.7949}, Interval(-0.02, -0.001), ("ROC-AUC",), id="ranks worse"),
        pytest.param({"roc_auc": 0.7951}, Interval(-0.02, -0.001), (), id="ranks as well"),
        pytest.param({"ece": 0.031}, Interval(-0.02, -0.001), ("calibration",), id="not calibrated"),
        pytest.param({"roc_auc": float("nan"), "ece": 1.0}, Interval(float("nan"), float("nan")),
                     ("Brier", "ROC-AUC", "calibration"), id="cannot be told"),
    ],
)  # fmt: skip
def test_a_challenger_wins_only_when_it_is_surely_better(
    changed: dict[str, float], brier: Interval, said: tuple[str, ...]
) -> None:
    reasons = refusals(structs.replace(GOOD, **changed), GOOD, brier, "champion")
    assert len(reasons) == len(said)
    assert all(word in reason for word, reason in zip(said, reasons, strict=True))


@pytest.mark.slow
def test_a_training_from_log_to_card() -> None:
    log = population(700, 200)
    stages: list[tuple[str, float]] = []
    trained = train(
        log, gap_ms=HOUR // 2, trust=0.5, fits=2, draws=40, refit=False, told=lambda *told: stages.append(told)
    )
    model = load(dump(trained.artefact))
    assert model.artefact == trained.artefact, "what is judged is not what is written"
    assert set(model.heads) == {head.name for head in HEADS} - set(trained.lacking)
    found = trained.contest
    assert found.against == RULE
    assert found.lines[CHALLENGER].figures.roc_auc > found.lines["majority"].figures.roc_auc + 0.1
    assert found.lines[CHALLENGER].figures.ece < 0.08
    assert model.artefact.origin.fingerprint == log.fingerprint()
    assert model.artefact.origin.split_at == trained.split.test_at
    assert trained.artefact.trust == 0.5
    for words in ("## What the data cannot say", "bets_28", log.fingerprint(), model.artefact.checksum, "made up"):
        assert words in trained.card
    assert [stage for stage, _ in stages if stage == "fitting"]
    shares = [share for stage, share in stages if stage == "replaying"]
    assert all(a <= b for a, b in pairwise(shares))
    assert shares[-1] == 1

    again = train(log, champion=model, gap_ms=HOUR // 2, trust=0.5, fits=2, draws=40)
    assert not again.contest.won, "it beat itself"
    assert "Brier" in again.contest.refusals[0]
    assert again.contest.brier_difference == Interval(0.0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("won", [True, False])
def test_only_a_model_that_won_is_fitted_once_more_to_all_rows(monkeypatch: pytest.MonkeyPatch, won: bool) -> None:
    log = population(350, 160)
    monkeypatch.setattr(run, "contest", lambda *a, **k: decided(contest(*a, **k), won))
    trained, judged = (train(log, gap_ms=HOUR // 2, fits=1, draws=20, refit=refit) for refit in (True, False))
    assert trained.contest.lines == judged.contest.lines, "what is judged is the fit that saw less"
    assert judged.artefact.origin.split_at == judged.split.test_at
    assert "fitted once more" not in judged.card
    assert (trained.artefact.layers != judged.artefact.layers) == won
    assert ("fitted once more to all rows" in trained.card) == won
    assert (trained.artefact.origin.split_at == log.at[-1] + 1) == won


def decided(found: Contest, won: bool) -> Contest:
    return structs.replace(found, refusals=() if won else ("it lost",))


def test_a_champion_made_of_these_players_is_judged_on_rows_that_neither_saw() -> None:
    log = population(300, 200)
    rows = rows_of(log)
    usual = split_of(rows)
    made = fit(task(epochs=1)).artefact

    def spans(source: str, until: int) -> tuple[Split, tuple[str, ...]]:
        origin = Origin(source=source, split_at=until)
        return run._split(rows, Model(structs.replace(made, origin=origin)), log.name)

    assert run._split(rows, None, log.name) == (usual, ())
    assert spans("another platform", usual.test_at + 20 * DAY) == (usual, ())
    assert spans(log.name, usual.test_at - 20 * DAY) == (usual, ())
    later, warnings = spans(log.name, usual.test_at + 20 * DAY)
    assert (later.test_at, warnings) == (usual.test_at + 20 * DAY, ())
    assert later.check_at > usual.check_at
    kept, warnings = spans(log.name, log.at[-1])
    assert kept == usual, "nothing would be left to judge by"
    assert "favours it" in warnings[0]
    assert seen_until(None, log.name) == 0


def test_a_fit_to_all_rows_leaves_no_label_out_and_none_to_judge() -> None:
    log = population(200, 120)
    rows = rows_of(log)
    split = whole(rows, log.at[-1])
    learnt = split.fit(rows) | split.check(rows)
    assert not split.test(rows).any()
    assert not (split.fit(rows) & split.check(rows)).any()
    newest = int(rows.at[learnt[:, 0]].max())
    assert log.at[-1] - newest < 15 * DAY
    assert "test it" not in " ".join(lacking(rows, split, judged=False).values())


def test_a_log_in_which_too_little_happens_is_refused() -> None:
    with pytest.raises(NotEnough, match="churn cannot be learnt"):
        train(population(30, 100), gap_ms=HOUR // 2)


def test_of_several_fits_the_one_with_the_best_check_is_taken() -> None:
    tasks = [task(seed=seed, epochs=1) for seed in range(3)]
    seen: list[float] = []
    fitted = here(tasks, seen.append)
    assert [one.seed for one in fitted] == [0, 1, 2]
    assert seen == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_rows_of_a_log_are_what_a_fit_takes() -> None:
    rows = rows_of(population(40, 80))
    assert rows.vector.shape == (len(rows), WIDTH)
    assert rows.label.shape == rows.ripe.shape == (len(rows), len(HEADS))
