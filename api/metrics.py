"""What Prometheus reads, as families made of one look at the store and of the CRM's counts."""

from collections.abc import Iterable
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.channels import Seen, worst_state
from api.context import Context
from api.look import StoreView, shown_host
from api.tallies import Tallies
from api.watch import View


class Once(Collector):
    """Hands families that were already read to the exporter."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def families(
    context: Context,
    view: StoreView | None,
    counted: Tallies | None,
    channels: Seen | None = None,
    watched: View | None = None,
    budgets: list[dict[str, Any]] | None = None,
    cases: int | None = None,
) -> list[Metric]:
    """Return all families; without a store, those of the gateway alone."""
    up = GaugeMetricFamily("playtower_store_up", "Whether the store answers", value=float(view is not None))
    counts = CounterMetricFamily("playtower_gateway", "What this gateway counted", labels=["what"])
    for what, count in sorted(context.counts.items()):
        counts.add_metric([what], count)
    sockets = GaugeMetricFamily("playtower_sockets", "Open player sockets", value=context.feeds.connected)
    return [
        up,
        counts,
        sockets,
        *(_store_families(view) if view else ()),
        *(_crm_families(counted) if counted else ()),
        *(_channel_families(channels) if channels else ()),
        *(_watch_families(watched) if watched else ()),
        *(_budget_families(budgets) if budgets else ()),
        *(
            [GaugeMetricFamily("playtower_cases", "Cases that wait for a person", value=cases)]
            if cases is not None
            else ()
        ),
    ]


def _budget_families(budgets: list[dict[str, Any]]) -> list[Metric]:
    """Return what of each reward budget is spent, reserved and left, and how many rewards wait for it."""
    said = {
        "spent": "Confirmed in the present period",
        "reserved": "Asked for and not yet given",
        "left": "May still be given",
        "waiting": "Rewards that wait for room",
    }
    families: list[Metric] = []
    for what, meaning in said.items():
        family = GaugeMetricFamily(f"playtower_budget_{what}", meaning, labels=["budget"])
        for budget in budgets:
            family.add_metric([budget["id"]], budget[what])
        families.append(family)
    return families


def _store_families(view: StoreView) -> list[Metric]:
    lane_labels = ["lane", "partition"]
    entries_in = CounterMetricFamily("playtower_partition_entries_in", "Entries appended", labels=lane_labels)
    done = CounterMetricFamily("playtower_partition_entries_done", "Entries committed", labels=lane_labels)
    backlog = GaugeMetricFamily("playtower_partition_backlog", "Entries that wait", labels=lane_labels)
    owned = GaugeMetricFamily("playtower_partition_owned", "1 when somebody's lease runs", labels=lane_labels)
    broken = GaugeMetricFamily("playtower_partition_broken", "1 when a person must look", labels=lane_labels)
    for lane in view.lanes:
        labels = [lane.lane, str(lane.partition)]
        entries_in.add_metric(labels, lane.entries_in)
        done.add_metric(labels, lane.entries_done)
        backlog.add_metric(labels, lane.backlog)
        owned.add_metric(labels, float(bool(lane.owner)))
        broken.add_metric(labels, float(bool(lane.broken)))
    version = GaugeMetricFamily("playtower_programme_version", "Live programme version", value=view.version)
    return [entries_in, done, backlog, owned, broken, version, *_host_families(view)]


def _crm_families(counted: Tallies) -> list[Metric]:
    segments = GaugeMetricFamily("playtower_segment_players", "Players in a segment", labels=["segment"])
    for segment, players in counted.segments.items():
        segments.add_metric([segment], players)
    nodes = GaugeMetricFamily("playtower_journey_players", "Players at a node", labels=["journey", "node"])
    for journey, theirs in counted.journeys.items():
        for node, players in theirs.items():
            nodes.add_metric([journey, node], players)
    walks = GaugeMetricFamily("playtower_walks", "Partitions' walks through players, under way", value=counted.walks)
    relays = GaugeMetricFamily("playtower_relays", "Entries that wait for another partition", value=counted.relays)
    decisions = CounterMetricFamily(
        "playtower_decisions", "The tower's decisions of the UTC day", labels=["outcome", "reason"]
    )
    for (outcome, reason), times in sorted(counted.decisions.items()):
        decisions.add_metric([outcome, reason], times)
    return [segments, nodes, walks, relays, decisions, *_choice_families(counted)]


def _choice_families(counted: Tallies) -> list[Metric]:
    """What came of the draws of the live programme's choices: at most a hundred choices of twelve arms."""
    outcomes = CounterMetricFamily(
        "playtower_choice_outcomes", "Draws that came to their end", labels=["choice", "arm", "how"]
    )
    rewards = CounterMetricFamily("playtower_choice_reward", "Sum of rewards, 0 to 1", labels=["choice", "arm"])
    for (choice, arm), told in counted.choices.items():
        for how, times in (("learnt", told.learnt), ("apart", told.apart), ("void", told.void)):
            outcomes.add_metric([choice, arm, how], times)
        rewards.add_metric([choice, arm], told.reward)
    return [outcomes, rewards]


