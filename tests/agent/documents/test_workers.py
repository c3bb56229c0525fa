"""Web processes that run no agents, and workers that share one index."""

from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from tests.agent.documents.embedding_server import EmbeddingServer
from tests.commands import TIMEOUT
from tests.processes.servers import Worker, starting
from tests.redis_server import redis_server
from tests.serving import wait_for
from tests.upstream import Upstream

CORPUS = Path(__file__).parents[2] / "corpus"


def test_workers_index_and_the_web_process_does_not(
    tmp_path: Path,
    upstream: Upstream,
    embeddings: EmbeddingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings: dict[str, Any] = {
        "protocol": "tool",
        "openai_base_url": "",  # or it would be the chat model's, too
        "embeddings": "openai:small",
        "documents": CORPUS / "zh",
        "workers": "external",
        "lease": 1,
    }
    monkeypatch.setenv("OPENAI_BASE_URL", embeddings.url)
    with redis_server() as redis, starting(tmp_path, redis, upstream) as start:
        (web,) = start(1, **settings)
        web.wait_until_ready()
        assert requests.get(f"{web.url}/web/config", timeout=TIMEOUT).json()["documents"]
        with openai.OpenAI(base_url=f"{web.url}/v1", api_key="none") as client:
            assert client.embeddings.create(model="small", input="cat").data
        assert not list(tmp_path.glob("documents-*"))
        start(2, Worker, **settings)
        question = {"text": "宿舍几点关门？", "stream": False}
        answer = requests.post(f"{web.url}/chat", json=question, timeout=TIMEOUT).json()
        assert "晚上十一点" in answer["output"]
        wait_for(lambda: len(embeddings.texts) > 10)
    assert len(embeddings.texts) == len(set(embeddings.texts)), "one of them does it"
