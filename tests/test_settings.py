"""Settings: every name, every default, and that a mistake is never silent."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

import main
from settings import Settings
from stream.rate import Rate


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from a developer's own `.env`."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_everything_has_a_safe_default() -> None:
    settings = Settings()
    assert settings.model is None
    assert settings.openai_api_key is None
    assert settings.host == "127.0.0.1"
    assert settings.port == 8000
    assert settings.api_keys == []
    assert not settings.anonymous
    assert settings.cors_origins == []
    assert settings.protocol is None
    assert settings.tools == ["calculator"]
    assert settings.memory_window == 5
    assert settings.max_iterations == 3
    assert settings.data == Path("data")
    assert settings.on_disconnect == 10.0


@pytest.mark.parametrize(
    ("name", "value", "field", "meaning"),
    [
        ("LASTWORD_MODEL", "openai:x", "model", "openai:x"),
        ("LASTWORD_MODEL", "", "model", None),
        ("OPENAI_BASE_URL", "http://x/v1", "openai_base_url", "http://x/v1"),
        ("OPENAI_BASE_URL", "", "openai_base_url", None),
        ("OPENAI_API_KEY", "sk-x", "openai_api_key", SecretStr("sk-x")),
        ("OPENAI_API_KEY", "", "openai_api_key", None),
        ("LASTWORD_PORT", "0", "port", 0),
        ("lastword_port", "8001", "port", 8001),
        ("LASTWORD_DATA", "/var/lib/x", "data", Path("/var/lib/x")),
        ("LASTWORD_ANONYMOUS", "true", "anonymous", True),
        ("LASTWORD_TOOLS", "", "tools", []),
        ("LASTWORD_TOOLS", "calculator, wikipedia,", "tools", ["calculator", "wikipedia"]),
        ("LASTWORD_API_KEYS", "a,b", "api_keys", [SecretStr("a"), SecretStr("b")]),
        ("LASTWORD_CORS_ORIGINS", "https://X:1/", "cors_origins", ["https://x:1"]),
        ("LASTWORD_MODELS", "openai:x,openai:y", "models", ["openai:x", "openai:y"]),
        ("LASTWORD_ON_DISCONNECT", "continue", "on_disconnect", "continue"),
        ("LASTWORD_ON_DISCONNECT", "cancel", "on_disconnect", "cancel"),
        ("LASTWORD_ON_DISCONNECT", "0", "on_disconnect", 0.0),
        ("LASTWORD_RUN_TIMEOUT", "1.5", "run_timeout", 1.5),
        ("LASTWORD_DOCUMENTS", "docs", "documents", Path("docs")),
        ("LASTWORD_DOCUMENTS", "", "documents", None),
        ("LASTWORD_RETRIEVER", "", "retriever", None),
        ("LASTWORD_EMBEDDINGS", "", "embeddings", None),
        ("LASTWORD_RATE_LIMIT", "60/minute", "rate_limit", Rate(60, 60_000_000)),
        ("LASTWORD_RATE_LIMIT", "1/day", "rate_limit", Rate(1, 86_400_000_000)),
        ("LASTWORD_RATE_LIMIT", "", "rate_limit", None),
        ("DATABASE_URL", "", "database_url", None),
        *(
            (
                "DATABASE_URL",
                f"{scheme}://{rest}",
                "database_url",
                SecretStr(f"postgresql://{rest}"),
            )
            for scheme in ("postgresql", "postgres", "postgresql+psycopg")
            for rest in ("", "h/d", "u:p%40:ss@h:1,i/d?sslmode=require", "u@/d?host=/run/x")
        ),
    ],
)
def test_the_environment_is_read(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, meaning: Any
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(Settings(), field) == meaning


def test_a_file_is_read(dotenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv.write_text("OTHERS_PORT=1\nPORT=2\nOPENAI_API_KEY=sk-x\nLASTWORD_PORT=8001\n")
    settings = Settings()
    assert settings.port == 8001
    assert settings.openai_api_key == SecretStr("sk-x")
    monkeypatch.setenv("LASTWORD_PORT", "8002")
    assert Settings().port == 8002


def test_code_may_give_settings_by_name_and_as_lists() -> None:
    settings = Settings(tools=["calculator"], openai_base_url="http://x/v1", on_disconnect=3)
    assert settings.tools == ["calculator"]
    assert settings.openai_base_url == "http://x/v1"
    assert settings.on_disconnect == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LASTWORD_PORT", "http"),
        ("LASTWORD_PORT", "65536"),
        ("LASTWORD_PORT", "-1"),
        ("LASTWORD_MAX_RUNS", "0"),
        ("LASTWORD_MAX_ITERATIONS", "-1"),
        ("LASTWORD_MEMORY_WINDOW", "-1"),
        ("LASTWORD_ANONYMOUS", "perhaps"),
        ("LASTWORD_RUN_TIMEOUT", "0"),
        ("LASTWORD_RUN_TIMEOUT", "nan"),
        ("LASTWORD_HEARTBEAT", "0"),
        ("LASTWORD_LOG_TTL", "-1"),
        ("LASTWORD_ON_DISCONNECT", "never"),
        ("LASTWORD_ON_DISCONNECT", "-1"),
        ("LASTWORD_ON_DISCONNECT", str(math.nan)),
        ("LASTWORD_CORS_ORIGINS", "*"),
        ("LASTWORD_CORS_ORIGINS", "https://x,localhost:8000"),
        ("LASTWORD_CORS_ORIGINS", "https://x/page"),
        *(("LASTWORD_RATE_LIMIT", rate) for rate in ("60", "0/minute", "1.5/hour", "1/week")),
        *(("LASTWORD_RATE_LIMIT", rate) for rate in ("60/minutes", "1000000/second", "-1/hour")),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert refused.value.errors()[0]["loc"][0] == name.removeprefix("LASTWORD_").lower()


@pytest.mark.parametrize(
    "address",
    [
        *("sqlite:///x", "mysql://u:s3cret@h/d", "postgresql+asyncpg://u:s3cret@h/d", "h/d"),
        *(
            "postgresql://u:p@s3cret@h/d",
            "postgresql://u:p/s3cret@h/d",
            "postgresql://u:p?s3cret@h/d",
        ),
    ],
)
def test_an_address_that_is_none_of_postgresql(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    with pytest.raises(ValidationError, match="use postgresql://user:password@host/database") as no:
        Settings()
    assert no.value.errors()[0]["loc"] == ("DATABASE_URL",)
    (shown,) = main._explained(no.value)
    assert "s3cret" not in shown


@pytest.mark.parametrize("name", ["LASTWORD_PROT", "lastword_prot", "LASTWORD_"])
def test_a_misspelt_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "8001")
    with pytest.raises(ValidationError, match=f"{name} is not a setting"):
        Settings()


def test_a_misspelt_name_in_the_file_is_refused(dotenv: Path) -> None:
    dotenv.write_text("LASTWORD_PROT=8001\n")
    with pytest.raises(ValidationError, match="prot"):
        Settings()


def test_secrets_are_not_shown() -> None:
    database = "postgresql://u:sk-x@h/d"
    settings = Settings(openai_api_key="sk-x", api_keys=["sk-x"], database_url=database)
    assert "sk-x" not in repr(settings)


def test_the_example_names_every_setting(dotenv: Path) -> None:
    example = (Path(__file__).parent.parent / ".env.example").read_text()
    lines = re.findall(
        r"^# ((?:LASTWORD|OPENAI|REDIS|DATABASE)_[A-Z_]+)=(.*)$", example, re.MULTILINE
    )
    dotenv.write_text("\n".join(f"{name}={value}" for name, value in lines))
    Settings()
    names = {name.removeprefix("LASTWORD_").lower() for name, _ in lines}
    assert names == set(Settings.model_fields)
