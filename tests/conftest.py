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
        if name.startswith(("LASTWORD_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")):
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
