"""One server for the many tests of a module that leave nothing behind in it."""

import os
from collections.abc import Iterator

import pytest

from agent import models
from tests.serving import Lastword, serving
from tests.upstream import Upstream
from tests.wire.helpers import Shared


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A server that asks its model only once, and that model."""
    with pytest.MonkeyPatch.context() as patch, Upstream() as upstream:
        for name in os.environ:
            if name.startswith(("LASTWORD_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")):
                patch.delenv(name)
        patch.setattr(models, "RETRIES", 0)
        data = tmp_path_factory.mktemp("data")
        settings = {
            "model": "openai:test",
            "protocol": "json_chat",
            "openai_base_url": upstream.url,
        }
        with serving(data, **settings) as lastword:
            patch.undo()  # other servers of the module are as they are
            yield Shared(lastword, upstream)


@pytest.fixture
def shared(house: Shared) -> Iterator[Lastword]:
    """The module's server. Whatever a test did to it, nothing of that may still be running."""
    yield house.lastword
    house.lastword.wait_until_idle()


@pytest.fixture
def model(house: Shared) -> Iterator[Upstream]:
    """The module's model: what a test made it say by default is forgotten after it."""
    default = house.upstream.default
    house.upstream.requests.clear()
    yield house.upstream
    house.upstream.default = default
    house.upstream._script.clear()
