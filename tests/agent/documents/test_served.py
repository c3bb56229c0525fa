"""A server that answers from documents, as its clients see it."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from agent.documents.knowledge import index_of
from agent.documents.library import Library
from agent.offline.lookup import NOT_NOW
from stream.errors import NotFound
from tests.commands import TIMEOUT
from tests.replies import Reply, blob, final
from tests.serving import Lastword, serving, wait_for
from tests.upstream import Upstream

CORPUS = Path(__file__).parents[2] / "corpus"
QUESTIONS = json.loads((CORPUS / "questions.json").read_text())["questions"]


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lastword]:
    """The embedded model on the corpus."""
    data = tmp_path_factory.mktemp("data")
    with serving(data, model="offline", documents=CORPUS) as server:
        yield server


def ask(server: Lastword, text: str, **options: Any) -> Any:
    body = {"text": text, "stream": False} | options
    return requests.post(f"{server.url}/chat", json=body, timeout=TIMEOUT).json()


def events(server: Lastword, text: str) -> list[tuple[str, Any]]:
    headers = {"Accept": "text/event-stream"}
    url = f"{server.url}/chat"
    with requests.post(url, json={"text": text}, headers=headers, timeout=TIMEOUT) as answer:
        frames = [frame.split("\n") for frame in answer.text.split("\n\n") if "event: " in frame]
    named = [dict(line.split(": ", 1) for line in frame if ": " in line) for frame in frames]
    return [(frame["event"], json.loads(frame["data"])) for frame in named]


def test_an_answer_with_its_sources(offline: Lastword) -> None:
    answer = ask(offline, "How many bicycles are carried on one crossing?")
    assert "Bicycles are carried on the lower deck, at most 24 of them" in answer["output"]
    first = answer["sources"][0]
    assert (first["number"], first["location"]) == (1, "en/ferry.md")
    assert first["title"] == "Handbook of the island ferry › On board › Bicycles"
    assert answer["cited"] == [1]
    assert "unknown_citations" not in answer
    run = requests.get(f"{offline.url}/runs/{answer['run_id']}", timeout=TIMEOUT).json()
    assert (run["sources"], run["cited"]) == (answer["sources"], [1])


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("本は何冊まで借りられますか？", "十冊まで"),
        ("泡绿茶要用多少度的水？", "八十度"),
        ("Wer ist bei der Bergrettung, welche Nummer?", "1414"),
        ("Comment lutter contre les limaces ?", "planches humides"),
    ],
)
def test_in_other_languages(offline: Lastword, question: str, quoted: str) -> None:
    assert quoted in ask(offline, question)["output"]


def test_a_follow_up_question(offline: Lastword) -> None:
    thread = ask(offline, "May cats and dogs enter the restaurant of the ferry?")["thread_id"]
    after = ask(offline, "And where do they travel?", thread_id=thread)
    assert "closed basket" in after["output"]
    assert ask(offline, "6 * 7", thread_id=thread)["output"] == "6 * 7 is 42."


def test_an_honest_no(offline: Lastword) -> None:
    answer = ask(offline, "Who wrote the opera Tosca?")
    assert answer["output"] == "I found nothing about that in the documents."
    assert answer["cited"] == []


def test_documents_that_another_process_is_reading(tmp_path: Path) -> None:
    """The server is there, and says so."""
    lock = (tmp_path / index_of(CORPUS)).with_suffix(".lock")
    with closing(sqlite3.connect(lock, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with serving(tmp_path, model="offline", documents=CORPUS) as server:
            assert ask(server, "When is honey ripe?")["output"] == NOT_NOW
            other.close()
            wait_for(lambda: "two thirds" in ask(server, "When is honey ripe?")["output"])


def test_sources_come_before_the_tool_has_finished(offline: Lastword) -> None:
    told = events(offline, "When is honey ripe?")
    names = [name for name, _ in told]
    assert names[0] == "start"
    assert names[1:3] == ["tool", "source"]
    last_source = len(names) - 1 - names[::-1].index("source")
    assert told[last_source + 1][1]["state"] == "finished"
    assert told[-1][1]["cited"] == [1]


def test_openais_clients_get_them_as_annotations(offline: Lastword) -> None:
    with openai.OpenAI(base_url=f"{offline.url}/v1", api_key="none", max_retries=0) as client:
        answer = client.chat.completions.create(
            model="offline", messages=[{"role": "user", "content": "Can I bring a horse?"}]
        )
    message = answer.choices[0].message
    cited = message.annotations[0].url_citation
    assert cited.url == "en/ferry.md"
    assert message.content[cited.start_index : cited.end_index] == "[1]"


def test_what_the_model_makes_up_is_reported(
    serve: Callable[..., Lastword], upstream: Upstream
) -> None:
    server = serve(documents=CORPUS)
    upstream.say(blob("search", "honey harvest"))
    upstream.say(final("It is ripe [1], and blue [9]."))
    answer = ask(server, "Honey?")
    assert (answer["cited"], answer["unknown_citations"]) == ([1], [9])
    assert "Harvest" in answer["sources"][0]["title"]
    upstream.say(final("As I said [1]."))
    again = ask(server, "Really?")
    assert (again["sources"], again["unknown_citations"]) == ([], [1])


def test_runs_at_the_same_time_do_not_mix(
    serve: Callable[..., Lastword], upstream: Upstream, tmp_path: Path
) -> None:
    def search_then_answer(body: Any) -> Reply:
        question, *after = [each["content"] for each in body["messages"] if each["role"] == "user"]
        return Reply(tokens=[final(f"{question} [1]") if after else blob("search", question)])

    server = serve(documents=CORPUS)
    upstream.default = search_then_answer
    questions = [each["question"] for each in QUESTIONS[::3]]
    with ThreadPoolExecutor(len(questions)) as pool:
        answers = list(pool.map(lambda question: ask(server, question), questions))
    library = Library(CORPUS, tmp_path / index_of(CORPUS))
    for question, answer in zip(questions, answers, strict=True):
        assert answer["output"] == f"{question} [1]"
        found = [passage.text for passage in asyncio.run(library.find(question))]
        assert [source["passage"] for source in answer["sources"]] == found
        assert [source["number"] for source in answer["sources"]] == list(range(1, len(found) + 1))


# A retriever of one's own


class Own(BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager):
        return [Document(f"You asked: {query}", metadata={"source": "https://own.example"})]


OWN = Own()


def test_a_retriever_of_ones_own(tmp_path: Path) -> None:
    with serving(tmp_path, model="offline", retriever=f"{__name__}:OWN") as server:
        answer = ask(server, "What about zebras?")
    assert answer["output"].endswith('"You asked: What about zebras?" [1]')
    assert answer["sources"][0]["location"] == "https://own.example"


def test_without_an_embedding_model(offline: Lastword) -> None:
    assert offline.runner.embeddings is None
    with pytest.raises(NotFound, match="no embedding model"):
        asyncio.run(offline.runner.embed(["x"]))
