"""A server that also speaks gRPC, and its model."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import models
from tests.serving import Lastword, serving
from tests.upstream import Upstream
from tests.wire.helpers import Shared
from tests.wire.rpc.clients import Client, calling


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """For the many tests of a module that leave nothing behind; it asks its model only once."""
    with pytest.MonkeyPatch.context() as patch, Upstream() as upstream:
        for name in os.environ:
            if name.startswith(("LASTWORD_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")):
                patch.delenv(name)
        patch.setattr(models, "RETRIES", 0)
        with serving(tmp_path_factory.mktemp("data"), **on(upstream)) as lastword:
            patch.undo()
            yield Shared(lastword, upstream)


@pytest.fixture
def client(shared: Lastword) -> Iterator[Client]:
    """Of the module's server."""
    with calling(shared) as client:
        yield client


@pytest.fixture
def start(
    serve: Callable[..., Lastword], request: pytest.FixtureRequest
) -> Callable[..., tuple[Lastword, Client]]:
    """Starts a server with these settings; the server and a client of it."""

    def start(**settings: Any) -> tuple[Lastword, Client]:
        lastword = serve(grpc_port=0, **settings)
        calls = calling(lastword)
        request.addfinalizer(lambda: calls.__exit__(None, None, None))
        return lastword, calls.__enter__()

    return start


def on(upstream: Upstream, data: Path | None = None) -> dict[str, Any]:
    """Settings of a server on this model."""
    return {
        "model": "openai:test",
        "protocol": "json_chat",
        "openai_base_url": upstream.url,
        "grpc_port": 0,
    }
