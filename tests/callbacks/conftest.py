"""asyncio to run async tests with."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
