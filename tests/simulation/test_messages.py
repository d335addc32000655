"""Couriers, providers and the whole tower over a store that fails: nothing sent that must not be, nothing lost."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from actors.courier import ladder, landing, successor
from actors.courier.successor import incarnation_of
from store.ports import Claim, Claimed, InFlight
from tests.simulation.faults import Mix
from tests.simulation.mail import MailWorld
from tests.simulation.providers import Post
from tests.simulation.queue_faults import FaultyLives
from tests.simulation.seeds import run_seeds

SEEDS = int(os.environ.get("SIMULATION_MESSAGE_SEEDS", "2000"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))
FAILED_ONCE = (125, 234, 343, 411, 476, 1069, 1076)  # seeds that found something; they stay


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_fails_nobody_gets_what_they_must_not_and_every_message_ends() -> None:
    failed = run_seeds([*FAILED_ONCE, *range(FIRST, FIRST + SEEDS)], messages=True)
    told = "\n".join(
        f"python -m tests.simulation.world --messages --seed {seed} --trace  # {why}" for seed, why in failed.items()
    )
    assert not failed, f"{len(failed)} seeds failed; replay with\n{told}"


def test_without_faults_messages_of_every_kind_are_sent() -> None:
    """The laws would hold in a world where nothing is ever sent: here is what is."""
    seen: Counter[str] = Counter()
    for seed in (1, 2, 3):
        world = MailWorld(seed, mix=Mix(), post=Post()).run()
        seen.update(world.mail.seen)
        seen.update(one.channel for one in world.providers.accepted)
        seen.update(one.purpose for one in world.providers.accepted)
        seen["ambushes"] += world.mail.ambushes
    wanted = ("sent", "sms", "email", "promo", "retention", "service", "transactional", "legal", "refused", "held")
    assert not [what for what in wanted if not seen[what]], seen
    assert not any(seen[what] for what in ("unknown", "failed", "ambushes")), seen


def test_with_faults_messages_end_in_every_way() -> None:
    seen: Counter[str] = Counter()
    for seed in range(24):
        post = Post(retry=0.1, refused=0.1, dead=0.3, unclear=0.3, late=0.2, ambush=0.1)
        world = MailWorld(seed, mix=Mix(crash=0.01, pause=0.01), post=post).run()
        seen.update(world.mail.seen)
        seen["ambushes"] += world.mail.ambushes
    wanted = ("sent", "unknown", "failed", "stopped", "returned", "cleared", "merged", "refused", "ambushes")
    assert not [what for what in wanted if not seen[what]], seen


@pytest.mark.slow
def test_a_seed_is_the_same_run_in_another_process() -> None:
    """Nothing depends on the order of sets or on addresses."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.simulation.world", "--messages", "--seed", "11"]
    told = {
        subprocess.run(
            command,
            cwd=root,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1
    assert MailWorld(11).run().trace_hash in told.pop()


HARSH = Mix(lost=0.05, late=0.08, mute=0.1, ghost=0.2, cut=0.1, crash=0.02, pause=0.03, pause_s=4, latency_s=0.02)
SLOW = Mix(late=0.05, mute=0.05, latency_s=0.05, pause=0.01, pause_s=3)
ECHOES = Mix(ghost=0.8, latency_s=0.02)  # much is done twice, and late
SENDS = Post(retry=0.1, unclear=0.1, late=0.1, ambush=0.2, latency_s=0.5)
AGAIN = Post(retry=0.5, down=True, latency_s=1.5)
SHORT_LADDER_S = (0.2, 0.4, 0.8, 1.6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guard", "mix", "post"),
    [
        ("claim-stop", SLOW, SENDS),
        ("claim-mute", SLOW, SENDS),
        ("claim-late", SLOW, SENDS),
        ("settle-token", ECHOES, AGAIN),
        ("line-head", Mix(), AGAIN),
        ("gate-order", HARSH, SENDS),
    ],
)
def test_the_simulation_sees_a_missing_guard_of_the_queue(
    monkeypatch: pytest.MonkeyPatch, guard: str, mix: Mix, post: Post
) -> None:
    """``enqueue-once`` and ``enqueue-flying`` are isolated in tests/contract: the tower never clears what flies."""
    monkeypatch.setattr(ladder, "LADDER_S", SHORT_LADDER_S)
    monkeypatch.setattr(landing, "LADDER_S", SHORT_LADDER_S)
    for seed in range(40):
        try:
            MailWorld(seed, guards_off=frozenset({guard}), mix=mix, post=post).run()
        except Exception:
            return
    pytest.fail("40 seeds noticed nothing")


def _sends_again(flying: InFlight, partition: int, now: int) -> landing.Landed:
    held = landing.Try(Claim(partition, flying.dispatch, flying.tries, flying.refused), flying.token, flying.claimed_at)
    return landing.put_back(held, now)


async def _believes_all_dead(_: FaultyLives, incarnations: Iterable[str]) -> set[str]:
    return set(incarnations)


def _forgets_what_it_holds(self: Any, claim: Claimed, _: object) -> bool:
    return bool(incarnation_of(claim.token) == self._life.incarnation)


DYING = Mix(crash=0.02, pause=0.01, pause_s=3, mute=0.03, latency_s=0.005)
CALM = Mix(latency_s=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "name", "broken", "mix", "post"),
    [
        (successor, "inherited", _sends_again, DYING, Post(unclear=0.2, latency_s=1.0)),
        (FaultyLives, "ended", _believes_all_dead, CALM, Post(ambush=0.4, latency_s=1.5)),
        (successor.Successor, "_is_orphan", _forgets_what_it_holds, CALM, Post(ambush=0.4, latency_s=1.5)),
    ],
)
def test_the_simulation_sees_a_broken_successor(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, broken: Callable[..., Any], mix: Mix, post: Post
) -> None:
    monkeypatch.setattr(where, name, broken)
    for seed in range(30):
        try:
            MailWorld(seed, mix=mix, post=post).run()
        except AssertionError:
            return
    pytest.fail("30 seeds noticed nothing")
