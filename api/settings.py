"""Settings of one gateway process, read once at start (``PLAYTOWER_GATEWAY``, JSON) and handed down."""

import os

from pydantic import BaseModel, ConfigDict, Field

VARIABLE = "PLAYTOWER_GATEWAY"


class Settings(BaseModel):
    """Frozen. The number of partitions, the seed and the clock are the store's and are read from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: str
    token_secret: str = Field(min_length=32, repr=False)  # signs player tokens
    host: str = "127.0.0.1"
    port: int = 8000
    gateway_id: str = "g1"
    backlog_bound: int = Field(default=10_000, ge=1)  # client entries waiting in a partition
    lateness_max_s: int = Field(default=48 * 3600, ge=60)
    dedupe_extra_s: int = Field(default=24 * 3600, ge=0)  # how much longer than that message ids are remembered
    max_body: int = Field(default=500 * 1024, ge=1024)  # bytes, also after inflating
    max_event: int = Field(default=32 * 1024, ge=256)  # bytes
    max_batch: int = Field(default=2_500, ge=1)  # events
    body_timeout_s: float = 30.0
    store_timeout_s: float = Field(default=1.8, gt=0)  # no answer by then: 503
    memory_share_max: float = Field(default=0.6, gt=0, le=1)  # of maxmemory; beyond it intake answers 503
    cors_origins: tuple[str, ...] = ("*",)
    socket_origins: tuple[str, ...] = ()  # allow-list of Origin for /v1/ws; empty: any
    archive_dir: str = ""  # of the Parquet files; empty: nothing is read from there
    identity_timeout_s: float = 60.0  # how long a start waits for the store's identity
    public_url: str = ""  # as players and providers reach the gateway; empty: not said, links follow each request
    couriers: int = Field(default=0, ge=0)  # processes that send; with some, all partitions must be owned by one


def from_environment() -> Settings:
    """Read the settings of this process."""
    return Settings.model_validate_json(os.environ[VARIABLE])
