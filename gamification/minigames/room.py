"""What the mini-games bring to the game."""

from collections.abc import Iterable

from domain.conditions import compile_condition
from gamification.minigames import attempts, calendars, drawing, joining, keeper, plays, seeds
from gamification.minigames.config import MinigameConfig
from gamification.minigames.rules import compiled as compiled_game
from gamification.minigames.viewing import view
from gamification.references import condition_errors, of_kind, reward_errors
from gamification.room import Compiled, Room, Sources


def errors(sources: Sources) -> Iterable[str]:
    """Yield what a mini-game names and nobody configured."""
    models, currencies = sources.models, {"points", *sources.models["currencies"]}
    for doc_id, game in of_kind(models, "minigames", MinigameConfig).items():
        name = f"minigames/{doc_id}"
        yield from condition_errors(name, "audience", compile_condition(game.audience), models, sources.segments)
        if game.buy_in and game.buy_in.currency not in currencies:
            known = " ".join(sorted(currencies))
            yield f"{name}: buy_in.currency: expected a currency ({known}), got {game.buy_in.currency!r}"
        for i, prize in enumerate(game.prizes):
            yield from reward_errors(name, f"prizes[{i}].rewards", prize.rewards, models)


def compile_games(sources: Sources) -> Compiled:
    """Return the mini-games by id."""
    models = of_kind(sources.models, "minigames", MinigameConfig)
    return Compiled({name: compiled_game(name, sources.version, model) for name, model in models.items()})


ROOM = Room(
    "minigames",
    kinds={"minigames": MinigameConfig},
    errors=errors,
    compile=compile_games,
    commands={"play": drawing.play, "acknowledge": plays.acknowledge, "rotate_seed": seeds.rotate},
    timers={plays.TIMER: plays.on_timer},
    answers={drawing.THEN: drawing.on_reserved, calendars.THEN: calendars.on_reserved},
    givers={"spins": attempts.give_spins},
    keepers={keeper.KIND: keeper.take},
    hand_over=joining.hand_over,
    join=joining.join,
    view=view,
)
