"""asyncio to run async tests with, and the servers imported while warnings are off."""

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what the servers in comparison import when imported
    import bench.fidelity.servers  # noqa: F401  imported for its warnings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
