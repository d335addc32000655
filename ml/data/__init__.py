"""Logs that models are trained and judged on.

Sets that ship with the package lie each in a folder with its source and its licence: ``online_retail`` (CC BY 4.0) and
``cdnow`` (the 1/10 sample, from an MIT package); ``open_bandit`` (CC BY 4.0) is no log of players, and read by
``ml.evaluation.bandit_sets``. Two more are read from a folder the reader has: nobody stated a
licence for them that would let this package carry them.
"""

import csv
import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ml.training.log import Log, log_of

HERE = Path(__file__).parent
MS = 1_000
DAY_MS = 86_400 * MS


class NoData(LookupError):
    """A folder does not hold the file that was asked for."""


def online_retail() -> Log:
    """Purchases of a British web shop, 2010-12-01 to 2011-12-09: one signal an invoice, in pounds."""
    rows = [(int(a), int(b), int(c)) for a, b, c in _csv(HERE / "online_retail" / "invoices.csv.gz")]
    return log_of(
        [customer for customer, _, _ in rows],
        [minute * 60 * MS for _, minute, _ in rows],
        ["purchase"] * len(rows),
        [pence / 100 for _, _, pence in rows],
        name="Online Retail (Chen 2015), one row an invoice",
        licence="CC BY 4.0",
    )


def cdnow_sample() -> Log:
    """Purchases of every tenth CDNOW customer of the first quarter of 1997, to 1998-06-30, in dollars."""
    rows = [(int(a), a_day(b), int(c)) for a, b, c in _csv(HERE / "cdnow" / "sample.csv.gz")]
    return _purchases(rows, "CDNOW, 1/10 sample (Fader and Hardie)", "distributed with lifetimes 0.11.3 (MIT)")


def cdnow_master(folder: Path) -> Log:
    """Purchases of all 23,570 CDNOW customers. Reads ``CDNOW_master.txt``.

    Raises:
        NoData: the folder has no such file.
    """
    lines = found(folder, "CDNOW_master.txt").read_text(encoding="ascii").splitlines()
    rows = []
    for line in lines:
        customer, day, _, dollars = line.split()
        if customer.isdigit():  # some copies begin with a line of names
            rows.append((int(customer), a_day(day), round(float(dollars) * 100)))
    return _purchases(rows, "CDNOW, all customers (Fader and Hardie)", "open, states none; not shipped")


def dodge_the_mud(folder: Path) -> Log:
    """Plays of a mobile game, 2015-01-13 to 2016-05-24. Reads ``plays.csv.gz`` (player, unix second, score).

    Game 1 of Kim, Choi, Lee and Rhee 2017 (PLoS ONE 12(7) e0180735).

    Raises:
        NoData: the folder has no such file.
    """
    rows = [(int(player), int(second)) for player, second, _ in _csv(found(folder, "plays.csv.gz"))]
    return log_of(
        [player for player, _ in rows],
        [second * MS for _, second in rows],
        ["other"] * len(rows),
        [0.0] * len(rows),
        name="Dodge the Mud (Kim et al. 2017, Game 1)",
        licence="PLOS open data; the copy states none; not shipped",
    )


SHIPPED: dict[str, Callable[[], Log]] = {"online_retail": online_retail, "cdnow_sample": cdnow_sample}


def found(folder: Path, name: str) -> Path:
    """Return a file of the folder, or of a folder right below it.

    Raises:
        NoData: it is in neither.
    """
    for path in (folder / name, *sorted(folder.glob(f"*/{name}"))):
        if path.is_file():
            return path
    raise NoData(f"expected {name} in {folder} or right below it")


def a_day(text: str) -> int:
    """Return the first ms of a day that is written 19970101."""
    return int(datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * MS


def _purchases(rows: list[tuple[int, int, int]], name: str, licence: str) -> Log:
    """Make a log of (customer, ms, cents)."""
    customer, at, cents = (list(column) for column in zip(*rows, strict=True))
    amount = [number / 100 for number in cents]
    return log_of(customer, at, ["purchase"] * len(rows), amount, name=name, licence=licence)


def _csv(path: Path) -> Iterator[list[str]]:
    """Yield the rows below the line of names."""
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows
