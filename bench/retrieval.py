"""Is what answers a question found, and what does it cost to index a folder?

The questions are those of `tests/corpus`, each with the words that its passage must hold. Beside
Lastword's search stands rank-bm25, a plain library, on the same passages.
"""

import argparse
import asyncio
import json
import random
import re
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from rank_bm25 import BM25Okapi

from agent.documents.library import FOUND, Library
from bench.report import Column, Row, Table
from tests.agent.documents.pdfs import pdf

CORPUS = Path(__file__).parents[1] / "tests" / "corpus"
QUESTIONS: list[dict[str, str]] = json.loads((CORPUS / "questions.json").read_text())["questions"]
UNSPACED = ("ja", "zh")
Found = Sequence[tuple[str, str]]
"""Locations and texts, best first."""
FILES = 2000
ONE_PDF_IN = 20


def retrieval(options: argparse.Namespace) -> Iterator[tuple[str, Table]]:
    """The tables by their names."""
    with tempfile.TemporaryDirectory() as folder:
        yield "retrieval", asyncio.run(_quality(Path(folder) / "quality.sqlite"))
    with tempfile.TemporaryDirectory() as folder:
        files = 100 if options.quick else FILES
        yield "indexing", asyncio.run(_indexing(Path(folder), files))


# Quality


async def _quality(path: Path) -> Table:
    library = Library(CORPUS, path)
    await library.update()
    found = [await library.find(each["question"]) for each in QUESTIONS]
    rows = {"lastword": _row([[(p.location, p.text) for p in each] for each in found])}
    with closing(sqlite3.connect(path)) as connection:
        passages = connection.execute("SELECT title, location, text FROM passages").fetchall()
    rows["rank-bm25, words"] = _row(_plain(passages, lambda text: re.findall(r"\w+", text)))
    rows["rank-bm25, spaces"] = _row(_plain(passages, str.split))
    columns = ["recall@5", "MRR", "recall@5 ja zh", "MRR ja zh", "recall@5 others", "MRR others"]
    title = f"{len(QUESTIONS)} questions in six languages to {len(passages)} passages"
    return Table(title, [Column(name, "{:.3f}") for name in columns], rows)


def _plain(
    passages: list[tuple[str, str, str]], cut: Callable[[str], list[str]]
) -> Iterator[Found]:
    """As the library's own introduction uses it."""
    index = BM25Okapi([cut(f"{title} {text}".lower()) for title, _, text in passages])
    for asked in QUESTIONS:
        scores = index.get_scores(cut(asked["question"].lower()))
        best = sorted(range(len(passages)), key=lambda n: -scores[n])[:FOUND]
        yield [passages[n][1:] for n in best if scores[n] > 0]


def _row(found: Sequence[Found] | Iterator[Found]) -> Row:
    places = [
        (asked["path"].startswith(UNSPACED), _place(asked, each))
        for asked, each in zip(QUESTIONS, found, strict=True)
    ]
    row: Row = {}
    for name, wanted in (("", (True, False)), (" ja zh", (True,)), (" others", (False,))):
        chosen = [place for unspaced, place in places if unspaced in wanted]
        row[f"recall@5{name}"] = sum(map(bool, chosen)) / len(chosen)
        row[f"MRR{name}"] = sum(1 / place for place in chosen if place) / len(chosen)
    return row


def _place(asked: dict[str, str], found: Found) -> int:
    """The rank of the first passage that answers, 0 if there is none."""
    hits = (
        place
        for place, (location, text) in enumerate(found, 1)
        if location == asked["path"] and asked["words"] in text
    )
    return next(hits, 0)


# Indexing


async def _indexing(folder: Path, files: int) -> Table:
    size = _write(folder / "docs", files)
    library = Library(folder / "docs", folder / "documents.sqlite")
    before, start = _peak(resource.RUSAGE_SELF), time.perf_counter()
    await library.update()
    took = time.perf_counter() - start
    more = _peak(resource.RUSAGE_SELF) - before
    start = time.perf_counter()
    await library.update()
    again = time.perf_counter() - start
    start = time.perf_counter()
    for asked in QUESTIONS:
        await library.find(asked["question"])
    search = (time.perf_counter() - start) / len(QUESTIONS)
    known = await library.size()
    row: Row = {
        "MiB read": size / 2**20,
        "passages": known.passages,
        "s": took,
        "s unchanged": again,
        "ms/search": 1000 * search,
        "MiB more": more / 1024,
        "MiB of reader": _peak(resource.RUSAGE_CHILDREN) / 1024,
    }
    columns = [Column(name, "{:,.0f}" if name in _WHOLE else "{:.2f}") for name in row]
    return Table(f"{files} files, {files // ONE_PDF_IN} of them PDFs", columns, {"lastword": row})


_WHOLE = {"passages", "MiB more", "MiB of reader"}


def _peak(who: int) -> float:
    """KiB, as Linux counts."""
    return resource.getrusage(who).ru_maxrss


def _write(folder: Path, files: int) -> int:
    """Files of some pages, made of the corpus' own paragraphs. Returns how many bytes they have."""
    folder.mkdir()
    chance = random.Random(1)
    paragraphs = [
        paragraph
        for path in sorted(CORPUS.glob("*/*.md"))
        for paragraph in path.read_text().split("\n\n")
    ]
    for n in range(files):
        chosen = [chance.choice(paragraphs) + f" ({n})" for _ in range(30)]
        if n % ONE_PDF_IN == 0:
            pages = [re.sub(r"[^ -'*-\[\]-~]", " ", text) for text in chosen]
            (folder / f"{n}.pdf").write_bytes(pdf(*pages))
        else:
            suffix = ("md", "txt", "html")[n % 3]
            (folder / f"{n}.{suffix}").write_text("\n\n".join(chosen))
    return sum(path.stat().st_size for path in folder.iterdir())
