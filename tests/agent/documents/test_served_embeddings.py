"""`/v1/embeddings`, and what a server does with its embedding model, as clients see it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
import requests

from agent.documents.embeddings import AT_ONCE
from tests.agent.documents.embedding_server import EmbeddingServer, vector
from tests.commands import TIMEOUT
from tests.serving import serving, wait_for

CORPUS = Path(__file__).parents[2] / "corpus"


def test_stopping_in_mid_retrieval(tmp_path: Path, embeddings: EmbeddingServer) -> None:
    settings = {"openai_base_url": embeddings.url, "embeddings": "openai:small"}
    with serving(tmp_path, model="offline", documents=CORPUS / "zh", **settings) as server:
        wait_for(lambda: len(embeddings.texts) >= 10)
        embeddings.held = True
        headers = {"Accept": "text/event-stream"}
        question = {"text": "How is tea stored?", "on_disconnect": "cancel"}
        stream = requests.post(
            f"{server.url}/chat", json=question, headers=headers, stream=True, timeout=TIMEOUT
        )
        wait_for(lambda: "How is tea stored?" in embeddings.texts)
        stream.close()
        wait_for(lambda: embeddings.left == 1)
        server.wait_until_idle()
        embeddings.held = False
        assert server.runner.embeddings == "openai:small"


def test_there_are_so_many_embeddings_at_once(tmp_path: Path, embeddings: EmbeddingServer) -> None:
    embeddings.held = True
    settings = {"openai_base_url": embeddings.url, "embeddings": "openai:small", "max_runs": 1}
    with (
        serving(tmp_path, model="offline", **settings) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = len(embeddings.requests)
        first = pool.submit(client.embeddings.create, model="small", input="cat")
        wait_for(lambda: len(embeddings.requests) > asked)
        with pytest.raises(openai.RateLimitError):
            client.embeddings.create(model="small", input="car")
        embeddings.held = False
        assert len(first.result().data) == 1
        assert client.embeddings.create(model="small", input="car").data


def test_embeddings_for_openais_clients(tmp_path: Path, embeddings: EmbeddingServer) -> None:
    settings = {"openai_base_url": embeddings.url, "embeddings": "openai:small"}
    with (
        serving(tmp_path, model="offline", **settings) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):
        for options in ({}, {"encoding_format": "float"}, {"encoding_format": None}):
            answer = client.embeddings.create(model="small", input=["cat", "car"], **options)
            assert answer.model == "openai:small"
            for text, each in zip(("cat", "car"), answer.data, strict=True):
                assert each.embedding == pytest.approx(vector(text), rel=1e-6)
        one = client.embeddings.create(model="openai:small", input="cat")
        assert len(one.data) == 1
        with pytest.raises(openai.NotFoundError, match="those of 'openai:small' here"):
            client.embeddings.create(model="large", input="cat")
        for wrong in ({"input": [[1, 2]]}, {"input": []}, {"input": "x", "dimensions": 3}):
            with pytest.raises(openai.BadRequestError):
                client.embeddings.create(**{"model": "small", **wrong})
        embeddings.status = 401
        with pytest.raises(openai.APIStatusError) as failed:
            client.embeddings.create(model="small", input="cat")
        assert "secret" not in str(failed.value)
        assert failed.value.status_code == 502


def test_as_many_texts_as_openai_takes(tmp_path: Path, embeddings: EmbeddingServer) -> None:
    """Its server need not take as many at once."""
    settings = {"openai_base_url": embeddings.url, "embeddings": "openai:small"}
    texts = [str(number) for number in range(2048)]
    with (
        serving(tmp_path, model="offline", **settings) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):
        answer = client.embeddings.create(model="small", input=texts)
        assert [each.index for each in answer.data] == list(range(2048))
        assert answer.data[-1].embedding == pytest.approx(vector("2047"), rel=1e-6)
        assert embeddings.texts == texts
        assert max(len(request["input"]) for request in embeddings.requests) == AT_ONCE
        with pytest.raises(openai.BadRequestError, match="2048"):
            client.embeddings.create(model="small", input=[*texts, "more"])
