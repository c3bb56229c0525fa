"""A server that answers from documents, as its clients see it."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

import main
from agent.documents.index import Index, Size
from agent.documents.knowledge import Knowledge, UnknownDocuments, index_of
from agent.documents.library import Library
from agent.documents.report import MOST, summary, unreadable
from stream.errors import NotFound
from tests.agent.documents.embedding_server import EmbeddingServer, embedding_server, vector
from tests.agent.running import until
from tests.commands import MAIN, TIMEOUT, Terminal, environment
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


# Embeddings


@pytest.fixture(scope="module")
def embeddings() -> Iterator[EmbeddingServer]:
    with embedding_server() as server:
        yield server


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
    embeddings.held, embeddings.status = True, 200
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
    embeddings.held, embeddings.status = False, 200
    settings = {"openai_base_url": embeddings.url, "embeddings": "openai:small"}
    with (
        serving(tmp_path, model="offline", **settings) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):
        for options in ({}, {"encoding_format": "float"}):
            answer = client.embeddings.create(model="small", input=["cat", "car"], **options)
            assert answer.model == "openai:small"
            for text, each in zip(("cat", "car"), answer.data, strict=True):
                assert each.embedding == pytest.approx(vector(text), rel=1e-6)
        one = client.embeddings.create(model="openai:small", input="cat")
        assert len(one.data) == 1
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="large", input="cat")
        for wrong in ({"input": [[1, 2]]}, {"input": []}, {"input": "x", "dimensions": 3}):
            with pytest.raises(openai.BadRequestError):
                client.embeddings.create(**{"model": "small", **wrong})
        embeddings.status = 401
        with pytest.raises(openai.APIStatusError) as failed:
            client.embeddings.create(model="small", input="cat")
        assert "secret" not in str(failed.value)
        assert failed.value.status_code == 502


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


# The command line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "port.md").write_text("Ships report on channel 12.")
    (folder / "bad\x1b.pdf").write_bytes(b"%PDF")
    return folder


def test_ask(tmp_path: Path, folder: Path, monkeypatch, capsys, caplog) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LASTWORD_DOCUMENTS", "docs")
    assert main.cli(["ask", "On which channel do ships report?"]) == 0
    assert capsys.readouterr().out.endswith('"Ships report on channel 12." [1]\n')
    assert caplog.messages == ["Not among the documents: bad.pdf is broken (PdfStreamError)"]


def test_a_progress_bar_in_a_terminal(tmp_path: Path, folder: Path) -> None:
    env = environment(tmp_path) | {"TERM": "xterm"}
    with Terminal([*MAIN, "index", "docs"], tmp_path, env) as terminal:
        terminal.wait_for("Reading")
        terminal.wait_for("1 document, 1 passage.\nNot among them: bad.pdf is broken")
        assert terminal.ends_with() == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"documents": "nothing"}, "LASTWORD_DOCUMENTS: There is no folder 'nothing'"),
        ({"documents": ".", "retriever": "a:b"}, "Use a folder of documents or a retriever"),
        ({"retriever": "nothing"}, "LASTWORD_RETRIEVER: 'nothing' is not a name"),
        ({"embeddings": "nothing"}, "LASTWORD_EMBEDDINGS: 'nothing' is not an embedding model"),
        ({"documents": ".", "agent": "os:path"}, "are for Lastword's own agent"),
    ],
)
def test_mistakes(settings: dict[str, str], words: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(f"LASTWORD_{name.upper()}", value)
    with pytest.raises(SystemExit, match=words):
        main.cli(["ask", "hi"])


def test_index_in_process(tmp_path: Path, folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LASTWORD_DATA", str(tmp_path / "data"))
    with pytest.raises(SystemExit, match="Which folder"):
        main.cli(["index"])
    assert main.cli(["index", "docs"]) == 0
    assert capsys.readouterr().out.startswith("1 document, ")


def test_an_index_that_could_not_be_embedded(
    tmp_path: Path, folder: Path, embeddings: EmbeddingServer, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LASTWORD_EMBEDDINGS", "openai:small")
    monkeypatch.setenv("OPENAI_BASE_URL", embeddings.url)
    embeddings.held, embeddings.status = False, 401
    assert main.cli(["index", "docs"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("1 document, 1 passage.")
    assert said.err.endswith("search finds the rest by its words.\n")
    embeddings.status = 200
    assert main.cli(["index", "docs"]) == 0
    with pytest.raises(SystemExit, match=r"^There is no folder 'nothing'"):
        main.cli(["index", "nothing"])


def test_a_server_that_is_told_to_stop_does_not_read_on(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for n in range(3000):
        (tmp_path / f"docs/{n}.md").write_text(f"# {n}\n\nWords of {n}.")
    env = environment(tmp_path, documents="docs", port=0) | {"TERM": "xterm"}
    with Terminal([*MAIN], tmp_path, env) as terminal:
        terminal.wait_for("Reading")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.ends_with() == 0
    index = Index(tmp_path / index_of(tmp_path / "docs"))
    assert index.size().documents < 3000


def test_an_index_that_cannot_be_made(tmp_path: Path, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / index_of(folder)).mkdir(parents=True)
    with pytest.raises(SystemExit, match="They cannot be indexed: unable to open database file"):
        main.cli(["index", "docs"])


def test_two_who_index(tmp_path: Path, folder: Path, embeddings: EmbeddingServer) -> None:
    async def scenario() -> None:
        embeddings.held = True
        one, other = (
            Knowledge(tmp_path, folder, "openai:small", base_url=embeddings.url) for _ in range(2)
        )
        assert one.library is not None
        assert other.library is not None
        before = len(embeddings.requests)
        first = asyncio.create_task(one.index(one.library))
        await until(lambda: len(embeddings.requests) > before)
        with pytest.raises(UnknownDocuments, match="Another process"):
            await other.index(other.library)
        embeddings.held = False
        assert (await first).documents == 1

    asyncio.run(scenario())


def test_a_long_report_is_cut() -> None:
    size = Size(0, 0, {f"{n}.pdf": "is broken" for n in range(MOST + 2)})
    assert unreadable(size)[-1] == "and 2 more"
    assert len(summary(size).splitlines()) == MOST + 2
