"""Settings of ``playtower serve``: command line first, then ``PLAYTOWER_*`` variables, then defaults. Read once."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.durations import duration_s


def _seconds(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _duration(value: object) -> int:
    return duration_s(_seconds(value))


def _retention(value: object) -> int:
    return 0 if _seconds(value) == 0 else _duration(value)


Duration = Annotated[int, BeforeValidator(_duration)]  # seconds, or "5m"
Retention = Annotated[int, BeforeValidator(_retention)]  # the same, or 0


class ServeSettings(BaseSettings):
    """Everything that one process tree needs to know."""

    model_config = SettingsConfigDict(env_prefix="PLAYTOWER_", frozen=True, extra="ignore")

    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    # half of the cores: gateway and store want the others (on 2 cores a single event cost 1.0 ms of CPU, not 1.5)
    hosts: int = Field(default_factory=lambda: max(1, min(256, (os.cpu_count() or 2) // 2)), ge=1, le=256)
    gateways: int = Field(1, ge=1, le=64)
    couriers: int = Field(1, ge=0, le=64)  # processes that send; 0: nothing leaves the engine but in-app messages
    placement: Literal["shared", "dedicated", "vip"] = "shared"
    dedicated_max: int = Field(64, ge=1, le=4096)
    durability: Literal["strict", "relaxed"] = "strict"
    partitions: int | None = Field(None, ge=1, le=4096)
    clock: Literal["store", "log"] | None = None
    redis_url: str = ""  # empty: the embedded store
    ray_address: str = ""  # empty: a local Ray of our own
    maxmemory_mb: int = Field(0, ge=0)  # of the embedded store; 0: 60 % of the machine's memory
    public_url: str = Field("", pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$")  # empty: where the gateway listens
    token_secret: str = ""  # signs player tokens; empty: made once and kept in the data directory
    admin_key: str = ""
    ingest_key: str = ""
    backlog_bound: int = Field(10_000, ge=1)
    archive_dir: Path | None = None  # of the Parquet files; none: below the data directory
    archive_wait: Duration = 300  # seconds an entry waits for others before it is archived
    beliefs_every: Duration = 30  # seconds between looks at what choices taught
    retention: Retention = 7 * 86_400  # seconds the store keeps what the archive holds; 0: for ever

    @property
    def links_url(self) -> str:
        """Return where the links of messages lead, without a / at its end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def archive(self) -> Path:
        """Return where the archive is."""
        return self.archive_dir or self.data_dir / "archive"
