"""The simulated players: reproducible, like the real ones, and safe to post."""

import asyncio
import json
from collections import Counter, defaultdict
from itertools import pairwise
from statistics import mean, median
from typing import Any

import httpx
import pytest

from ml.tone import tone_of
from playtower.demo_traffic import STAKES, VIPS, WORDS, Casino, Emitted, RealPlayer, read_players, run, stake_weights

REGULAR = RealPlayer("Low-Risk", 20, 40.0, 40.0, 25, 100.0, 500, 0.25, 250.0)


def events_of(casino: Casino, count: int) -> list[Emitted]:
    return [casino.next_event() for _ in range(count)]


def of(events: list[Emitted], name: str) -> list[dict[str, Any]]:
    return [event["properties"] for event in events if event.get("event") == name]


def test_the_same_seed_gives_the_same_events() -> None:
    assert events_of(Casino(3, 50), 3_000) == events_of(Casino(3, 50), 3_000)
    assert events_of(Casino(3, 50), 100) != events_of(Casino(4, 50), 100)


def test_another_day_has_the_same_people() -> None:
    first, second = Casino(3, 50), Casino(3, 50, day="second", newcomers=False)
    assert [player.traits for player in first.players] == [player.traits for player in second.players]
    later = events_of(second, 2_000)
    assert events_of(first, 100) != later[:100]
    assert not of(later, "signed_up")


def test_everything_is_labelled_simulated() -> None:
    events = events_of(Casino(1, 20), 500)
    assert all(event["context"]["simulated"] is True for event in events)
    assert all(event["traits"]["simulated"] is True for event in events if event["type"] == "identify")


def test_four_vips_are_always_about() -> None:
    casino = Casino(7, 400)
    assert [player.id for player in casino.players if player.traits["vip"]] == ["vip-1", "vip-2", "vip-3", "vip-4"]
    by_player = Counter(event.get("userId", "") for event in events_of(casino, 30_000))
    others = [times for player, times in by_player.items() if not player.startswith("vip-")]
    assert min(by_player[f"vip-{n}"] for n in range(1, VIPS + 1)) > median(others)


def test_names_places_and_languages_vary() -> None:
    players = Casino(7, 400).players
    assert {"uk-UA", "en-GB", "ru-KZ"} <= {player.traits["locale"] for player in players}
    assert len({player.traits["timezone"] for player in players}) >= 6
    assert len({player.id for player in players}) == 400


def test_a_player_signs_up_once_and_before_all_else() -> None:
    seen: dict[str, list[str]] = defaultdict(list)
    for event in events_of(Casino(5, 30), 20_000):
        if event["type"] == "track" and "userId" in event:
            seen[event["userId"]].append(event["event"])
    assert all(names[0] == "signed_up" and names.count("signed_up") == 1 for names in seen.values())


def test_newcomers_look_around_without_a_name_and_say_who_they_were_when_they_sign_up() -> None:
    events = events_of(Casino(5, 30), 5_000)
    nameless = [event["anonymousId"] for event in events if "userId" not in event]
    joined = [event["anonymousId"] for event in events if event["type"] == "identify" and "anonymousId" in event]
    assert len(nameless) > 10
    assert len(set(nameless)) == len(nameless)
    assert set(joined) <= set(nameless)


def test_some_leave_the_cashier_without_a_deposit_and_the_session_with_it() -> None:
    seen: dict[str, list[Emitted]] = defaultdict(list)
    for event in events_of(Casino(5, 30), 20_000):
        if event["type"] == "track":
            seen[event.get("userId", "")].append(event)
    after = [
        following["event"]
        for events in seen.values()
        for event, following in pairwise(events)
        if event["event"] == "page_viewed" and event["properties"]["page"] == "cashier"
    ]
    assert set(after) == {"deposit_completed", "session_ended"}
    assert after.count("session_ended") < after.count("deposit_completed") / 4


@pytest.mark.parametrize("real", read_players()[::271])
def test_stakes_have_the_real_mean(real: RealPlayer) -> None:
    stakes, weights = stake_weights(real)
    drawn = sum(s * w for s, w in zip(stakes, weights, strict=True)) / sum(weights)
    assert drawn == pytest.approx(min(max(real.bet_mean, stakes[0]), stakes[-1]), rel=0.01)
    assert all(real.bet_min <= stake <= real.bet_max for stake in stakes)


def test_bets_wins_and_sessions_are_like_the_player_they_are_drawn_from() -> None:
    events = events_of(Casino(2, 12, real=[REGULAR] * 12), 60_000)
    bets, rounds = of(events, "bet_placed"), of(events, "bet_settled")
    won = [played for played in rounds if played["result"] == "win"]
    assert mean(bet["amount"] for bet in bets) == pytest.approx(REGULAR.bet_mean, rel=0.05)
    assert len(won) / len(rounds) == pytest.approx(REGULAR.win_prob, rel=0.05)
    assert mean(p["payout"] - p["amount"] for p in won) == pytest.approx(REGULAR.win_mean, rel=0.1)
    sessions = [ended["rounds"] for ended in of(events, "session_ended")]
    assert median(sessions) == pytest.approx(REGULAR.rounds_median, rel=0.15)


