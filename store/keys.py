"""Every key name of the store. Keys of a partition share the hash tag ``{p}``, so a commit is one cluster slot."""

from dataclasses import dataclass

STORE = "{store}:identity"
API_KEYS = "{store}:keys"
HOSTS = "{store}:hosts"  # host -> heartbeat
ENDED = "{store}:ended"  # incarnation of a member whose process is known to be dead -> ms
LIVES = "{store}:lives"  # incarnation of a courier not known to be dead -> its name and process (``store.lives``)
CLOSED = "{store}:closed"  # "p:channel" -> why the tower of the partition was told that the channel is closed
ASSIGNMENT = "{store}:assignment"  # "p" or "t:p" -> host
DIRECTOR = "{store}:director"
ARCHIVIST = "{store}:archivist"
DEAD_LETTERS = "{store}:dead"  # what intake refused; a partition's own are in {p}:dead
UPGRADES = "{store}:upgrades"  # what was added to a store of an older version -> how many
PROGRAMME_DRAFT = "{programme}:draft"
PROGRAMME_VERSIONS = "{programme}:versions"
MODEL_VERSIONS = "{models}:versions"
MODEL_PUBLICATIONS = "{models}:publications"
BELIEFS = "{beliefs}:published"
BOARDS = "{store}:boards"  # sorted set of their names, in order; one that expired is struck off when it is met


@dataclass(frozen=True, slots=True)
class Lane:
    """One of the two users of the processor: the players of a partition, or the tower of it."""

    name: str
    prefix: str

    def meta(self, p: int) -> str:
        return f"{{{p}}}:{self.prefix}meta"

    def log(self, p: int) -> str:
        return f"{{{p}}}:{self.prefix}log"

    def state(self, p: int, player: str) -> str:
        return f"{{{p}}}:{self.prefix}s:{player}"

    def history(self, p: int, player: str) -> str:
        return f"{{{p}}}:{self.prefix}h:{player}"

    def timers(self, p: int) -> str:
        return f"{{{p}}}:{self.prefix}timers"


PLAYERS = Lane("players", "")
TOWER = Lane("tower", "t:")
CHANNELS = Lane("channels", "c:")  # who may claim what waits for the providers; it has a lease and no log of its own


def dedupe(p: int, bucket: str) -> str:
    return f"{{{p}}}:d:{bucket}"


def buckets(p: int) -> str:
    """Set of the dedupe buckets that were ever written; some may have expired."""
    return f"{{{p}}}:buckets"


def feed(p: int, player: str) -> str:
    return f"{{{p}}}:feed:{player}"


def inbox(p: int, player: str) -> str:
    return f"{{{p}}}:inbox:{player}"


def sockets(p: int) -> str:
    """Hash of the players that said hello: only they have a feed of state deltas."""
    return f"{{{p}}}:sockets"


def stop(p: int) -> str:
    """Hash of the excluded players: one line a reason, ``<reason>|<ms when it ends by itself, or nothing>``."""
    return f"{{{p}}}:stop"


def mute(p: int) -> str:
    """Hash of marks that stop a player's dispatches when they are claimed, one a line.

    A mark is a channel, a purpose, ``<product>/<channel>`` (consent withdrawn), or ``<channel>:<digest>`` (an address
    that is suppressed).
    """
    return f"{{{p}}}:mute"


def gated(p: int) -> str:
    """Hash of the stops and marks that an answered call set -> its log entry.

    Turns of entries before that one leave the gate alone.
    """
    return f"{{{p}}}:gated"


def dispatches(p: int) -> str:
    """Hash of what waits for a provider or is in flight: request id -> gates and body (``store.queue``)."""
    return f"{{{p}}}:c:d"


def line(p: int, channel: str, lane: str, player: str) -> str:
    """List of the ids that one player waits for on a channel, in order; only the first is ever in flight."""
    return f"{{{p}}}:c:line:{channel}:{lane}:{player}"


def recleared(p: int) -> str:
    """Hash of what was cleared again while it is in flight: as ``dispatches``; it waits for the settlement."""
    return f"{{{p}}}:c:next"


def claims(p: int) -> str:
    """Hash of what is in flight: request id -> who claimed it, when, and where its line is."""
    return f"{{{p}}}:c:claims"


