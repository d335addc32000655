"""Messages that wait a moment for others of their kind, and go as one."""

from typing import Any

import pytest

from domain.entries import Reviewed, Withdrawn

from .airport import DAY, HOUR, Airport, at, request, rules

SECOND = 1_000
REWARDS: dict[str, Any] = {"purposes": ["reward"], "for_s": 5, "max": 3}
ONE_REWARD = [{"purpose": "reward", "max": 1, "per": "1d"}]


def gathering(rule: dict[str, Any] = REWARDS, **policy: Any) -> Airport:
    return Airport(rules(gather=[rule], priorities={"reward": 60, "promo": 20}, **policy))


NIGHT = {"quiet_hours": {"from": "21:00", "until": "08:00", "channels": ["sms"]}}


def reward(tower: Airport, name: str, **changes: Any) -> str:
    content = {"title": f"Title of {name}", "body": f"Body of {name}", "action": {"label": "Go", "url": f"/{name}"}}
    return tower.ask(name, **{"purpose": "reward", "content": content, **changes})


def test_three_rewards_of_one_moment_are_one_message() -> None:
    tower = gathering()
    reward(tower, "a")
    tower.wait_until(tower.now + 2 * SECOND)
    reward(tower, "b")
    assert tower.last("b").reasons == ("gathering",)
    assert tower.last("b").until == at("12:00") + 5 * SECOND, "the second waits as long as the first"
    tower.wait_until(at("12:00") + 5 * SECOND)
    (delivery,) = tower.deliveries
    assert (delivery.message_id, delivery.title, delivery.body) == ("a", "Title of a", "Body of a\nBody of b")
    assert delivery.action == {"label": "Go", "url": "/a"}
    merged = tower.last("b")
    assert (merged.outcome, merged.into, merged.channel, merged.reasons) == ("merged", "a", "in_app", ("merged",))
    assert tower.outcome("a") == "cleared"
    assert tower.airspace.waiting == {}
    assert not tower.timers


def test_as_one_they_take_one_place() -> None:
    tower = gathering(caps=ONE_REWARD, min_gap_s=600, fatigue={"limit": 1, "half_life_s": "1d", "purposes": ["reward"]})
    for name in ("a", "b", "c"):
        reward(tower, name)
    assert len(tower.deliveries) == 1
    assert len(tower.airspace.sends) == 1


def test_when_as_many_have_come_as_go_into_one_it_waits_no_longer() -> None:
    tower = gathering()
    for name in ("a", "b", "c"):
        reward(tower, name)
    assert [delivery.at for delivery in tower.deliveries] == [at("12:00")]
    assert reward(tower, "d") == "held"


def test_more_than_go_into_one_are_several() -> None:
    tower = gathering()
    tower.ask_together(*(request(f"r{n}", purpose="reward", content={"title": "T", "body": "B"}) for n in range(7)))
    assert [delivery.message_id for delivery in tower.deliveries] == ["r0", "r3", "r6"]


def test_the_most_important_leads() -> None:
    tower = gathering()
    reward(tower, "a", priority=10)
    reward(tower, "b", priority=90)
    tower.wait_until(tower.now + 5 * SECOND)
    assert [delivery.title for delivery in tower.deliveries] == ["Title of b"]
    assert tower.last("a").into == "b"


def test_one_of_a_lower_class_is_part_of_it_though_there_is_no_other_place() -> None:
    tower = gathering(caps=ONE_REWARD)
    reward(tower, "a", priority=10)
    reward(tower, "b", priority=90)
    tower.wait_until(tower.now + 5 * SECOND)
    assert tower.last("a").into == "b"


def test_alone_it_goes_as_it_is() -> None:
    tower = gathering()
    reward(tower, "a")
    tower.wait_until(tower.now + 5 * SECOND)
    assert [(d.title, d.body, d.at) for d in tower.deliveries] == [("Title of a", "Body of a", tower.now)]


def test_one_that_would_expire_first_does_not_gather() -> None:
    tower = gathering()
    assert reward(tower, "a", expires_at=tower.now + 4 * SECOND) == "cleared"


@pytest.mark.parametrize(
    "changes", [{"purpose": "promo"}, {"conflict_group": "spring"}, {"ask_person": True}, {"purpose": "service"}]
)
def test_what_does_not_gather(changes: dict[str, Any]) -> None:
    tower = gathering()
    assert reward(tower, "a", **changes) in ("cleared", "escalated")


def test_what_is_about_different_products_or_goes_elsewhere_stays_apart() -> None:
    tower = gathering()
    reward(tower, "a", product="casino")
    reward(tower, "b", product="bingo")
    reward(tower, "c", channels=("email",))
    tower.wait_until(tower.now + 5 * SECOND)
    assert [delivery.message_id for delivery in tower.deliveries] == ["a", "b"]
    assert [dispatch.id for dispatch in tower.dispatches] == ["c"]


def test_those_that_quiet_hours_held_go_as_one_in_the_morning() -> None:
    tower = gathering(quiet_hours={"from": "21:00", "until": "08:00", "channels": ["in_app"]})
    tower.now = at("22:00")
    for name in ("a", "b"):
        reward(tower, name)
        assert tower.last(name).reasons == ("quiet_hours",)
        tower.now += HOUR
    tower.wait_until(at("08:00") + DAY)
    assert [delivery.body for delivery in tower.deliveries] == ["Body of a\nBody of b"]


def test_an_exclusion_ends_what_gathers_at_once() -> None:
    tower = gathering()
    reward(tower, "a")
    tower.tell("exclusions", {"harm": {"since": 0, "until": None, "ends_by_itself": False}})
    assert tower.last("a").reasons == ("excluded",)


