"""The results as tables: servers down, formats or cuts across."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bench.fidelity.exactness import Tally
from bench.fidelity.results import Results, own
from bench.fidelity.servers import PARTS, SERVERS
from bench.report import Column, Table


class Metric(NamedTuple):
    """A figure of a server over some formats, if there is one."""

    name: str
    form: str
    of: Callable[[Results, str, list[str]], float | None]


def _share(count: Callable[[Tally], int]) -> Callable[[Results, str, list[str]], float]:
    def share(results: Results, server: str, formats: list[str]) -> float:
        tally = results.tally(server, formats, results.cuts)
        return count(tally) / tally.runs

    return share


def _delay(results: Results, server: str, formats: list[str]) -> float | None:
    tally = results.tally(server, formats, results.vocabularies)
    return tally.late / tally.timed if tally.timed else None


def _cost(results: Results, server: str, formats: list[str]) -> float:
    return sum(results.cost[server, name] for name in formats) / len(formats)


METRICS = [
    Metric("exact", "{:.1%}", _share(lambda tally: tally.exact)),
    Metric("exact but for blanks", "{:.1%}", _share(lambda tally: tally.forgiven)),
    Metric("leaked", "{:.1%}", _share(lambda tally: tally.leaked)),
    Metric("lost", "{:.1%}", _share(lambda tally: tally.lost)),
    Metric("delay", "{:.2f}", _delay),
    Metric("ns/token", "{:,.0f}", _cost),
]


def tables(results: Results) -> Iterator[Table]:
    """The one of the README first."""
    yield summary(results)
    for metric in METRICS:
        yield _by_format(results, metric)


def summary(results: Results) -> Table:
    columns = [Column(metric.name, metric.form) for metric in METRICS]
    title = "Each server on the formats that it is made for"
    return _table(title, columns, lambda server, at: METRICS[at].of(results, server, own(server)))


def _by_format(results: Results, metric: Metric) -> Table:
    formats = list(results.runs)
    columns = [Column(name, metric.form) for name in formats]
    servers = [*SERVERS, *PARTS] if metric.of is _cost else [*SERVERS]
    title = f"By format: {metric.name}"
    return _table(
        title, columns, lambda server, at: metric.of(results, server, [formats[at]]), servers
    )


def by_cut(results: Results) -> Table:
    """Too wide for a terminal."""

    def exact(server: str, at: int) -> float:
        tally = results.tally(server, own(server), [results.cuts[at]])
        return tally.exact / tally.runs

    columns = [Column(way, "{:.0%}") for way in results.cuts]
    return _table("By cut: exact, on the formats that it is made for", columns, exact)


def _table(
    title: str,
    columns: list[Column],
    cell: Callable[[str, int], float | None],
    servers: Iterable[str] = SERVERS,
) -> Table:
    rows = {}
    for server in servers:
        cells = {column.name: cell(server, at) for at, column in enumerate(columns)}
        rows[server] = {name: value for name, value in cells.items() if value is not None}
    return Table(title, columns, rows)
