"""What becomes of those under way when the journey is edited, deleted, or its version is no longer to hand."""

from typing import Any

import pytest

from crm.programme import CrmRules
from tests.crm.journeys.traveller import DAY, HOUR, Traveller, delay, journey, message, programme, wait

OLD = journey(delay("rest", "7d", "old-words"), message("old-words"))


def published(ada: Traveller, document: dict[str, Any] | None, *, forget: bool = False) -> None:
    """Publish a new version of the journey (or none of it); ``forget``: the older ones are no longer to hand."""
    older: dict[int, CrmRules] = {} if forget else {ada.rules.version: ada.rules}
    journeys = {} if document is None else {"j": document}
    needed = {"old-words": {"channel": "in_app", "title": {"en": "t"}, "body": {"en": "b"}}}
    ada.rules = programme(ada.rules.version + 1, older, journeys=journeys, templates=needed)


def resting() -> Traveller:
    ada = Traveller(programme(journeys={"j": OLD}))
    ada.does("signed_up")
    ada.waits(2 * DAY)
    return ada


NEW = journey(delay("rest", "3d", "new-words"), message("new-words"))


def test_who_is_under_way_keeps_the_version_they_began_with() -> None:
    ada = resting()
    published(ada, NEW)
    ada.does("bet_placed")
    ada.waits(4 * DAY)
    assert (ada.at(), ada.told()) == ("rest", [])
    ada.waits(DAY)
    assert ada.told() == ["old-words"]
    ada.does("signed_up")
    ada.waits(3 * DAY)
    assert ada.told() == ["old-words", "new-words"]
    assert [e.version for e in ada.entries()] == [1, 2]


def test_and_when_the_journey_is_deleted_too() -> None:
    ada = resting()
    published(ada, None)
    ada.does("signed_up")
    ada.waits(5 * DAY)
    assert (ada.told(), ada.at()) == (["old-words"], "COMPLETED")
    ada.does("signed_up")
    assert len(ada.entries()) == 1


def test_other_words_are_no_other_journey() -> None:
    ada = resting()
    published(ada, OLD | {"name": "The old journey", "description": "As it was."})
    ada.does("bet_placed")
    assert ada.snapshot.journeys["j"].active.version == 2  # type: ignore[union-attr]
    published(ada, OLD, forget=True)
    ada.waits(5 * DAY)
    assert ada.told() == ["old-words"]


@pytest.mark.parametrize(
    ("migrate", "node", "steps"),
    [
        pytest.param({"map": {"rest": "rest"}}, "rest", [("rest", "migrated", "published")], id="where it was"),
        pytest.param({"default": "rest"}, "rest", [("rest", "migrated", "published")], id="by default"),
        pytest.param({"map": {"rest": "exit"}}, "EXIT", [], id="out"),
        pytest.param({"default": "keep"}, "rest", [], id="kept"),
        pytest.param({"map": {"other": "rest"}}, "rest", [], id="not in the map"),
    ],
)
def test_a_new_version_may_take_them_along(migrate: dict[str, Any], node: str, steps: list[Any]) -> None:
    ada = resting()
    published(ada, NEW | {"migrate": migrate})
    ada.does("bet_placed")
    assert (ada.at(), ada.steps()) == (node, steps)
    ada.waits(30 * DAY)
    expected = {"EXIT": []}.get(node, ["new-words" if steps else "old-words"])
    assert ada.told() == expected


def test_a_delay_that_stays_a_delay_counts_from_the_arrival_at_the_old_one() -> None:
    ada = resting()
    published(ada, NEW | {"migrate": {"default": "rest"}})
    ada.does("bet_placed")
    (timer,) = ada.timers
    assert timer.due == ada.now + DAY, "two of three days are over"
    ada.waits(DAY)
    assert ada.told() == ["new-words"]


def test_a_delay_that_is_shorter_than_what_was_waited_is_over() -> None:
    ada = resting()
    published(ada, journey(delay("rest", "1d", "new-words"), message("new-words"), migrate={"default": "rest"}))
    ada.does("bet_placed")
    assert ada.told() == ["new-words"]


def test_a_node_of_another_kind_begins_now() -> None:
    ada = resting()
    new = journey(
        wait("w", "read", "3d", on_timeout="new-words"), message("new-words"), migrate={"map": {"rest": "w"}}
    )  # fmt: skip
    published(ada, new)
    ada.does("bet_placed")
    assert ada.at() == "w"
    ada.waits(3 * DAY - 1)
    assert ada.told() == []
    ada.waits(1)
    assert ada.told() == ["new-words"]


def test_the_goal_comes_before_what_the_new_node_does() -> None:
    ada = resting()
    new = journey(message("new-words"), exit={"goal": {"event": "deposit_completed"}}, migrate={"default": "new-words"})
    published(ada, new)
    ada.does("deposit_completed")
    assert (ada.told(), ada.at()) == ([], "GOAL")


@pytest.mark.parametrize(
    ("document", "outcome", "told"),
    [
        pytest.param(NEW, "COMPLETED", ["new-words"], id="the node of that name goes on"),
        pytest.param(journey(delay("pause", "1d")), "REMOVED", [], id="no such node"),
        pytest.param(None, "REMOVED", [], id="no such journey"),
    ],
)
def test_a_version_no_longer_to_hand(document: dict[str, Any] | None, outcome: str, told: list[str]) -> None:
    ada = resting()
    published(ada, document, forget=True)
    ada.does("bet_placed")
    ada.waits(7 * DAY)
    assert (ada.at(), ada.told()) == (outcome, told)
    assert not ada.timers


def test_a_template_that_is_no_longer_there_is_not_sent() -> None:
    ada = resting()
    ada.rules = programme(2, {1: ada.rules}, journeys={"j": NEW})
    ada.waits(30 * DAY)
    assert (ada.told(), ada.steps()[-1]) == ([], ("old-words", "skipped", "template_removed"))


def test_steps_that_are_done_stay_done_in_the_new_version() -> None:
    steps = [{"id": "paid", "event": "deposit_completed"}]
    ada = Traveller(programme(journeys={"j": journey(delay("rest", "7d"), steps=steps)}))
    ada.does("signed_up")
    ada.does("deposit_completed")
    new = journey(
        delay("rest", "8d", "w"), wait("w", "never", skip_when={"step": "paid"}, next="end"),
        {"id": "end", "kind": "exit"},
        steps=[{"id": "read", "event": "page_viewed"}, *steps], migrate={"default": "rest"},
    )  # fmt: skip
    published(ada, new)
    ada.waits(HOUR)
    ada.waits(8 * DAY)
    assert ("w", "skipped", "goal_already_met") in ada.steps()
