"""The outcome net in torch: two hidden layers, one head an outcome, losses summed; it leaves as ``ml.net.Artefact``.

Small on purpose. On five sets a 2 x 32 net on streaming features equalled gradient boosting, and a GRU over the raw
events did not beat it (.762 against .769 on the same rows).

``fit`` is one call with arrays in and an artefact out, so it runs here or as a Ray task without a word changed, and on
a GPU where there is one. The same task gives the same weights on one machine: seeds are fixed, threads are one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from msgspec import Struct, structs
from torch import Tensor, nn
from torch.nn import functional

from ml.features import NAMES
from ml.net import FORMAT, Artefact, Head, Layer, Model
from ml.training.dataset import Bools, Floats
from ml.training.platt import calibrated

CLIP = 8.0  # standard deviations; ``ml.net`` cuts there too
CONSTANT = 1e-6  # a feature with a smaller spread never varied
SINCE = {"since_deposit": "deposits_28", "since_purchase": "purchases_28"}  # without any, it is the tenure again
DIGITS = 9  # of a weight: all that a float32 has


class Recipe(Struct, frozen=True):
    """How a net is fitted."""

    hidden: tuple[int, ...] = (32, 32)
    epochs: int = 60  # at most; a small log needs more of them, a large one stops early
    patience: int = 4  # epochs without a better check
    batch: int = 512
    rate: float = 2e-3
    decay: float = 1e-3
    seed: int = 0


class Part(Struct, frozen=True):
    """Rows of one span."""

    vector: Floats  # (N, F)
    label: Floats  # (N, H)
    mask: Bools  # (N, H) which labels count


class Task(Struct, frozen=True):
    """One fit. All of it goes through pickle."""

    fit: Part
    check: Part
    heads: tuple[Head, ...]  # (H,) uncalibrated
    recipe: Recipe = Recipe()


class Fitted(Struct, frozen=True):
    """What came out."""

    artefact: Artefact
    losses: tuple[tuple[float, float], ...]  # of each epoch: on what is fitted, on the check
    best: int  # the epoch that was kept, from 0
    seed: int

    @property
    def check_loss(self) -> float:
        """The loss on the check rows that the kept epoch had."""
        return self.losses[self.best][1]


class OutcomeNet(nn.Module):
    """Standardised features to one output a head."""

    def __init__(self, features: int, heads: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        sizes = (features, *hidden)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.heads = nn.Linear(sizes[-1], heads)

    def forward(self, z: Tensor) -> Tensor:
        """Return (B, H) outputs of (B, F) standardised features."""
        for layer in self.hidden:
            z = functional.relu(layer(z))  # (B, hidden)
        outputs: Tensor = self.heads(z)
        return outputs


def fit(task: Task, progress: Callable[[float], None] = lambda _share: None) -> Fitted:
    """Fit a net, stop it by the check rows, calibrate its heads on them."""
    recipe = task.recipe
    mean, scale = standard(task.fit.vector)
    silent = ignored(task.fit.vector)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _settled(recipe.seed):
        net = OutcomeNet(len(mean), len(task.heads), recipe.hidden).to(device)
        fitting, checking = (_tensors(part, mean, scale, silent, device) for part in (task.fit, task.check))
        losses, best = _trained(net, fitting, checking, task.heads, recipe, progress)
    layers = [_layer(layer) for layer in (*net.hidden, net.heads)]
    for row in layers[0].weight:  # these met no gradient: what is left of the drawn weights means nothing
        for column in np.flatnonzero(silent):
            row[column] = 0.0
    raw = Artefact(
        format=FORMAT, name="churn", names=list(NAMES), mean=mean.tolist(), scale=scale.tolist(),
        low=np.quantile(task.fit.vector, 0.001, axis=0).tolist(),
        high=np.quantile(task.fit.vector, 0.999, axis=0).tolist(),
        layers=layers, heads=list(task.heads), evidence="days_28",
    )  # fmt: skip
    return Fitted(_calibrated(raw, task.check), tuple(losses), best, recipe.seed)


def standard(vectors: Floats) -> tuple[Floats, Floats]:
    """Return mean and spread (F,) of (N, F); the spread of a column that never varies is 1."""
    scale = vectors.std(axis=0)
    return vectors.mean(axis=0), np.where(scale < CONSTANT, 1.0, scale)


def ignored(vectors: Floats) -> Bools:
    """Return (F,) which columns say nothing: those that never vary, and times since what never happened."""
    silent: Bools = vectors.std(axis=0) < CONSTANT
    for since, what in SINCE.items():
        silent[NAMES.index(since)] |= silent[NAMES.index(what)]
    return silent


def head_losses(outputs: Tensor, label: Tensor, mask: Tensor, heads: tuple[Head, ...]) -> Tensor:
    """Return the sum over heads of the mean loss of the labels that count.

    Args:
        outputs: (B, H).
        label: (B, H).
        mask: (B, H) 1.0 where the label counts, else 0.0.
    """
    total = outputs.new_zeros(())
    for number, head in enumerate(heads):
        o, y, m = outputs[:, number], label[:, number], mask[:, number]  # (B,) each
        if head.kind == "logit":
            each = functional.binary_cross_entropy_with_logits(o, y, reduction="none")
        else:
            each = functional.poisson_nll_loss(o, y, reduction="none")
        total = total + (each * m).sum() / m.sum().clamp(min=1.0)
    return total


def _trained(
    net: OutcomeNet,
    fitting: tuple[Tensor, Tensor, Tensor],
    checking: tuple[Tensor, Tensor, Tensor],
    heads: tuple[Head, ...],
    recipe: Recipe,
    progress: Callable[[float], None],
) -> tuple[list[tuple[float, float]], int]:
    """Train in place and leave the weights of the best epoch; losses by epoch, and which was kept."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    losses: list[tuple[float, float]] = []
    best, kept = 0, deepcopy(net.state_dict())
    for epoch in range(recipe.epochs):
        seen = 0.0
        for rows in torch.randperm(len(fitting[0])).split(recipe.batch):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            loss = head_losses(net(fitting[0][rows]), fitting[1][rows], fitting[2][rows], heads)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            seen += float(loss.detach()) * len(rows)
        with torch.no_grad():
            checked = float(head_losses(net(checking[0]), checking[1], checking[2], heads))
        losses.append((seen / len(fitting[0]), checked))
        progress((epoch + 1) / recipe.epochs)
        if checked < losses[best][1] or epoch == 0:
            best, kept = epoch, deepcopy(net.state_dict())
        elif epoch - best >= recipe.patience:
            break
    net.load_state_dict(kept)
    return losses, best


