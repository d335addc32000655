"""What a member process needs to know; plain data, since it crosses to other processes."""

from msgspec import Struct


class MemberSettings(Struct, frozen=True):
    """Settings of hosts, coordinator and director."""

    redis_url: str
    partitions: int
    store_seed: str
    clock: str = "store"  # the store's: store, or log
    placement: str = "shared"  # shared, vip (players with the trait ``vip``), dedicated (every player)
    dedicated_max: int = 64
    namespace: str = "playtower"
    archive_dir: str = ""  # absolute; on every node the same, if there are several
    archive_wait_s: int = 300
    retention_s: int = 0  # 0: the store keeps everything
    public_url: str = ""  # of the gateway, as players reach it: links in messages lead there
    token_secret: str = ""  # signs those links
    beliefs_every_s: int = 30  # how often what choices taught is added up and published
