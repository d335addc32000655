"""The figures of a run: who plays, for how long, over how many partitions."""

from actors.processor import SET_ASIDE_AFTER

START = 1_772_409_600_000  # 2026-03-02T00:00:00Z
PARTITIONS = 2
PLAYERS = ("ann", "bob", "cleo", "dan", "eve")
CLIENTS = 3
PROCESSES = (("host-1", "players"), ("host-2", "players"), ("tower-1", "tower"), ("tower-2", "tower"))
FAULTS_S = 8.0
WAKE_S = 3.0  # into the calm, those that stand still go on: zombies in a world that has moved on
CALM_S = 60.0  # most that draining may take; it takes a few
SETTLE_S = 6.0  # after that, for the timers that are set
SEED_OF_STORE = "simulated"
IDLE_MS = 200  # how often a member with nothing to do looks: a quarter of the steps of a run at its own 50
HITS_MIN = SET_ASIDE_AFTER - 1  # without so many of them no entry may be suspected
