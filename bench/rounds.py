"""Rounds of ``engine``: how many events make one, what it took, and what became of every event of it."""

from collections.abc import Iterable

from msgspec import Struct, field

from bench.engine_process import Engine, cpu_spent
from bench.figures import Counts
from bench.load import Sent
from bench.options import PLAIN, Options
from bench.traffic import Traffic
from store.keys import TOWER

WARM_S_MAX = 5.0


class Side(Struct):
    """What was measured of one side; one entry a round."""

    rates: list[float] = field(default_factory=list)  # events/s
    cpu: list[float] = field(default_factory=list)  # seconds an event
    by_role: dict[str, float] = field(default_factory=dict)  # seconds, all rounds
    events: int = 0

    @property
    def cpu_ms(self) -> float:
        return round(sum(self.by_role.values()) / self.events * 1000, 3) if self.events else 0.0

    @property
    def cpu_ms_by_role(self) -> dict[str, float]:
        return {role: round(used / self.events * 1000, 3) for role, used in self.by_role.items()}


def ratios(ours: Iterable[float], theirs: Iterable[float]) -> list[float]:
    """Return each round's ratio by itself."""
    return [one / other for one, other in zip(ours, theirs, strict=True) if other]


def calibrated(engine: Engine, options: Options, people: str = "e") -> int:
    """Warm every player up; return how many events make a round of the length asked for."""
    traffic = Traffic("warm", 2 * options.players, options.players, 100, 8, "segment_batch", people=people)
    _, seconds = engine.send(traffic)
    engine.settle_all()  # what the programme's first publish has visited are turns too
    each_s = min(options.seconds / options.rounds, WARM_S_MAX)
    return max(1_000, min(60_000, round(traffic.events / seconds * each_s / 100) * 100))


def measured_round(engine: Engine, traffic: Traffic, side: Side) -> tuple[Counts, list[str]]:
    """Send one round's traffic, note what it took, and read back what became of it."""
    before, stakes, done = engine.cpu(), engine.stakes(traffic.by_player()), engine.counters()[1]
    sent, seconds = engine.send(traffic)
    applied = engine.counters()[1] - done
    engine.settle(TOWER)
    spent = cpu_spent(before, engine.cpu())
    engine.settle_all()  # what is left for keepers and boards must not burden the other side's round
    for role, used in spent.items():
        side.by_role[role] = side.by_role.get(role, 0.0) + used
    side.rates.append(traffic.events / seconds)
    side.cpu.append(sum(spent.values()) / traffic.events)
    side.events += traffic.events
    return _verified(engine, traffic, sent, stakes, applied)


def _verified(engine: Engine, traffic: Traffic, sent: Sent, stakes: int, applied: int) -> tuple[Counts, list[str]]:
    """Read back what became of a round."""
    by_player = traffic.by_player()
    wrong = []
    # Boards, jackpots and raffles of a season put entries of their own into the logs, beside the events.
    if applied < traffic.events or (applied != traffic.events and engine.options.programme == PLAIN):
        wrong.append(f"{traffic.run}: {applied} turns of {traffic.events} events")
    expected = sum(bet.amount for bet in traffic.bets())
    if (found := engine.stakes(by_player) - stakes) != expected:
        wrong.append(f"{traffic.run}: stakes of {found}, expected {expected}")
    if sent.failed:
        wrong.append(f"{traffic.run}: {sent.failed} answers refused for good: {sent.sample}")
    return engine.counts(by_player), wrong
