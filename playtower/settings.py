"""Settings of ``playtower serve``: command line first, then ``PLAYTOWER_*`` variables, then defaults. Read once."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServeSettings(BaseSettings):
    """Everything that one process tree needs to know."""

    model_config = SettingsConfigDict(env_prefix="PLAYTOWER_", frozen=True, extra="ignore")

    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    # half of the cores: gateway and store want the others (on 2 cores a single event cost 1.0 ms of CPU, not 1.5)
    hosts: int = Field(default_factory=lambda: max(1, min(256, (os.cpu_count() or 2) // 2)), ge=1, le=256)
    gateways: int = Field(1, ge=1, le=64)
    placement: Literal["shared", "dedicated", "vip"] = "shared"
    dedicated_max: int = Field(64, ge=1, le=4096)
    durability: Literal["strict", "relaxed"] = "strict"
    partitions: int | None = Field(None, ge=1, le=4096)
    clock: Literal["store", "log"] | None = None
    redis_url: str = ""  # empty: the embedded store
    ray_address: str = ""  # empty: a local Ray of our own
    maxmemory_mb: int = Field(0, ge=0)  # of the embedded store; 0: 60 % of the machine's memory
    token_secret: str = ""  # signs player tokens; empty: made once and kept in the data directory
    admin_key: str = ""
    ingest_key: str = ""
    backlog_bound: int = Field(10_000, ge=1)
    log_level: str = "info"
