"""One server with keys and gRPC, its model, and the clients that are processes of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from agent import models
from tests.serving import Lastword, serving
from tests.upstream import Upstream
from tests.wire.every.base import Clients, Wire
from tests.wire.every.wires import WIRES
from tests.wire.helpers import Shared

ANNE, BOB = "sk-anne", "sk-bob"


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    with ExitStack() as stack:
        yield Clients(stack)


@pytest.fixture(scope="session")
def others() -> Iterator[Clients]:
    """Each process does one thing at a time: these are for what happens meanwhile."""
    with ExitStack() as stack:
        yield Clients(stack)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """It asks its model only once, and a run whose last reader leaves ends at once."""
    with pytest.MonkeyPatch.context() as patch, Upstream() as upstream:
        for name in os.environ:
            if name.startswith(("LASTWORD_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")):
                patch.delenv(name)
        patch.setattr(models, "RETRIES", 0)
        settings: dict[str, Any] = {
            "model": "openai:test",
            "protocol": "think+json_chat",
            "openai_base_url": upstream.url,
            "grpc_port": 0,
            "api_keys": f"{ANNE},{BOB}",
            "on_disconnect": "cancel",
        }
        with serving(tmp_path_factory.mktemp("data"), **settings) as lastword:
            patch.undo()
            yield Shared(lastword, upstream)


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest, shared: Lastword, clients: Clients) -> Wire:
    """Each of them, as Anne uses it."""
    return WIRES[request.param](shared, clients, ANNE)


Make = Callable[[Lastword, str], Wire]


@pytest.fixture(params=WIRES)
def make(request: pytest.FixtureRequest, clients: Clients) -> Make:
    """Each of them, at any server and with any key."""
    return lambda lastword, key="": WIRES[request.param](lastword, clients, key)
