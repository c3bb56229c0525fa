"""What an operator sees of indexing: a progress bar in a terminal, and what could not be read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.documents import updating
from agent.documents.block import in_one_line
from agent.documents.index import Size
from stream.printable import printable

MOST = 20
"""Files that are named one by one."""


@contextmanager
def progress_bar() -> Iterator[updating.Progress]:
    """On standard error, if that is a terminal. It is gone when it is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("Looking", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield show


def summary(size: Size) -> str:
    """How much there is, and what could not be read."""
    refused = [f"Not among them: {line}." for line in unreadable(size)]
    counted = [_counted(size.documents, "document"), _counted(size.passages, "passage")]
    return "\n".join([f"{', '.join(counted)}.", *refused])


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def unreadable(size: Size) -> list[str]:
    """A line for each file that could not be read. A file's name may hold anything."""
    named = [f"{printable(in_one_line(path))} {reason}" for path, reason in size.unreadable.items()]
    more = len(named) - MOST
    return [*named[:MOST], f"and {more} more"] if more > 0 else named