def _channel_families(seen: Seen) -> list[Metric]:
    """What waits for the providers, and how they do."""
    waiting = GaugeMetricFamily(
        "playtower_dispatch_waiting_players", "Players with a message in line", labels=["channel", "lane"]
    )
    for (channel, lane), players in sorted(seen.waiting.items()):
        waiting.add_metric([channel, lane], players)
    in_flight = GaugeMetricFamily("playtower_dispatch_in_flight", "Messages claimed, not settled", value=seen.in_flight)
    sends = CounterMetricFamily("playtower_sends", "How messages ended", labels=["channel", "outcome"])
    breakers = GaugeMetricFamily(
        "playtower_breaker_open", "1: open, 0.5: half open, 0: closed", labels=["channel", "connector"]
    )
    for channel in sorted(seen.channels):
        for outcome, count in sorted(seen.landings(channel).items()):
            sends.add_metric([channel, outcome], count)
        for connector, told in sorted(seen.connectors(channel).items()):
            breakers.add_metric([channel, connector], _BREAKER.get(worst_state(told), 0.0))
    return [waiting, in_flight, sends, breakers]


def _watch_families(watched: View) -> list[Metric]:
    """What is unlike any week, and how far players and scores are from what the model knew."""
    watching = GaugeMetricFamily("playtower_watching", "1 when somebody looks", value=float(watched.watching))
    alarms = GaugeMetricFamily("playtower_volume_alarm", "1 while it goes on", labels=["event", "what"])
    for one in watched.alarms:
        alarms.add_metric([one.name, one.alarm.what], 1.0)
    drift = GaugeMetricFamily("playtower_drift_psi", "How far a feature or score is from the reference", labels=["of"])
    for shift in watched.drift.shifts if watched.drift is not None else ():
        drift.add_metric([shift.name], shift.psi)
    gaps = GaugeMetricFamily("playtower_score_gap", "What happened less what was said, on average", labels=["score"])
    for outcome, _days in watched.outcomes:
        gaps.add_metric([outcome.head], outcome.gap)
    return [watching, alarms, drift, gaps]


_BREAKER = {"open": 1.0, "half_open": 0.5}


def _changes_families(view: StoreView) -> list[Metric]:
    """What the hosts counted of segments, journeys and choices since they started."""
    segments = CounterMetricFamily("playtower_segment_changes", "Players in or out", labels=["host", "what"])
    journeys = CounterMetricFamily(
        "playtower_journey_steps", "Entries, steps, ends", labels=["host", "what", "outcome"]
    )
    draws = CounterMetricFamily("playtower_choice_draws", "Draws of choices", labels=["host", "choice"])
    for beat in view.hosts:
        name = str(beat.get("name", ""))
        for counted, times in sorted(beat.get("counts", {}).items()):
            what, _, outcome = counted.partition(":")
            subject, _, happened = what.partition("_")
            if subject == "segment":
                segments.add_metric([name, happened], times)
            elif subject == "chose":
                draws.add_metric([name, outcome], times)
            else:
                journeys.add_metric([name, happened, outcome], times)
    return [segments, journeys, draws]


def _host_families(view: StoreView) -> list[Metric]:
    labels = ["host", "lane"]
    alive = GaugeMetricFamily("playtower_host_alive", "1 when its heartbeat is recent", labels=labels)
    players = GaugeMetricFamily("playtower_host_players", "Players in memory", labels=labels)
    entries = CounterMetricFamily("playtower_host_entries", "Entries applied since it started", labels=labels)
    commits = CounterMetricFamily("playtower_host_commits", "Commits since it started", labels=labels)
    stopped = GaugeMetricFamily("playtower_host_stopped_partitions", "Partitions that stopped", labels=labels)
    for beat in view.hosts:
        host = shown_host(beat, view.at)
        names = [host["name"], host["lane"]]
        alive.add_metric(names, float(host["alive"]))
        players.add_metric(names, host["players"])
        entries.add_metric(names, host["entries"])
        commits.add_metric(names, host["commits"])
        stopped.add_metric(names, len(host["stopped"]))
    return [alive, players, entries, commits, stopped, *_changes_families(view)]
