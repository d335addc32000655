"""Tournaments: runs of players who are ranked by what the same events are worth, for prizes.

A player's turn scores and sends whole scores to the run's board; the run's keeper (``keeper``) counts the seats and
ends the run; boards live outside the partitions.
"""

from gamification.room import Compiled, Room, Sources
from gamification.tournaments import entering, keeper, leaving, merging
from gamification.tournaments.config import TournamentConfig
from gamification.tournaments.rules import KEEPER, KIND, errors, rules_of
from gamification.tournaments.rules import ROOM as NAME
from gamification.tournaments.view import shown_run, tournaments_view

__all__ = ["ROOM", "shown_run"]


def compiled(sources: Sources) -> Compiled:
    """Return the tournaments, and what each event moves: every run that overlaps is scored by it."""
    tournaments = rules_of(sources)
    movers: dict[str, tuple[entering.Move, ...]] = {}
    for rule in tournaments.rules.values():
        for event in dict.fromkeys(scoring.event for scoring in rule.scorings):
            movers[event] = (*movers.get(event, ()), entering.mover(rule))
    return Compiled(tournaments, movers)


ROOM = Room(
    NAME,
    kinds={KIND: TournamentConfig},
    errors=errors,
    compile=compiled,
    commands={
        "register": entering.register,
        "withdraw": leaving.withdraw,
        "approve_registration": entering.approve,
    },
    answers={
        entering.JOINED: entering.on_joined,
        entering.FREED: entering.on_freed,
        leaving.LEFT: leaving.on_left,
        merging.LOOKED: merging.on_looked,
    },
    told={leaving.RESULT: leaving.on_result},
    visits={leaving.OVER: leaving.on_over},
    keepers={KEEPER: keeper.take},
    hand_over=merging.hand_over,
    join=merging.join,
    view=tournaments_view,
)
