"""The index: what is put in is found, and no question breaks it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent.documents import index as module
from agent.documents import vectors
from agent.documents.block import Block
from agent.documents.files import Stamp
from agent.documents.index import Index, Size, connect, passages, ranked
from agent.documents.passage import Passage

STAMP = Stamp(1, 2)
CATS = Block(("Pets", "Cats"), "Cats purr when they sleep.")
DOGS = Block(("Pets",), "Dogs bark at cats.", "page=2")


@pytest.fixture
def index(tmp_path: Path) -> Index:
    index = Index(tmp_path / "documents.sqlite")
    index.prepare("here")
    return index


@pytest.fixture
def find(index: Index) -> Callable[[str], list[Passage]]:
    def find(question: str) -> list[Passage]:
        with closing(connect(index.path)) as connection:
            return passages(connection, ranked(connection, question, 5))

    return find


def test_what_is_put_in_is_found(index: Index, find) -> None:
    index.put("a/pets.md", STAMP, [CATS, DOGS])
    index.put("tea.txt", STAMP, [Block((), "Tea is hot.")])
    cats, dogs = find("Do CATS purr?")
    assert cats[:3] == ("Pets › Cats", "a/pets.md", "Cats purr when they sleep.")
    assert dogs[:3] == ("Pets", "a/pets.md#page=2", "Dogs bark at cats.")
    assert cats.score > dogs.score > 0
    assert find("tea")[0].title == "tea.txt"
    assert find("sleeping")[0] == find("sleep")[0]._replace(score=find("sleeping")[0].score)
    assert find("zebra") == find("") == find("?") == []
    assert index.size() == Size(2, 3, {})
    assert index.stamps() == {"a/pets.md": STAMP, "tea.txt": STAMP}


def test_what_has_changed_or_gone(index: Index, find) -> None:
    index.put("a.md", STAMP, [CATS])
    index.put("a.md", Stamp(2, 2), [DOGS])
    assert [found.text for found in find("cats")] == [DOGS.text]
    assert index.stamps() == {"a.md": Stamp(2, 2)}
    index.refuse("a.md", STAMP, "is broken")
    assert find("cats") == []
    assert index.size() == Size(0, 0, {"a.md": "is broken"})
    index.put("a.md", STAMP, [CATS])
    index.forget(["a.md", "never.md"])
    assert find("cats") == []
    assert index.size() == Size(0, 0, {})


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example('" OR terms MATCH "x')
@example("title:cats NEAR(a b, 3) *^-+{}'\";DROP TABLE passages;--")
@example("cats AND")
@example("\0\ud800")
@given(st.text())
def test_no_question_breaks_it(index: Index, find, question: str) -> None:
    index.put("a.md", STAMP, [CATS])
    find(question)
    assert len(find("cats")) == 1


def test_it_is_kept(index: Index, find, monkeypatch: pytest.MonkeyPatch) -> None:
    index.put("a.md", STAMP, [CATS])
    index.prepare("here")
    assert len(find("cats")) == 1
    index.prepare("elsewhere")
    assert find("cats") == []
    index.put("a.md", STAMP, [CATS])
    monkeypatch.setattr(module, "VERSION", "next")
    index.prepare("elsewhere")
    assert find("cats") == []


def test_who_reads_while_it_is_made_anew_reads_on(index: Index, find) -> None:
    index.put("a.md", STAMP, [CATS])
    with closing(connect(index.path)) as reader:
        reader.execute("BEGIN")
        assert len(passages(reader, ranked(reader, "cats", 5))) == 1
        index.prepare("elsewhere")
        assert len(passages(reader, ranked(reader, "cats", 5))) == 1
    assert find("cats") == []


def test_one_that_is_broken_is_made_anew(index: Index, find) -> None:
    index.path.write_bytes(b"This is no database. " * 1000)
    index.prepare("here")
    index.put("a.md", STAMP, [CATS])
    assert len(find("cats")) == 1


def test_one_that_is_locked_is_not_thrown_away(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "connect", lambda path: sqlite3.connect(path, timeout=0))
    with closing(sqlite3.connect(index.path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            index.prepare("elsewhere")
    assert index.path.stat().st_size > 0


def test_a_passage_that_has_just_gone(index: Index) -> None:
    index.put("a.md", STAMP, [CATS])
    with closing(connect(index.path)) as connection:
        assert passages(connection, {1: 2.0, 77: 1.0}) == [
            Passage("Pets › Cats", "a.md", CATS.text, 2.0)
        ]


def test_vectors(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "BATCH", 2)
    index.put("a.md", STAMP, [Block((), f"Word{n}.") for n in range(5)])
    with index.open() as connection:
        assert vectors.begin(connection, "fake:one") == 5
        assert len(vectors.missing(connection, 3)) == 3
        digests = list(vectors.missing(connection, 9))
        numbers = range(1, 6)
        given = [[1, 0], [0, 2], [3, 3], [0, 0]]
        vectors.put(connection, zip(digests, given, strict=False))
        assert vectors.begin(connection, "fake:one") == 1
        found = vectors.nearest(connection, [0, 5], 3)
        assert list(found) == [numbers[1], numbers[2], numbers[0]]
        assert list(found.values()) == pytest.approx([1, 0.5**0.5, 0])
        assert vectors.without(connection, numbers, [0, 5]) == {5}
        vectors.put(connection, [(digests[4], [1, 2, 3])])
        assert vectors.begin(connection, "fake:one") == 4, "of another size: not to be compared"
        assert list(vectors.nearest(connection, [1, 2, 3], 3)) == [numbers[4]]
        assert vectors.begin(connection, "fake:two") == 5
        assert vectors.nearest(connection, [0, 5], 3) == {}
