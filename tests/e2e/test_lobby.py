"""The lobby in a browser, against a whole engine with the sample season: what a player sees, presses and can check."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from playtower.programme_files import read_programme
from tests.e2e.browser import Page, browser, installed
from tests.e2e.engine import Engine

CASINO = Path(__file__).parents[2] / "examples" / "programmes" / "casino" / "programme"
PLAYER = "oksana"
NEWCOMER = "petro"

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(installed() is None, reason="there is no browser here (chromium, google-chrome)"),
]


@pytest.fixture(scope="module")
def casino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = Engine(tmp_path_factory.mktemp("lobby") / "data", ("--partitions", "4")).start()
    running.publish(read_programme(CASINO))
    yield running
    assert running.stop() == 0


def plays(engine: Engine, *names: str, said: str = "", player: str = PLAYER) -> None:
    """Let the player do things; one bet is of ten euros."""
    with engine.http() as http:
        for n, name in enumerate(names):
            body = {
                "userId": player,
                "messageId": f"{player}-{said}-{n}",
                "event": name,
                "properties": {"amount": 1000, "game": "amber-river", "game_type": "slots", "page": "lobby"},
            }
            http.post("/v1/track", json=body, headers={"Prefer": "wait=5"}).raise_for_status()


@pytest.fixture
def page(casino: Engine, tmp_path: Path) -> Iterator[Page]:
    with casino.http() as http:
        traits = {"first_name": "Oksana", "timezone": "Europe/Kyiv"}
        http.post("/v1/identify", json={"userId": PLAYER, "messageId": "oksana-is", "traits": traits})
        plays(casino, "page_viewed", "game_opened", "bet_placed", "bet_placed", "bet_placed", said="first")
        token = http.post(f"/v1/players/{PLAYER}/token", json={}).raise_for_status().json()["token"]
    with browser(tmp_path / "browser", "en") as tab:
        tab.open(f"{casino.url}/lobby#token={token}")
        tab.until("document.querySelector('#state').dataset.tone === 'good'", "the socket")
        tab.until("document.querySelector('#who-name').innerText", "the player")
        yield tab


def test_a_player_sees_the_season_and_it_moves_without_being_asked_for(casino: Engine, page: Page) -> None:
    assert "token" not in page.value("location.href"), "an address that is shared would share the player"
    assert page.text("#who-name") == "Oksana (oksana)"
    assert "counted" in page.text("#streaks")
    assert "1 of 3" in page.text("#quests")
    page.until("document.querySelector('#race-rank').innerText.includes('number 1 of 1')", "the rank")
    assert "Oksana (you)" in page.text("#rows tr[aria-current]")
    page.until("document.querySelector('#pots .pot')?.innerText.startsWith('5,')", "the pot")
    score = page.text("#rows tr[aria-current] td:last-child")
    plays(casino, "bet_placed", said="later")
    page.until(f"document.querySelector('#rows tr[aria-current] td:last-child').innerText !== '{score}'", "a new score")
    assert "Daily race" in page.text("#deltas")
    assert page.problems == []


def test_a_spin_is_drawn_taken_and_checked_and_the_store_says_why_not(page: Page) -> None:
    page.until("!document.querySelector('#spin').disabled", "the first spin of the day")
    page.click("#spin")
    page.until("/won|Not this/.test(document.querySelector('#prize').innerText)", "the prize")
    if page.value("!!document.querySelector('#prize button')"):
        page.click("#prize button")
        page.until("document.querySelector('#prize').innerText.startsWith('It is yours')", "the prize to be given")
    page.value("document.querySelector('#proof').open = true")
    page.until("!!document.querySelector('#proof-body button')", "the draw's proof")
    page.click("#proof-body button")
    page.until("!!document.querySelector('#proof-body .verdict')", "the seed, and the same draw from it")
    page.click("#store button[data-key=mug]")
    page.until("document.querySelector('#said').dataset.tone === 'bad'", "the refusal")
    assert page.text("#said") == "Not enough: it costs 2,500 points"
    assert [problem for problem in page.problems if "409" not in problem] == []


def test_the_page_speaks_three_languages_and_every_control_has_a_name(page: Page) -> None:
    for language, word in (("uk", "Серії"), ("ru", "Серии"), ("en", "Streaks")):
        choose = (
            "const box = document.querySelector('#language'); box.value = {}; box.dispatchEvent(new Event('change'))"
        )
        page.value(f"{{{choose.format(json.dumps(language))}}}")
        assert page.text("#streaks-title") == word
        assert page.value("document.documentElement.lang") == language
    nameless = page.value(
        "[...document.querySelectorAll('button, select, progress, [role=img]')].filter((one) => !(one.ariaLabel"
        " || one.textContent.trim() || one.labels?.length || one.getAttribute('aria-labelledby')))"
        ".map((one) => one.outerHTML)"
    )
    assert nameless == []


def test_who_has_no_token_is_told_what_is_needed_and_a_dead_one_is_said_to_be(casino: Engine, tmp_path: Path) -> None:
    with browser(tmp_path / "browser", "ru") as tab:
        tab.open(f"{casino.url}/lobby")
        assert "Кто играет?" in tab.text("#ask")
        tab.open(f"{casino.url}/lobby?again#token=not-a-token")
        tab.until("document.querySelector('#ask-problem').innerText !== ''", "the problem")
        assert tab.text("#ask-problem").startswith("Токен истёк")
        with casino.http() as http:
            token = http.post(f"/v1/players/{NEWCOMER}/token", json={}).raise_for_status().json()["token"]
        tab.value(f"void (location.hash = 'token={token}')")  # the address that was asked for, in the same tab
        tab.until("document.querySelector('#state')?.dataset.tone === 'good'", "the socket")
        assert "token" not in tab.value("location.href")
        plays(casino, "page_viewed", "bet_placed", said="newcomer", player=NEWCOMER)
        tab.until(f"document.querySelector('#who-name')?.innerText.includes('{NEWCOMER}')", "who was unknown until now")
        assert [problem for problem in tab.problems if "40" not in problem] == []


def test_a_late_refusal_of_the_old_token_does_not_end_the_new_one(casino: Engine, page: Page) -> None:
    with casino.http() as http:
        token = http.post(f"/v1/players/{PLAYER}/token", json={}).raise_for_status().json()["token"]
    page.until("!!document.querySelector('#store button[data-key=mug]')", "the store")
    page.value(  # in one turn: a new token, a page about to load again, and a call with the old one refused
        "window.replaced = true; window.fetch = async () => new Response('{}', {status: 401});"
        f"history.replaceState(null, '', '#token={token}'); dispatchEvent(new HashChangeEvent('hashchange'));"
        "document.querySelector('#store button[data-key=mug]').click()"
    )
    page.until(
        "!window.replaced && document.querySelector('#state')?.dataset.tone === 'good'", "the page with the new token"
    )
    page.until("document.querySelector('#who-name')?.innerText.includes('Oksana')", "the player")


def test_the_focus_stays_where_a_player_pressed(page: Page) -> None:
    page.until("!!document.querySelector('#store button[data-key=mug]')", "the store")
    page.value("document.querySelector('#store button[data-key=mug]').focus()")
    page.click("#store button[data-key=mug]")
    page.until("document.querySelector('#said').dataset.tone === 'bad'", "the refusal")
    assert page.value("document.activeElement.dataset.key") == "mug"


def test_the_end_of_a_run_is_seen_and_its_prize_comes_by_itself(casino: Engine, page: Page) -> None:
    now = datetime.now(UTC)
    sprint = {
        "name": {"en": "Sprint"},
        "schedule": {
            "from": (now - timedelta(minutes=1)).isoformat(),
            "until": (now + timedelta(seconds=15)).isoformat(),
        },
        "events": [{"event": "bet_placed", "score": {"count": True}}],
        "settle": 1,
        "prizes": [{"from": 1, "until": 1, "rewards": [{"kind": "spins", "minigame": "wheel", "amount": 2}]}],
    }
    casino.publish({"tournaments": {"sprint": sprint}})
    plays(casino, "bet_placed", "bet_placed", said="sprint")
    chip = "[...document.querySelectorAll('#races button')].find((one) => one.innerText.startsWith('Sprint'))"
    page.until(f"!!{chip}", "the sprint")
    page.value(f"{chip}.click()")
    facts = "document.querySelector('#race-facts').innerText"
    page.until(f"/^ends .*, in \\d+ seconds?$/.test({facts})", "its end to come")
    feed = "document.querySelector('#deltas').innerText"
    page.until(f"{feed}.includes('place 1')", "the place", within_s=40.0)
    assert "Finished" in page.text("#deltas")
    page.until(f"{feed}.includes('+2 spins')", "the prize")
    page.until(f"{chip}.innerText.includes('ended')", "the run to be over")
    page.until("document.querySelector('#race-facts').innerText.startsWith('ended')", "the table of the end")
    assert "number 1 of 1" in page.text("#race-rank")
    page.until("document.querySelector('#rows .prize')?.innerText === 'spins: 2'", "what the first place was given")
    first = page.value("document.querySelector('#races button').innerText")
    assert "ended" not in first, "what goes on comes first"
    assert page.problems == []


def test_what_ends_by_time_alone_goes_from_the_page_of_an_idle_player(casino: Engine, page: Page) -> None:
    now = datetime.now(UTC)
    casino.publish(
        {
            "tournaments": {
                "brief": {
                    "name": {"en": "Brief"},
                    "schedule": {
                        "from": (now - timedelta(minutes=1)).isoformat(),
                        "until": (now + timedelta(seconds=12)).isoformat(),
                    },
                    "events": [{"event": "bet_settled", "score": {"count": True}}],
                    "registration": "opt_in",
                    "prizes": [
                        {"from": 1, "until": 1, "rewards": [{"kind": "currency", "currency": "points", "amount": 1}]}
                    ],
                }
            }
        }
    )
    page.value("location.reload()")
    chip = "[...document.querySelectorAll('#races button')].some((one) => one.innerText.startsWith('Brief'))"
    page.until(chip, "the run that is on")
    page.until(f"!({chip})", "the run to be gone", within_s=40.0)
    assert page.problems == []


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati"])
def test_the_page_knows_when_the_players_day_is_over(page: Page, zone: str) -> None:
    words = f"import('./lobby_words.js').then((words) => words.midnight({json.dumps(zone)}))"
    today = datetime.now(ZoneInfo(zone)).date()
    expected = datetime.combine(today + timedelta(days=1), time(), ZoneInfo(zone)).timestamp()
    assert abs(page.value(words) / 1000 - expected) <= 3_600 + 5  # a day of another length is an hour off
    assert abs(page.value(words) / 1000 % 900 - expected % 900) <= 5
