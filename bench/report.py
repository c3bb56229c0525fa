"""Tables, on the terminal and in `RESULTS.md`."""

import datetime as dt
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import rich.console
import rich.table

Row = dict[str, float]
RESULTS = Path(__file__).parent / "RESULTS.md"
INTRODUCTION = """\
# Results

Written by `scripts/bench`. Every server is one process on one core, the model and the client
share another; medians over interleaved rounds. Absolute values belong to the machine, the ratios
are what matters.

- `us/token`: the server's CPU, user and system, divided by the answer's tokens; `to relay` and
  `to astream` are ratios of it. `complete`: the part of the answer's tokens that arrived.
- Delays are from the moment the model made a token to the moment the client read it;
  "(no server)" is what the bench itself takes.
- `others`: the part of the server's core that other processes took. A busy core makes a server
  read more tokens at once, so that its cost per token falls: compare only where it is low.
- `relay` forwards the model's bytes without reading them, as people write it: FastAPI, httpx,
  `StreamingResponse`. `relay-bare` does the same with aiohttp and no framework, and is the limit of
  what Python can do. `fastapi-astream` reads them, but filters nothing: it also sends the JSON
  around the answer.
- Paced costs hold the beginning of an answer too, which is as much as many tokens: compare only
  figures of the same length.
- `wires`: one Lastword, as `python main.py` starts it, asked the same on each of its wires, with a
  connection of its own for each answer and a client that reads bytes. `us/token` is as fast as it
  goes; `paced us/token`, delays and their ratios are at the speed of a real model; `to text`: to
  plain text, in the same rounds.
"""


class Column(NamedTuple):
    name: str
    form: str


@dataclass(frozen=True)
class Table:
    title: str
    columns: list[Column]
    rows: Mapping[str, Row]
    of: str = "server"

    def cells(self) -> list[list[str]]:
        return [
            [name, *(c.form.format(row[c.name]) if c.name in row else "" for c in self.columns)]
            for name, row in self.rows.items()
        ]

    def markdown(self) -> str:
        head = [self.of, *(c.name for c in self.columns)]
        rule = ["---", *("---:" for _ in self.columns)]
        return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *self.cells()])


def show(table: Table) -> None:
    shown = rich.table.Table(table.of, title=table.title)
    for column in table.columns:
        shown.add_column(column.name, justify="right")
    for cells in table.cells():
        shown.add_row(*cells)
    console = rich.console.Console()
    console.width = max(console.width, 120)  # rows are read, also in a log
    console.print(shown)


def write(name: str, table: Table, command: str) -> None:
    """Put the table into `RESULTS.md`, in the place of its last one."""
    section = f"{table.title}.\n\n{table.markdown()}\n\n"
    section += f"`{command}`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {_machine()}.\n"
    text = RESULTS.read_text() if RESULTS.exists() else ""
    sections = dict(re.findall(r"^## (\S+)\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    sections[name] = section
    body = "\n".join(f"## {title}\n\n{text.strip()}\n" for title, text in sections.items())
    RESULTS.write_text(f"{INTRODUCTION}\n{body}")


def _machine() -> str:
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cpu = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores of {cpu}, Linux, Python {platform.python_version()}"
