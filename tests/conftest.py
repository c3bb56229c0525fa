"""What tests share: a clean environment, a scriptable model, a real server."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Lastword, serving
from tests.upstream import Upstream


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach a real model, or depend on who runs it."""
    for name in os.environ:
        if name.startswith(("LASTWORD_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_", "DATABASE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def serve(tmp_path: Path, upstream: Upstream) -> Iterator[Callable[..., Lastword]]:
    """Starts a server on the scriptable model, with these settings: `serve(max_runs=1)`."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Lastword:
            model = {
                "model": "openai:test",
                "openai_base_url": upstream.url,
                "protocol": "json_chat",
            }
            return stack.enter_context(serving(tmp_path, **(model | settings)))

        yield start


@pytest.fixture
def lastword(serve: Callable[..., Lastword]) -> Lastword:
    """A server on the scriptable model, with the default settings."""
    return serve()


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a command that is run in this process."""
    monkeypatch.chdir(tmp_path)  # away from a developer's `.env`
    monkeypatch.setenv("LASTWORD_DATA", str(tmp_path))
    monkeypatch.setenv("LASTWORD_MODEL", "offline")
    return monkeypatch


OWN = """
from langchain_core.runnables import RunnableLambda

agent = RunnableLambda(lambda given: f"You said: {given['input']}")

async def make():
    return agent

async def fail():
    raise LookupError("s3cret")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with agents in it, for a command in a process of its own."""
    (tmp_path / "mine.py").write_text(OWN)
    return tmp_path