def _tensors(
    part: Part, mean: Floats, scale: Floats, silent: Bools, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    z = np.where(silent, 0.0, np.clip((part.vector - mean) / scale, -CLIP, CLIP))
    z_, label, mask = (torch.as_tensor(of, dtype=torch.float32, device=device) for of in (z, part.label, part.mask))
    return z_, label, mask


def _layer(layer: nn.Module) -> Layer:
    assert isinstance(layer, nn.Linear)
    weight, bias = layer.weight.detach().cpu().tolist(), layer.bias.detach().cpu().tolist()
    return Layer([[_short(number) for number in row] for row in weight], [_short(number) for number in bias])


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _calibrated(raw: Artefact, check: Part) -> Artefact:
    """Return the artefact with the calibration of its heads."""
    outputs = Model(raw).outputs(check.vector)  # (N, H), of the very code that will score
    heads = []
    for number, head in enumerate(raw.heads):
        which = check.mask[:, number]
        slope, shift = calibrated(outputs[which, number], check.label[which, number], head.kind)
        heads.append(structs.replace(head, slope=slope, shift=shift))
    return structs.replace(raw, heads=heads)


@contextmanager
def _settled(seed: int) -> Iterator[None]:
    """Draw from ``seed`` and add in one thread, without leaving a trace in the caller's torch."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
