"""A reply whose provider labels what it says: a string's ways, over chunks of one character."""

from collections.abc import Iterable, Iterator
from typing import SupportsIndex, overload

from callbacks.filters.base import CallDelta, Chunk


class Tape(tuple[Chunk, ...]):
    """Chunks that cannot be cut any further. A slice is a tape."""

    __slots__ = ()

    @overload
    def __getitem__(self, key: SupportsIndex) -> Chunk: ...
    @overload
    def __getitem__(self, key: slice) -> "Tape": ...
    def __getitem__(self, key):
        found = super().__getitem__(key)
        return Tape(found) if isinstance(key, slice) else found

    def __add__(self, other: "Tape") -> "Tape":
        return Tape((*self, *other))


def tape(*said: Chunk) -> Tape:
    """Cut as small as it goes. A call without an index is one piece."""
    return Tape(atom for chunk in said for atom in _atoms(chunk))


def text(words: str) -> Tape:
    return tape(Chunk(words))


def thought(words: str) -> Tape:
    return tape(Chunk(thought=words))


def phase(name: str) -> Tape:
    return tape(Chunk(phase=name))


def call(at: int | str | None, name: str = "", args: str = "", id: str = "") -> Tape:  # noqa: A002  named as CallDelta
    return tape(Chunk(calls=(CallDelta(at, name, args, id),)))


def _atoms(chunk: Chunk) -> Iterator[Chunk]:
    yield from (Chunk(thought=char) for char in chunk.thought)
    if chunk.phase:
        yield Chunk(phase=chunk.phase)
    yield from (Chunk(char) for char in chunk.text)
    for piece in chunk.calls:
        if piece.at is None:
            yield Chunk(calls=(piece,))
            continue
        if piece.name or piece.id:
            yield Chunk(calls=(piece._replace(args=""),))
        yield from (Chunk(calls=(CallDelta(piece.at, args=char),)) for char in piece.args)


def chunks(piece: str | Tape | Chunk) -> list[Chunk]:
    """In as few chunks as can carry it: what is thought, then said, then called."""
    if isinstance(piece, Chunk):
        return [piece]
    if isinstance(piece, str):
        return [Chunk(piece)]
    return [_joined(run) for run in _runs(piece)] or [Chunk()]


def _runs(atoms: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    run: list[Chunk] = []
    last = 0
    for atom in atoms:
        rank = 0 if atom.thought else 1 if atom.phase else 2 if atom.text else 3
        if run and (rank < last or rank == last == 1):
            yield run
            run = []
        run.append(atom)
        last = rank
    if run:
        yield run


def _joined(run: list[Chunk]) -> Chunk:
    calls: list[list[CallDelta]] = []
    for piece in (piece for atom in run for piece in atom.calls):
        begins = piece.at is None or piece.name or piece.id
        if calls and not begins and calls[-1][-1].at == piece.at:
            calls[-1].append(piece)
        else:
            calls.append([piece])
    return Chunk(
        "".join(atom.text for atom in run),
        "".join(atom.thought for atom in run),
        tuple(same[0]._replace(args="".join(piece.args for piece in same)) for same in calls),
        next((atom.phase for atom in run if atom.phase), None),
    )
