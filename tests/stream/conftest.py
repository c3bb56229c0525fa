"""The logs that the contract holds for, and asyncio to run them."""

from collections.abc import AsyncIterator

import pytest

from stream.log import StreamLog
from tests.stream.logs import LOGS


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=LOGS, ids=list(LOGS))
async def log(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[StreamLog]:
    """Each log that there is, one after the other."""
    async with LOGS[request.param]() as log:
        yield log
