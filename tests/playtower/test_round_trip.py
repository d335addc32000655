"""A programme with a document of each kind goes from files to a gateway, out again, and is the same."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner, Result

from actors.programme import KINDS
from playtower.cli import app
from playtower.programme_commands import Difference, difference
from playtower.programme_files import export_programme, read_programme, write_programme
from tests.api.conftest import listening, opened_api, settings_of
from tests.api.world import world_of
from tests.conftest import Server

pytestmark = [pytest.mark.redis, pytest.mark.slow]

CASINO = Path(__file__).parents[2] / "examples" / "programmes" / "casino" / "programme"
# What the sample has nothing of.
FURTHER: dict[str, dict[str, dict[str, Any]]] = {
    "campaigns": {
        "news": {
            "name": "News",
            "everyone": True,
            "message": {"template": "round-trip", "purpose": "promo"},
            "send": {"now": "api"},
        }
    },
    "connectors": {"hook": {"kind": "webhook", "url": "https://crm.example.com/in", "secret": {"env": "HOOK"}}},
    "mappings": {"default": {"events": {"Bet Placed!": "bet_placed"}}},
    "placements": {"banner": {"candidates": [{"template": "round-trip", "purpose": "promo"}]}},
    "templates": {"round-trip": {"channel": "in_app", "title": {"en": "Hi"}, "body": {"en": "Hello"}}},
    "traits": {"shoe_size": {"type": "number"}},
}


@pytest.fixture
async def gateway(server: Server, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A gateway on a port, with hosts beside it."""
    async with world_of(server, redis), opened_api(settings_of(server)) as api, listening(api.app) as address:
        monkeypatch.setenv("PLAYTOWER_ADMIN_KEY", api.admin)
        yield f"http://{address}"


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--json"])


def told(result: Result) -> dict[str, Any]:
    assert result.stdout, result.output
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


async def test_all_kinds_go_in_and_come_out_the_same(gateway: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    programme = read_programme(CASINO)
    for kind, named in FURTHER.items():
        programme.setdefault(kind, {}).update(named)
    assert programme.keys() == KINDS.keys(), "a kind has no document here: add one"
    write_programme(first, programme)

    before = await run("diff", str(first), "--url", gateway)
    assert (before.exit_code, told(before)["same"]) == (1, False)
    applied = await run("apply", str(first), "--url", gateway)
    assert applied.exit_code == 0, applied.output
    after = await run("diff", str(first), "--url", gateway)
    assert (after.exit_code, told(after)) == (
        0, {"same": True, "version": 1, "added": [], "changed": [], "removed": []}
    ), after.output  # fmt: skip

    exported = await run("export", str(second), "--url", gateway)
    assert told(exported)["written"] == sum(len(named) for named in programme.values())
    again = await run("apply", str(second), "--url", gateway)
    assert (told(again)["written"], told(again)["published"], told(again)["version"]) == (0, False, 1)
    assert (await run("diff", str(second), "--url", gateway)).exit_code == 0
    once_more = tmp_path / "third"
    await run("export", str(once_more), "--url", gateway)
    assert _texts(once_more) == _texts(second)


async def test_a_difference_is_named_and_a_bad_file_is_the_callers(gateway: str, tmp_path: Path) -> None:
    write_programme(tmp_path, {"currencies": {"gems": {}, "rubies": {}}})
    assert (await run("apply", str(tmp_path), "--url", gateway)).exit_code == 0
    write_programme(tmp_path, {"currencies": {"gems": {"allow_negative": True}, "opals": {}}})
    (tmp_path / "currencies" / "rubies.yaml").unlink()
    found = await run("diff", str(tmp_path), "--url", gateway)
    assert found.exit_code == 1
    assert {name: told(found)[name] for name in ("added", "changed", "removed")} == {
        "added": ["currencies/opals"], "changed": ["currencies/gems"], "removed": ["currencies/rubies"]
    }  # fmt: skip
    write_programme(tmp_path, {"currencies": {"gems": {"colour": "red"}}})
    assert (await run("diff", str(tmp_path), "--url", gateway)).exit_code == 2


def _texts(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.glob("*/*")}


def test_a_document_written_short_is_what_is_stored() -> None:
    stored = difference({"currencies": {"gems": {}}}, {}).added
    assert stored == ["currencies/gems"]
    assert difference({}, {}) == Difference([], [], [])


def test_export_leaves_one_file_of_a_document_and_prunes_when_asked(tmp_path: Path) -> None:
    kept, twice = tmp_path / "currencies" / "old.yaml", tmp_path / "currencies" / "gems.yml"
    kept.parent.mkdir()
    (tmp_path / "currencies" / "notes.txt").write_text("mine")
    for path in (kept, twice):
        path.write_text("{}\n")
    documents: dict[str, dict[str, dict[str, Any]]] = {"currencies": {"gems": {}}}
    _, deleted = export_programme(tmp_path, documents)
    assert deleted == [twice]
    _, deleted = export_programme(tmp_path, documents, prune=True)
    assert deleted == [kept]
    assert sorted(path.name for path in kept.parent.iterdir()) == ["gems.yaml", "notes.txt"]
