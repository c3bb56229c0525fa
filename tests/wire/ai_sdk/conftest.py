"""One Node for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.node import Node, running


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running("ai_sdk.mjs") as client:
        yield client
