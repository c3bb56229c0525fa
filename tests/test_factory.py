"""What the settings name, and what cannot be made of them."""

import sys
from pathlib import Path
from typing import Any

import pytest

import factory
import main
from settings import Settings
from tests.commands import lastword
from tests.serving import free_port
from tests.upstream import Upstream


@pytest.mark.parametrize("name", ["mine:agent", "mine:make"])
def test_ask_ones_own_agent(own: Path, name: str) -> None:
    done = lastword("ask", "Hello", data=own, agent=name)
    assert (done.stdout, done.stderr, done.returncode) == (b"You said: Hello\n", b"", 0)


@pytest.mark.parametrize("arguments", [["serve"], ["ask", "hi"]])
def test_an_agent_that_cannot_be_made_is_one_line(own: Path, arguments: list[str]) -> None:
    done = lastword(*arguments, data=own, agent="mine:fail")
    assert done.stderr == b"LASTWORD_AGENT: 'mine:fail' failed: LookupError: s3cret\n"
    assert (done.stdout, done.returncode) == (b"", 1)


@pytest.mark.parametrize("protocol", ["nonsense", "thought+react", "react+"])
def test_a_protocol_that_nobody_reads(own: Path, protocol: str) -> None:
    settings = Settings(_env_file=None, agent="mine:agent", protocol=protocol, data=own)
    with pytest.raises(factory.BadSetting, match=r"LASTWORD_PROTOCOL: .* react, .* `think\+`"):
        factory.make(settings)


def test_the_model_follows_from_what_is_set(upstream: Upstream) -> None:
    def name(**settings: Any) -> str:
        return factory.model_name(Settings(_env_file=None, **settings))

    assert name() == "offline"
    assert name(openai_api_key="sk-x").startswith("openai:")
    assert name(openai_base_url=upstream.url) == "openai:test"
    assert name(openai_base_url=upstream.url, openai_api_key="sk-x") == "openai:test"
    assert name(openai_base_url=upstream.url, model="offline") == "offline"


def test_a_server_that_lists_no_models(env: pytest.MonkeyPatch) -> None:
    env.delenv("LASTWORD_MODEL")
    env.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(SystemExit, match="did not list its models"):
        main.cli(["ask", "hi"])


def test_models_of_another_provider_are_refused(tmp_path) -> None:
    settings = Settings(_env_file=None, model="offline", models="openai:gpt-4.1", data=tmp_path)
    with pytest.raises(factory.BadSetting, match=r"LASTWORD_MODELS: openai:gpt-4\.1 is of another"):
        factory.make(settings)


@pytest.mark.parametrize("missing", ["psycopg_pool", "langgraph.checkpoint.postgres.aio"])
def test_the_extra_of_the_database_is_missing(env: pytest.MonkeyPatch, missing: str) -> None:
    env.setenv("DATABASE_URL", "postgresql://u:s3cret@h/d")
    env.setitem(sys.modules, missing, None)
    env.delitem(sys.modules, "agent.postgres", raising=False)
    with pytest.raises(SystemExit) as refused:
        main.cli(["ask", "hi"])
    told = "DATABASE_URL wants the extra `lastword[postgres]`, which is not installed."
    assert refused.value.code == told


def test_an_address_that_cannot_be_read(env: pytest.MonkeyPatch) -> None:
    env.setenv("DATABASE_URL", "postgresql://u:s3cret%@h/d")
    with pytest.raises(SystemExit) as refused:
        main.cli([])
    assert refused.value.code == "DATABASE_URL is no address of a PostgreSQL database."
