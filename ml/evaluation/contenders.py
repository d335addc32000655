"""Who is judged: the product's net, fitted by the code of ``playtower train``, and its rivals.

The net has one head here, with the horizon of the task. A part of the training rows stops the fit and calibrates it, as
in training: the newest ones where enough is left before them, else a quarter of the players.

Where the model that ships with the package has a head of that horizon and has not seen the rows, it stands beside
them as it is: what a platform gets before it has trained on its own players.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np

from ml.evaluation.baselines import Model, models
from ml.evaluation.metrics import Floats
from ml.evaluation.report import NET, SHIPPED
from ml.evaluation.rows import DAY_MS, Rows
from ml.evaluation.tasks import Task
from ml.net import Head, load
from ml.net import Model as Net
from ml.training import outcome
from ml.training.dataset import Bools

FITS = 3  # from different seeds, of which the best check is kept; as ``playtower train`` does
CHECK_SHARE = 0.25
FIT_SHARE_MIN = 0.5  # of the training rows, that must be left before the newest ones


def contenders(task: Task) -> Mapping[str, Model]:
    """Return all models of a task by name."""
    found = models(task.purchases) | {NET: net}
    if f"churn_{task.horizon_d}d" in shipped_net().heads and not has_seen(shipped_net(), task):
        found[SHIPPED] = shipped
    return found


@cache
def shipped_net() -> Net:
    """Return the model that scores until another is published."""
    return load(resources.files("ml").joinpath("shipped", "churn.json").read_bytes())


def has_seen(model: Net, task: Task) -> bool:
    """Say whether a model was made of rows as old as the task's test rows, from the same source."""
    origin = model.artefact.origin
    return origin.source == task.source and int(task.test.at.min()) < origin.split_at


def shipped(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """Score with the shipped model; nothing is fitted."""
    del train
    model = shipped_net()
    scores: Floats = model.predict(test.vector)[:, model.heads.index(f"churn_{horizon_d}d")]
    return scores


def net(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """Fit the product's net as it is trained, and score with its exported weights."""
    fit, check = parts(train, horizon_d)
    head = Head("churn_28d", "logit", horizon_d)  # the name says where it stands, the days what it means
    fitting, checking = _part(train.where(fit)), _part(train.where(check))
    tries = (outcome.fit(outcome.Task(fitting, checking, (head,), outcome.Recipe(seed=seed))) for seed in range(FITS))
    fitted = min(tries, key=lambda one: one.check_loss)
    scores: Floats = Net(fitted.artefact).predict(test.vector)[:, 0]
    return scores


def parts(train: Rows, horizon_d: int) -> tuple[Bools, Bools]:
    """Return which training rows are fitted and which stop and calibrate the fit, each (n,)."""
    newest = int(np.quantile(train.at, 1 - CHECK_SHARE, method="nearest"))
    before = train.at + horizon_d * DAY_MS <= newest
    if before.mean() >= FIT_SHARE_MIN:
        return before, train.at >= newest
    of_check: Bools = train.player % round(1 / CHECK_SHARE) == 0
    return ~of_check, of_check


def _part(rows: Rows) -> outcome.Part:
    label = rows.gone[:, None]  # (n, 1)
    return outcome.Part(rows.vector, label, np.ones_like(label, bool))
