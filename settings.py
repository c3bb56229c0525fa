"""Every setting, from the environment or a file `.env`. Only what puts it together reads them.

The field's own names where they exist; `LASTWORD_` stands in front of ours.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stream.rate import Rate

PREFIX = "LASTWORD_"
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]+/?", re.IGNORECASE)
DATABASE = re.compile(r"postgres(?:ql)?(?:\+psycopg)?://((?:[^@:/?]*(?::[^@/?]*)?@)?[^@]*)")
"""Where a password is not as it must be written, libpq would take a piece of it for the host."""
Names = Annotated[list[str], NoDecode]
"""Separated by commas."""


class Settings(BaseSettings):
    """Everything has a safe default: without any, an offline agent on loopback."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        dotenv_filtering="match_prefix",  # a `.env` may hold other programs' settings too
        extra="forbid",
        populate_by_name=True,
    )

    # The model
    model: str | None = None  # `offline`, or `provider:name`
    models: Names = []  # others of the same provider that a request may name
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    fast_stream: bool = True  # merge tokens that arrive together; off: the SDK's own stream

    # The agent
    agent: str | None = None  # one's own, as `module:attribute`
    protocol: str | None = None  # how agent and model talk
    tools: Names = ["calculator"]
    max_iterations: int = Field(3, ge=0, le=100)
    memory_window: int = Field(5, ge=0, le=1000)  # exchanges
    data: Path = Path("data")  # where memory and index are kept
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")  # memory, shared

    # What it answers from
    documents: Path | None = None  # a folder
    retriever: str | None = None  # one's own, as `module:attribute`
    embeddings: str | None = None  # `provider:name`

    # The log of runs
    redis_url: str | None = Field(None, validation_alias="REDIS_URL")
    log_ttl: float = Field(3600.0, gt=0)
    lease: float = Field(5.0, ge=0.5)  # after which a process that says nothing counts as dead
    workers: Literal["internal", "external"] = "internal"  # external: `main.py work` runs agents
    restart: bool = False  # a run whose worker died in mid-answer begins anew

    # The server
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    grpc_port: int | None = Field(None, ge=0, le=65535)  # wants the extra `lastword[grpc]`
    api_keys: Annotated[list[SecretStr], NoDecode] = []
    anonymous: bool = False  # without keys, answer to other machines too
    cors_origins: Names = []

    # Runs; times in seconds
    max_runs: int = Field(100, ge=1)
    rate_limit: Annotated[Rate | None, NoDecode] = None  # of each API key: `60/minute`
    answer_mode: Literal["exact", "eager"] = "exact"
    run_timeout: float = Field(300.0, gt=0)
    on_disconnect: Literal["continue", "cancel"] | Annotated[float, Field(ge=0)] = 10.0
    heartbeat: float = Field(15.0, gt=0)
    drain: float = Field(5.0, ge=0)  # that runs in progress have to end when the server stops

    @field_validator("models", "tools", "cors_origins", "api_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [name.strip() for name in value.split(",") if name.strip()]

    @field_validator("cors_origins")
    @classmethod
    def _as_browsers_write_them(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError("use https://app.example.org, or with a port; nothing after it")
        return [origin.removesuffix("/").lower() for origin in origins]

    @field_validator("rate_limit", mode="before")
    @classmethod
    def _as_a_rate(cls, value: object) -> object:
        return Rate.of(value) if isinstance(value, str) else value

    @field_validator(
        *("openai_api_key", "openai_base_url", "redis_url", "model", "agent", "protocol"),
        *("grpc_port", "documents", "retriever", "embeddings", "database_url", "rate_limit"),
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("redis_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("use redis://host:port")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        if not (found := DATABASE.fullmatch(value.get_secret_value())):
            raise ValueError("use postgresql://user:password@host/database; %40 is an @ in either")
        return SecretStr(f"postgresql://{found[1]}")

    @model_validator(mode="after")
    def _no_misspelling(self) -> Self:
        """A setting that nobody reads would leave the server other than its owner believes."""
        known = {f"{PREFIX}{name}".upper() for name in type(self).model_fields}
        for name in os.environ:
            if name.upper().startswith(PREFIX) and name.upper() not in known:
                raise ValueError(f"{name} is not a setting of Lastword")
        return self
