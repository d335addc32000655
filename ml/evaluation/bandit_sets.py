"""Logs of choices that were drawn by chance, with their propensities, to judge draws on that nobody made."""

import csv
import gzip
import math
from pathlib import Path

import numpy as np
from msgspec import Struct

from ml.data import HERE, found
from ml.evaluation.metrics import Floats, Ints

CAMPAIGNS = ("men", "women")
_MAILS = ("No E-Mail", "Womens E-Mail", "Mens E-Mail")


class Logged(Struct, frozen=True):
    """N choices of K arms, in the order in which they were made."""

    name: str
    about: str
    source: str
    licence: str
    reward_is: str
    arms: tuple[str, ...]
    context: tuple[str, ...]
    arm: Ints  # (N,), 0 to K - 1
    reward: Floats  # (N,), 0 to 1
    propensity: Floats  # (N,)
    x: Floats  # (N, C)
    strata: Ints  # (N,), within which the propensities are

    def __len__(self) -> int:
        """Return N."""
        return len(self.arm)

    def only(self, rows: Ints) -> "Logged":
        """Return these rows alone."""
        return Logged(
            self.name, self.about, self.source, self.licence, self.reward_is, self.arms, self.context, self.arm[rows],
            self.reward[rows], self.propensity[rows], self.x[rows], self.strata[rows],
        )  # fmt: skip


def open_bandit(campaign: str, policy: str) -> Logged:
    """Return what was shown on a shop's front page and clicked; it ships with the package.

    Args:
        campaign: Of ``CAMPAIGNS``.
        policy: ``random``, or ``bts``: the shop's own Thompson sampling.
    """
    with gzip.open(HERE / "open_bandit" / f"{campaign}.csv.gz", "rt", encoding="ascii", newline="") as file:
        rows = [row[1:] for row in csv.reader(file) if row[0] == policy]
    item, position, click, propensity = np.array(rows, float).T
    arms = tuple(f"item-{at}" for at in range(int(item.max()) + 1))
    return Logged(
        f"Open Bandit, {campaign}",
        f"{len(arms)} items of a fashion shop's front page",
        "Open Bandit Dataset, small version (Saito et al. 2021)",
        "CC BY 4.0",
        "clicks of 1,000 shown",
        arms,
        (),
        item.astype(np.int64),
        click,
        propensity,
        np.empty((len(rows), 0)),
        position.astype(np.int64) - 1,
    )


def hillstrom(folder: Path) -> Logged:
    """Return a randomised e-mail test: nothing, women's or men's clothes, and who came to the shop within two weeks.

    Raises:
        NoData: the folder has no ``hillstrom.csv.gz``.
    """
    with gzip.open(found(folder, "hillstrom.csv.gz"), "rt", encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    x = np.array(
        [
            (
                float(row["recency"]),
                math.log1p(float(row["history"])),
                float(row["mens"]),
                float(row["womens"]),
                float(row["newbie"]),
                float(row["channel"] != "Phone"),
            )
            for row in rows
        ]
    )
    return Logged(
        "Hillstrom",
        "which e-mail, if any, 64,000 customers of a clothes shop get",
        "MineThatData e-mail challenge (Hillstrom 2008)",
        "states none; not shipped",
        "visits of 1,000 customers",
        _MAILS,
        ("recency", "history", "mens", "womens", "newbie", "web"),
        np.array([_MAILS.index(row["segment"]) for row in rows]),
        np.array([float(row["visit"]) for row in rows]),
        np.full(len(rows), 1 / len(_MAILS)),
        x,
        np.zeros(len(rows), np.int64),
    )