def tries(p: int) -> str:
    """Hash of the dispatches that were tried and wait for another try: request id -> how often."""
    return f"{{{p}}}:c:tries"


def in_flight(p: int, player: str) -> str:
    """Hash of the player's dispatches in flight: request id -> token of the claimer."""
    return f"{{{p}}}:infl:{player}"


def voids(p: int) -> str:
    """Hash of dispatches that the tower took back: request id -> reason; told when they are claimed."""
    return f"{{{p}}}:c:void"


def reviews(p: int) -> str:
    """Hash of messages that wait for a person: request id -> record."""
    return f"{{{p}}}:reviews"


def tally(p: int, day: str) -> str:
    """Hash of the tower's decisions of a UTC day: ``<outcome>|<reason>|<channel>|<purpose>|<template>`` -> how many."""
    return f"{{{p}}}:tally:{day}"


def choice_sums(p: int) -> str:
    """Hash of what came of choices: ``<choice>|<generation>|<arm>|<by>|<statistic>`` -> sum."""
    return f"{{{p}}}:choices"


def shown(p: int, player: str) -> str:
    """Hash of what a player was shown in the slots of pages lately (``store.exposures``)."""
    return f"{{{p}}}:shown:{player}"


def rate(connector: str) -> str:
    """Token bucket of a provider, shared by all couriers."""
    return f"{{rate:{connector}}}:bucket"


def spent(channel: str, day: str) -> str:
    """How much of a channel's budget a UTC day has used."""
    return f"{{rate:{channel}}}:spent:{day}"


def dead(p: int) -> str:
    return f"{{{p}}}:dead"


def outbox(p: int) -> str:
    """Stream of entries for other partitions' logs, until they were relayed."""
    return f"{{{p}}}:out"


def players(p: int) -> str:
    """Sorted set, in the order of ids, of every player ever committed."""
    return f"{{{p}}}:players"


def group(p: int, name: str) -> str:
    """Sorted set, in the order of ids, of who is in a segment or at a node of a journey."""
    return f"{{{p}}}:g:{name}"


def walks(p: int) -> str:
    """Hash of the partition's walks by id, under way or ended."""
    return f"{{{p}}}:walks"


def walk_cursors(p: int) -> str:
    """Hash of the walks under way: id -> the last player visited."""
    return f"{{{p}}}:walk-at"


def walk_stops(p: int) -> str:
    """Hash of the walks under way that were asked to end."""
    return f"{{{p}}}:walk-stop"


def walks_ended(p: int) -> str:
    """List of the walks that ended, latest first; what falls off its end is forgotten."""
    return f"{{{p}}}:walked"


def duplicates(p: int) -> str:
    """Stream of probable duplicates, for a person to decide."""
    return f"{{{p}}}:duplicates"


def cases(p: int) -> str:
    """Hash of what only a person can put right: case id -> record; at most 10,000."""
    return f"{{{p}}}:cases"


def cases_over(p: int) -> str:
    """Hash of what found no room there: ``cases`` -> how many. They are in their players' histories."""
    return f"{{{p}}}:cases-over"


def archived(p: int) -> str:
    """Hash: how far the archive holds the partition's logs, and how far the store let go (``store.archive.source``)."""
    return f"{{{p}}}:archived"


def archived_decisions(p: int) -> str:
    return f"{{{p}}}:archived:decisions"


def requests(p: int) -> str:
    return f"{{{p}}}:requests"


def poke(p: int) -> str:
    """Pub/sub channel: players of the partition whose feed moved, newline separated."""
    return f"{{{p}}}:poke"


def board(name: str) -> tuple[str, str, str, str]:
    """Return the keys of a board: its ranking, its players, what is known of it, who came late (``lua/boards.lua``)."""
    tag = f"{{board:{name}}}:"
    return f"{tag}z", f"{tag}p", f"{tag}m", f"{tag}l"


def campaign_runs(campaign: str) -> str:
    """Hash of the runs of a campaign that callers began."""
    return f"{{store}}:campaign:{campaign}"


def reply(gateway: str) -> str:
    """Pub/sub channel: answers to the turns a gateway waits for."""
    return f"reply:{gateway}"
