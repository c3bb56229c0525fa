"""Documents on the command line: `index`, and what `ask` and the server say of them."""

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import pytest

import main
from agent.documents import meaning
from agent.documents.index import Index, Size
from agent.documents.knowledge import TRIES, Knowledge, UnknownDocuments, index_of
from agent.documents.report import MOST, summary, unreadable
from tests.agent.documents.embedding_server import EmbeddingServer
from tests.agent.running import until
from tests.commands import MAIN, Terminal, environment


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
    embeddings.status = 401
    assert main.cli(["index", "docs"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("1 document, 1 passage.")
    assert said.err.endswith("search finds the rest by its words.\n")
    embeddings.status = 200
    assert main.cli(["index", "docs"]) == 0
    with pytest.raises(SystemExit, match=r"^There is no folder 'nothing'"):
        main.cli(["index", "nothing"])


def test_a_server_of_embeddings_that_is_too_busy(
    tmp_path: Path, folder: Path, embeddings: EmbeddingServer, monkeypatch, capsys, caplog
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LASTWORD_EMBEDDINGS", "openai:small")
    monkeypatch.setenv("OPENAI_BASE_URL", embeddings.url)
    monkeypatch.setattr(meaning, "PAUSE", 0.0)
    embeddings.failures = 1
    assert main.cli(["index", "docs"]) == 0
    assert caplog.messages == [
        "The documents cannot be embedded (RateLimitError).",
        "It is tried again in 0 seconds.",
    ]
    (folder / "new.md").write_text("Boats leave at noon.")
    embeddings.failures = TRIES + 1
    assert main.cli(["index", "docs"]) == 1
    assert embeddings.failures == 1, "not for ever"


def test_a_terminal_that_speaks_less_than_utf_8(tmp_path: Path, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / "größe.pdf").write_bytes(b"%PDF")
    with io.TextIOWrapper(io.BytesIO(), "ascii") as ascii_only:
        monkeypatch.setattr(sys, "stdout", ascii_only)
        assert main.cli(["index", "docs"]) == 0
        ascii_only.seek(0)
        assert "gr??e.pdf is broken" in ascii_only.read()


def test_a_reader_that_has_had_enough(tmp_path: Path, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    theirs, ours = os.pipe()
    os.close(theirs)
    with os.fdopen(ours, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main.cli(["index", "docs"]) == 0


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
