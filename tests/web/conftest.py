"""One browser and one server for the tests of the page; each test is somebody new in it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Lastword, serving
from tests.upstream import Upstream
from tests.web.page import Chat
from tests.wire.browser import Page
from tests.wire.event_source import a_browser
from tests.wire.helpers import Shared


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with a_browser(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A server on the scriptable model, and that model."""
    with Upstream() as upstream:
        settings = {"model": "openai:test", "openai_base_url": upstream.url}
        data = tmp_path_factory.mktemp("data")
        with serving(data, protocol="think+json_chat", **settings) as lastword:
            yield Shared(lastword, upstream)


@pytest.fixture
def model(house: Shared) -> Iterator[Upstream]:
    """What a test made it say is forgotten after it, and nothing still runs."""
    default = house.upstream.default
    house.upstream.requests.clear()
    yield house.upstream
    house.upstream.default = default
    house.upstream._script.clear()
    house.upstream.release()
    house.lastword.wait_until_idle()


@pytest.fixture
def shared(house: Shared, model: Upstream) -> Lastword:
    return house.lastword


@pytest.fixture
def somebody(browser: Page) -> Iterator[Callable[..., Chat]]:
    """Somebody who was never here comes to a server's page."""
    pages: list[Page] = []

    def comes(lastword: Any, path: str = "/") -> Chat:
        pages.append(browser.stranger())
        chat = Chat(pages[-1], lastword.url)
        chat.size(1100, 760)
        chat.visit(path)
        return chat

    yield comes
    for page in pages:
        page.leave()


@pytest.fixture
def chat(somebody: Callable[..., Chat], shared: Lastword) -> Chat:
    return somebody(shared)


@pytest.fixture
def axe() -> str:
    """The source of axe-core."""
    path = Path(__file__).parent.parent / "clients/node_modules/axe-core/axe.min.js"
    if not path.exists():
        assert not os.environ.get("CI"), "axe-core is missing"
        pytest.skip("no `npm ci` in tests/clients")
    return path.read_text()
