"""A small folder, a library of it, and a server of embeddings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.documents.library import Library
from tests.agent.documents.embedding_server import SIZE, EmbeddingServer, embedding_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "cats.md").write_text("# Cats\n\nA cat purrs when it sleeps.")
    (folder / "cars.txt").write_text("A car needs oil.")
    return folder


@pytest.fixture
def library(folder: Path, tmp_path: Path) -> Library:
    return Library(folder, tmp_path / "documents.sqlite")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as server:
        yield server


@pytest.fixture
def embeddings(server: EmbeddingServer) -> Iterator[EmbeddingServer]:
    server.requests.clear()
    server.held, server.status, server.refused, server.left = False, 200, "", 0
    server.size, server.failures = SIZE, 0
    yield server
    server.held = False
