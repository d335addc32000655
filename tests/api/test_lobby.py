"""The lobby page without a browser: its words are all there, and its maths of a draw is the engine's."""

import json
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from api.app import STATIC, console_routes
from gamification.fairness.maths import commitment_of, drawn, without

WORDS = (STATIC / "lobby_words.js").read_text(encoding="utf-8")
TEXTS = WORDS[WORDS.index("const TEXTS") : WORDS.index("// What a refusal's code")]
KEYS = set(re.findall(r"^  (\w+): \[", TEXTS, re.MULTILINE))
PAGES = sorted([*STATIC.glob("lobby*.js"), STATIC / "lobby.html"])


def test_the_lobby_and_all_that_it_asks_for_are_served() -> None:
    served = {route.path for route in console_routes()}
    page = (STATIC / "lobby.html").read_text(encoding="utf-8")
    asked = re.findall(r'(?:href|src)="([\w.]+\.(?:css|js))"', page)
    imported = [name for path in PAGES for name in re.findall(r'from "\./(\w+\.js)"', path.read_text(encoding="utf-8"))]
    assert {"/lobby", *(f"/{name}" for name in (*asked, *imported))} <= served


def test_every_text_is_in_three_languages() -> None:
    texts = re.findall(r"^  (\w+): \[(.*?)\],\n", WORDS, re.MULTILINE | re.DOTALL)
    assert len(texts) > 100
    for key, said in texts:
        three = re.findall(r'"((?:[^"\\]|\\.)+)"', said)
        assert len(three) == 3, key
        places = [set(re.findall(r"\{(\w+)\}", text)) for text in three]
        assert places[0] == places[1] == places[2], f"{key}: a language leaves something out"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_text_that_a_page_names_is_there(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    named = set(re.findall(r"\bt\(\"(\w+)\"", source)) | set(re.findall(r'data-t="(\w+)"', source))
    assert named <= KEYS
    for start in re.findall(r"\bt\(`(\w+_)\$\{", source):
        assert any(key.startswith(start) for key in KEYS), start


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_the_page_draws_what_the_engine_draws() -> None:
    table = [("gem", 20), ("mug", 1), ("points", 60), ("nothing", 19)]
    draws: list[tuple[dict[str, object], str]] = []
    for n in range(40):
        seed = sha256(f"seed {n}".encode()).digest()
        first = drawn(table, seed, "my word", n)
        out = [first] if n % 3 == 0 else []  # out of stock, and drawn again from the rest
        result = drawn(without(table, out), seed, "my word", n, len(out))
        draw: dict[str, object] = {"client_seed": "my word", "nonce": n, "table": table, "out": out, "result": result}
        draws.append((draw | {"commitment": commitment_of(seed)}, seed.hex()))
    honest, wrong = _problems(draws), _problems([(draw | {"nonce": 77}, seed) for draw, seed in draws])
    assert honest == [""] * 40
    assert sum(map(bool, wrong)) > 10
    assert _problems([(draws[0][0], "00" * 32)]) == ["SHA-256"]


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_a_socket_that_the_engine_refused_is_told_of_and_can_be_ended() -> None:
    script = (
        "globalThis.location = { href: 'http://here/lobby' }; let made = 0, last;"
        "globalThis.WebSocket = class { constructor() { made++; last = this; } close() {} };"
        f"const {{ PlayerSocket }} = await import({json.dumps((STATIC / 'socket.js').as_uri())});"
        "const told = []; const socket = new PlayerSocket({ token: async () => 'dead', onState() {},"
        " onRefused() { told.push('refused'); socket.close(); } });"
        "await new Promise(setImmediate); last.onclose({ code: 1006, reason: '' }); told.push('lost');"
        "last.onclose({ code: 1008, reason: 'the token has expired' });"
        "last.onclose({ code: 1008, reason: 'again' }); console.log(JSON.stringify([made, ...told]));"
    )
    said = subprocess.run(
        ["node", "--no-warnings", "--input-type=module", "--eval", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert json.loads(said.stdout) == [1, "lost", "refused"]


def _problems(draws: list[tuple[dict[str, object], str]]) -> list[str]:
    script = (
        f"import {{ problemOf }} from {json.dumps((STATIC / 'fairness.js').as_uri())};"
        f"const draws = {json.dumps(draws)};"
        "console.log(JSON.stringify(await Promise.all(draws.map(([draw, seed]) => problemOf(draw, seed)))));"
    )
    said = subprocess.run(
        ["node", "--no-warnings", "--input-type=module", "--eval", script], capture_output=True, text=True, check=True
    )
    told: list[str] = json.loads(said.stdout)
    return told


async def test_pages_run_and_load_nothing_but_their_own_files() -> None:
    transport = httpx.ASGITransport(Starlette(routes=console_routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        for path in ("/", "/lobby", "/lobby.js", "/lobby.css"):
            headers = (await client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    for page in STATIC.glob("*.html"):
        assert not re.search(
            r"<style|<script(?! type=\"module\" src=)|\s(style|on\w+)=", page.read_text(encoding="utf-8")
        )