def test_the_crowd_is_like_the_data() -> None:
    real = read_players()
    casino = Casino(11, 2_000)
    drawn = [player.real for player in casino.players[VIPS:]]
    assert len(real) == 2_713
    for figure in ("bet_mean", "win_prob", "rounds_median", "sessions"):
        expected = median(getattr(player, figure) for player in real)
        assert median(getattr(player, figure) for player in drawn) == pytest.approx(expected, rel=0.1), figure


def test_money_is_whole_and_nobody_bets_what_they_lack() -> None:
    wallets: Counter[str] = Counter()
    for event in events_of(Casino(9, 40), 30_000):
        told = event.get("properties", {})
        match event.get("event"):
            case "deposit_completed":
                wallets[event["userId"]] += told["amount"]
            case "withdrawal_requested":
                wallets[event["userId"]] -= told["amount"]
            case "bet_placed":
                assert told["amount"] in STAKES
                wallets[event["userId"]] -= told["amount"] * (-1 if "status" in told else 1)
            case "bet_settled":
                wallets[event["userId"]] += told["payout"] * (-1 if "status" in told else 1)
            case _:
                pass
        assert all(isinstance(told.get(name, 0), int) for name in ("amount", "payout"))
        assert wallets[event.get("userId", "")] >= 0


def test_a_few_rounds_are_voided_whole_and_right_after_they_were_played() -> None:
    events = events_of(Casino(9, 40), 30_000)
    voided = [event for event in of(events, "bet_placed") if event.get("status") == "rollback"]
    placed = {event["round_id"]: event for event in of(events, "bet_placed") if "status" not in event}
    settled = {event["round_id"] for event in of(events, "bet_settled") if event.get("status") == "rollback"}
    assert 0.0005 < len(voided) / len(placed) < 0.01
    assert {event["round_id"] for event in voided} == settled
    assert all(event == placed[event["round_id"]] | {"status": "rollback"} for event in voided)


class Gateway:
    def __init__(self, batches: int, known: bool = False) -> None:
        self.stop = asyncio.Event()
        self.batches: list[list[dict[str, Any]]] = []
        self.bodies: list[bytes] = []
        self.refusals: list[httpx.Response | Exception] = []
        self._known = known
        self._most = batches

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200 if self._known else 404, json={})
        self.bodies.append(request.content)
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return refusal
        self.batches.append(json.loads(request.content)["batch"])
        if len(self.batches) == self._most:
            self.stop.set()
        return httpx.Response(200, json={"success": True, "rejected": []})

    async def fed(self) -> int:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as client:
            sent = await run("http://engine", "key", rate=1e6, players=40, seed=7, stop=self.stop, client=client)
        return sent.events


async def test_batches_vary_in_size_and_their_ids_never_repeat() -> None:
    first, second = Gateway(20), Gateway(20, known=True)
    assert await first.fed() == sum(map(len, first.batches))
    await second.fed()
    ids = Counter(event["messageId"] for gateway in (first, second) for batch in gateway.batches for event in batch)
    assert set(ids.values()) == {1}
    assert len({len(batch) for batch in first.batches}) > 1
    assert not [event for batch in second.batches for event in batch if event.get("event") == "signed_up"]


async def test_a_refused_batch_is_posted_again_as_it_was() -> None:
    gateway = Gateway(1)
    gateway.refusals = [
        httpx.Response(429, headers={"Retry-After": "0"}),
        httpx.Response(503, headers={"Retry-After": "0"}),
    ]
    await gateway.fed()
    assert len(gateway.bodies) == 3
    assert len(set(gateway.bodies)) == 1


async def test_a_wrong_key_ends_it() -> None:
    gateway = Gateway(1)
    gateway.refusals = [httpx.Response(401)]
    with pytest.raises(httpx.HTTPStatusError):
        await gateway.fed()


def test_players_write_to_support_in_their_language_and_some_are_angry() -> None:
    casino = Casino(6, 300)
    locales = {player.id: str(player.traits["locale"]) for player in casino.players}
    events = [one for one in events_of(casino, 60_000) if one.get("event") == "support_case_opened"]
    said = [(locales[one["userId"]][:2], one["properties"].get("text", "")) for one in events if "userId" in one]
    assert {language for language, text in said if text} == {"en", "uk", "ru"}
    assert {language for language, text in said if not text} <= {"de", "pl", "pt"}
    read = [(language, tone_of(text, language)) for language, text in said if text]
    assert all(tone.language == language for language, tone in read)
    assert {tone.mood for _, tone in read} == {"negative", ""}, "some are angry, others ask"


def test_in_each_language_one_of_the_texts_to_support_is_angry() -> None:
    for language, texts in WORDS.items():
        assert [tone_of(text, language).mood for text in texts] == ["negative", "", ""]
