"""A Redis of one's own, that a test may harm, and servers on it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes.servers import Start, starting
from tests.redis_server import RedisServer, redis_server
from tests.upstream import Upstream


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def start(tmp_path: Path, redis: RedisServer, upstream: Upstream) -> Iterator[Start]:
    with starting(tmp_path, redis, upstream) as start:
        yield start


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack
