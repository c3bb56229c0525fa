"""A table in parts that are small enough, each under the table's head."""

from collections.abc import Iterable, Iterator

from agent.documents.splitting import SIZE

LARGEST_HEAD = SIZE // 3
"""A head that leaves no room for rows is told once."""


def parts(head: str, rows: Iterable[str]) -> Iterator[str]:
    """As many rows in each as there is room for, and the first one with its head in any case."""
    above = head if len(head) <= LARGEST_HEAD else ""
    part = head
    for row in rows:
        if part != above and len(part) + len(row) + len("\n\n\n") > SIZE:
            yield part
            part = above
        part = f"{part}\n{row}" if part else row
    yield part
