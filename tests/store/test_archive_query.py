"""Questions to the archive: SQL over its files, and nothing else."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from store.archive.files import Archive
from store.archive.query import QueryError, query
from store.archive.source import Source
from tests.store.archiving import Filled, archived_all, some_days

pytestmark = pytest.mark.redis


@pytest.fixture
async def root(redis: Redis, tmp_path: Path) -> Path:
    filled = Filled(redis)
    await some_days(filled, range(2))
    with Archive(tmp_path / "archive") as archive:
        await archived_all(Source(redis, 1), archive)
    return tmp_path / "archive"


async def test_events_and_what_they_did_are_asked_for_in_sql(root: Path) -> None:
    answer = query(
        root,
        "SELECT e.day::VARCHAR AS day, count(DISTINCT e.id) AS events, sum((f.effect->>'amount')::INT) AS points "
        "FROM events e JOIN effects f USING (partition, player, log_offset) "
        "WHERE f.kind = 'points' GROUP BY 1 ORDER BY 1",
    )
    assert answer.columns == ["day", "events", "points"]
    assert answer.rows == [("2026-03-02", 3, 15), ("2026-03-03", 3, 15)]
    assert query(root, "SELECT count(*) FROM decisions WHERE outcome = 'refused'").rows == [(6,)]
    assert query(root, "SELECT journey, count(*) FROM journey_steps GROUP BY 1").rows == [("welcome", 2)]
    assert str(query(root, "SELECT min(logged_at) FROM events").rows[0][0]) == "2026-03-02 00:00:00"
    assert query(root, "SELECT count(*) FROM log WHERE lane = 'tower'").rows == [(6,)]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP VIEW events", "expected one SELECT"),
        ("SELECT 1; SELECT 2", "expected one SELECT"),
        ("COPY (SELECT 1) TO 'x.csv'", "expected one SELECT"),
        ("SELECT * FROM read_csv('/etc/passwd')", "/etc/passwd"),
        ("SELECT * FROM '/etc/passwd'", "/etc/passwd"),
        ("SELEC 1", "syntax error"),
        ("SELECT nme FROM events", '"nme" not found'),
        ("SET enable_external_access = true", "expected one SELECT"),
        ("INSTALL httpfs", "expected one SELECT"),
    ],
)
async def test_what_is_no_question_to_the_archive_is_refused_with_a_sentence(root: Path, sql: str, said: str) -> None:
    with pytest.raises(QueryError, match=said) as refused:
        query(root, sql)
    assert "\n" not in str(refused.value)


async def test_an_answer_is_bounded_and_says_so(root: Path) -> None:
    answer = query(root, "SELECT * FROM range(100)", limit=10)
    assert (len(answer.rows), answer.more) == (10, True)


def test_an_empty_archive_has_all_the_tables(tmp_path: Path) -> None:
    for view in ("events", "effects", "decisions", "journey_steps", "log"):
        assert query(tmp_path, f"SELECT * FROM {view}").rows == []
    with pytest.raises(QueryError, match="there is no archive"):
        query(tmp_path / "nowhere", "SELECT 1")
