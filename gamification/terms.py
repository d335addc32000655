"""The terms of what was paid: a debit says which lots it took, so that what comes back has their terms again.

Whoever holds a price keeps them beside it (a purchase, a registration, a play that waits), so they are bounded as those
are, and merge and unwind with them.
"""

from domain.player import Balance

NEVER = 0  # the term of what was in no lot
TERMS_MAX = 16  # lots told apart in one debit; what it took of later ones has the last one's term
GRACE_DAYS = 7
_SECOND_MS = 1_000
_GRACED_MS = 1  # local days begin at whole seconds: a lot that ends at this ms of one has had its grace

Terms = tuple[tuple[int, int], ...]


def taken(held: Balance, amount: int) -> Terms:
    """Return what a debit takes of a balance: from the first lots, then of what is in none.

    A debt that it makes has no term: the sum is less by as much.
    """
    lots = held.purse.lots if held.purse is not None else ()
    in_lots = sum(left for _, left in lots)
    rows, rest = [], amount
    for at, left in lots:
        if rest <= 0:
            break
        rows.append((at, min(left, rest)))
        rest -= left
    while len(rows) > TERMS_MAX:
        (_, earlier), (at, last) = rows[-2:]
        rows[-2:] = [(at, earlier + last)]
    if free := min(max(0, rest), max(0, held.balance - in_lots)):
        rows.append((NEVER, free))
    return tuple(rows)


def restored(terms: Terms, amount: int, now: int, grace: int, otherwise: int) -> Terms:
    """Return the lots that ``amount``, which comes back, makes.

    What would expire later does so then. What has expired meanwhile expires at ``grace``; a lot has that once, else
    buying and refunding would keep it for ever: the second time it is back with the term that is over.

    Args:
        otherwise: The term of what no term is known of, ms.
    """
    known = sum(part for _, part in terms)
    rows = [(otherwise, amount - known)] if amount > known else []
    over = known - amount
    for at, all_of_it in terms:
        part, over = all_of_it - max(0, min(all_of_it, over)), over - all_of_it
        if part and at != NEVER:
            rows.append((at if at > now or is_graced(at) else graced(grace), part))
    return tuple(sorted(rows))


def graced(at: int) -> int:
    """Return the moment as that of a grace."""
    return at // _SECOND_MS * _SECOND_MS + _GRACED_MS


def is_graced(at: int) -> bool:
    """Tell whether a lot that ends then has had its grace."""
    return at % _SECOND_MS == _GRACED_MS


def shown(at: int) -> int:
    """Return when a lot expires, for people."""
    return at - at % _SECOND_MS
