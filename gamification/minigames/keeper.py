"""``keeper:prizes:<mini-game>``: how many of each limited prize were given, ever and today.

One turn at a time, so the last mug is given once, whoever asks. What is reserved is given: a play that asked always
ends with it, so nothing is ever put back.
"""

from domain.calendar import local_day
from domain.entries import Entry, KeeperAsked
from gamification.keeping import Keeper
from gamification.minigames.rules import MinigameRule

KIND = "prizes"
RESERVE = "reserve"
OUT = "out"
NAMES_MAX = 500  # of prizes that there were; then those that are no more are forgotten


def take(keeper: Keeper, entry: Entry) -> None:
    """Answer who asks for a prize: ``ok``, or ``out``."""
    if isinstance(entry, KeeperAsked):
        game = (keeper.rules.rooms.get("minigames") or {}).get(keeper.name)
        _reserve(keeper, entry, game)


def _reserve(keeper: Keeper, asked: KeeperAsked, game: MinigameRule | None) -> None:
    prize = game.prizes.get(str(asked.args.get("prize"))) if game else None
    if game is None or prize is None:
        keeper.answer(asked, OUT)
        return
    today = local_day(keeper.at, keeper.rules.timezone)
    given: dict[str, int] = keeper.kept.get("given", {})
    given_today: dict[str, int] = keeper.kept.get("today", {}) if keeper.kept.get("day") == today else {}
    ever, day = given.get(prize.id, 0), given_today.get(prize.id, 0)
    if 0 <= prize.stock <= ever or 0 <= prize.max_per_day <= day:
        keeper.answer(asked, OUT)
        return
    if len(given) >= NAMES_MAX:
        given = {name: count for name, count in given.items() if name in game.prizes}
    keeper.kept = {
        "given": given | {prize.id: ever + 1},
        "day": today,
        "today": given_today | {prize.id: day + 1},
    }
    keeper.answer(asked)
