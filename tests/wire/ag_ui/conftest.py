"""One client process for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.node import running
from tests.wire.ag_ui.client import AgUi


@pytest.fixture(scope="module")
def ag_ui() -> Iterator[AgUi]:
    with running("ag_ui.mjs") as client:
        yield AgUi(client)
