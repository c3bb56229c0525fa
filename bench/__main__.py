"""`scripts/bench [saturated|bounded|paced|first|all]`: all of these by default.

`scripts/bench wires` asks one Lastword on every wire. `scripts/bench fidelity` measures no speed,
but who shows exactly the answer; `scripts/bench soak`, whether anything is lost between two
processes; `scripts/bench readers`, what many readers, and those who stop reading, cost one server;
`scripts/bench retrieval`, whether what answers a question is found, and the cost of an index.
"""

import argparse
import shlex
import sys
from collections.abc import Callable

from bench import report, speed
from bench.servers import SERVERS
from bench.wires import WIRES, Wires, wires

MODES: dict[str, Callable[[speed.Bench, argparse.Namespace], report.Table]] = {
    "saturated": speed.saturated,
    "bounded": speed.bounded,
    "paced": speed.paced,
    "first": speed.first,
}
OTHERS = ["wires", "soak", "readers", "fidelity", "retrieval"]
QUICK = {"clients": 4, "tokens": 100, "streams": 10, "seconds": 1, "requests": 3, "rounds": 1}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("mode", nargs="?", default="all", choices=["all", *MODES, *OTHERS])
    parser.add_argument("--clients", type=int, default=32, help="saturated: streams at once")
    parser.add_argument("--tokens", type=int, default=1000, help="saturated: tokens of an answer")
    parser.add_argument("--window", type=int, default=8, help="bounded: tokens on their way")
    parser.add_argument("--streams", type=int, help="paced: streams at once: 150, of wires 50")
    parser.add_argument("--rate", type=float, default=20, help="paced: tokens/s of each stream")
    parser.add_argument("--seconds", type=float, default=6, help="paced: length of a stream")
    parser.add_argument("--ramp", type=float, default=2, help="paced: seconds to start them in")
    parser.add_argument("--requests", type=int, default=30, help="first: requests")
    parser.add_argument("--rounds", type=int, help="by default 3, paced 2")
    parser.add_argument("--only", nargs="+", default=[], choices=[*SERVERS, *WIRES], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    return parser


def fidelity(options: argparse.Namespace, command: str) -> None:
    """The leak table."""
    from bench.fidelity import page, results, tables  # imports much that the others do without

    found = results.compare(
        every=10 if options.quick else 1, rounds=3 * (options.rounds or speed.ROUNDS)
    )
    for table in tables.tables(found):
        report.show(table)
    if not options.quick:
        page.write(found, command)


def retrieved(options: argparse.Namespace, command: str) -> None:
    """What is found, and what an index costs."""
    from bench.retrieval import retrieval  # imports a library that the others do without

    for name, table in retrieval(options):
        report.show(table)
        if not options.quick:
            report.write(name, table, command)


def beside_tests(options: argparse.Namespace) -> report.Table:
    """What imports the tests' model, which the others do without."""
    if options.mode == "soak":
        from bench.soak import soak

        return soak(options)
    from bench.readers import readers

    return readers(options)


def main() -> None:
    options = parser().parse_args()
    if options.quick:
        vars(options).update(QUICK)
    command = shlex.join(["scripts/bench", *sys.argv[1:]])
    if options.mode == "fidelity":
        fidelity(options, command)
        return
    if options.mode == "retrieval":
        retrieved(options, command)
        return
    if options.mode in {"soak", "readers"}:
        table = beside_tests(options)
        report.show(table)
        if not options.quick:
            report.write(options.mode, table, command)
        return
    kind, modes = (Wires, {"wires": wires}) if options.mode == "wires" else (speed.Bench, MODES)
    with kind(options.only) as bench:
        for name, run in modes.items():
            if options.mode in (name, "all"):
                table = run(bench, options)
                report.show(table)
                if not (options.quick or options.only):
                    report.write(name, table, command)


if __name__ == "__main__":
    main()