def test_a_fact_that_changes_nothing_leaves_it_gathering() -> None:
    tower = gathering()
    reward(tower, "a")
    tower.tell("consent", {"email": True})
    assert len(tower.decisions) == 1
    assert len(tower.timers) == 1


def test_a_less_important_one_does_not_take_the_place_of_what_gathers() -> None:
    tower = gathering(caps=[{"max": 1, "per": "1d"}])
    reward(tower, "reward")
    assert tower.ask("promo") == "held"
    assert (tower.last("promo").reasons, tower.last("promo").until) == (("outranked",), tower.now + 5 * SECOND)
    tower.wait_until(tower.now + 5 * SECOND)
    assert tower.sent() == [("reward", tower.now)]
    assert tower.last("promo").reasons[-1] == "cap_reached"


def test_a_template_of_its_own_counts_and_lists_them() -> None:
    tower = gathering(REWARDS | {"template": "several"})
    for name in ("a", "b", "c"):
        reward(tower, name)
    (delivery,) = tower.deliveries
    assert (delivery.template, delivery.title) == ("several", "3 things")
    assert delivery.body == "Title of a: Body of a; Title of b: Body of b; Title of c: Body of c; "


class TestOutside:
    def test_the_channel_s_own_words_carry_the_lines(self) -> None:
        tower = gathering()
        html = "<html><body><p>One</p></body></html>"
        contents = {"email": {"subject": "S", "html": html, "text": "One\n"}, "sms": {"text": "One"}}
        for name in ("a", "b"):
            reward(tower, name, channels=("email", "sms"), contents=contents, content={"title": "T", "body": "<b> two"})
        tower.wait_until(tower.now + 5 * SECOND)
        (dispatch,) = tower.dispatches
        assert dispatch.content == {
            "subject": "S",
            "html": "<html><body><p>One</p><p>&lt;b&gt; two</p></body></html>",
            "text": "One\n<b> two",
        }
        tower.land("a", "failed")
        assert tower.dispatches[-1].content == {"text": "One\n<b> two"}

    def test_an_sms_that_would_be_too_long_says_how_many_more_there_are(self) -> None:
        tower = gathering(REWARDS | {"max": 9})
        for n in range(9):
            reward(tower, f"r{n}", channels=("sms",), content={"body": "x" * 290}, contents={"sms": {"text": "own"}})
        text = tower.dispatches[0].content["text"]
        assert len(text) <= 1_600
        assert text.startswith("own\nxxx")
        assert text.endswith("\n+3")

    def test_a_webhook_has_them_all(self) -> None:
        tower = gathering()
        for name in ("a", "b"):
            contents = {"webhook": {"payload": {"name": name}}}
            reward(tower, name, channels=("webhook",), contents=contents)
        tower.wait_until(tower.now + 5 * SECOND)
        assert tower.dispatches[0].content == {"payload": {"name": "a", "merged": [{"name": "b"}]}}

    def test_it_expires_when_the_first_of_them_does(self) -> None:
        tower = gathering()
        reward(tower, "a", channels=("email",))
        reward(tower, "b", channels=("email",), expires_at=tower.now + HOUR)
        tower.wait_until(tower.now + 5 * SECOND)
        assert tower.dispatches[0].expires_at == tower.dispatches[0].send_until == at("13:00")

    def test_it_comes_back_as_one_and_is_not_withdrawn_for_one_of_them(self) -> None:
        tower = gathering()
        for name in ("a", "b"):
            reward(tower, name, channels=("email",), source=f"missions/{name}")
        tower.wait_until(tower.now + 5 * SECOND)
        tower.take(Withdrawn("ann", "goal_met", requests=("a",)))
        assert tower.voids == []
        tower.land("a", "returned")
        assert [dispatch.content["body"] for dispatch in tower.dispatches] == ["Body of a\nBody of b"] * 2
        assert tower.outcome("b") == "merged"


def test_one_that_came_back_with_others_and_waits_is_not_withdrawn_for_one_of_them() -> None:
    tower = Airport(rules(gather=[{"purposes": ["promo"], "for_s": 600}], **NIGHT))
    sms = {"channels": ("sms",), "contents": {"sms": {"text": "a"}}}
    tower.ask("a", **sms)
    tower.ask("b", **sms)
    tower.wait_until(tower.now + 700_000)
    tower.now = at("22:00")
    tower.land("a", "returned")
    assert tower.airspace.waiting["a"].carries
    tower.take(Withdrawn("ann", "goal_met", requests=("a",)))
    assert "a" in tower.airspace.waiting, "b is still wanted"


def test_one_that_gathers_can_be_withdrawn() -> None:
    tower = gathering()
    reward(tower, "a", source="missions/a")
    reward(tower, "b")
    tower.take(Withdrawn("ann", "journey_ended", source="missions/a"))
    tower.wait_until(tower.now + 5 * SECOND)
    assert tower.sent() == [("b", tower.now)]


def test_approved_ones_do_not_gather_again() -> None:
    tower = gathering(approvals=[{"purposes": ["reward"]}])
    assert reward(tower, "a") == "escalated"
    tower.take(Reviewed("ann", "a", True, "zoe"))
    assert tower.outcome("a") == "cleared"


def test_the_template_is_rendered_in_the_player_s_language() -> None:
    tower = gathering(REWARDS | {"template": "several"})
    tower.tell("locale", "uk")
    for name in ("a", "b", "c"):
        reward(tower, name)
    assert tower.deliveries[0].title == "3 речі"
