"""`FIDELITY.md`: what was done, what is meant by the words, and the tables."""

import datetime as dt
import platform
from pathlib import Path

from bench.fidelity.results import Results
from bench.fidelity.tables import by_cut, tables
from bench.report import Table

PAGE = Path(__file__).parent.parent / "FIDELITY.md"
INTRODUCTION = """\
# Fidelity

Written by `scripts/bench fidelity`: what a user is shown of the same runs by six ways of showing
an agent's answer, cut into tokens by the same vocabularies.

- A **run** is what models write from question to answer: no, one or two replies that call a tool,
  then the reply with the answer. Answers are short, long and empty, in many scripts, with
  Markdown, code and JSON in them, and some speak of the formats themselves. Replies are written
  in many styles: fences of all kinds and none, keys in either order, escapes in every spelling, raw
  line breaks, thoughts before, more text after, such as the observation that models make up where
  no stop sequence holds them. What the answer is, and from when on it is certain, is known from the
  writing, not from a parser. The runs are written for this; how often a style occurs with some
  model is another question, so read a figure as a rank, not as a rate. One of the 45 answers is
  empty, so that a server which shows nothing is exact in 2.2 % of the runs.
- A **cut** is a tokenizer with its published vocabulary, decoded as model servers do it, or
  characters, words, the whole text, or one of three random ways.
- **exact**: what was shown over the whole run equals the answer. **exact but for blanks**: it does
  if both are stripped. **leaked**: something was shown that is not in the answer. **lost**:
  something of the answer was not shown. Both are judged mildly: one may be missed, never both.
- **delay**: tokens between the one that made a character certain and the one with which it was
  shown, the end of a reply being a token of its own; a mean over all characters of the answers that
  were exact but for blanks, if there are any, with the published vocabularies. With native tool
  calls (`message`) nothing is certain before the end of a reply: whoever shows it sooner is not
  late, but leaks. The answer tool (`tool`) does not have to wait.
- **ns/token**: CPU time of the handler's hooks alone while the model answers, divided by tokens;
  without LangChain around it (see `RESULTS.md` for whole servers), and without the reader. Two of
  the servers have no handler: for them it is the least that can be done with a token.

The servers, as their users write them and their documentation says:

- *tutorial's handler*: the handler of `bench/tutorial.py`, made for `json_chat`.
- *FinalStreamingStdOut*, *AsyncFinalIterator*: LangChain's own, made for `Final Answer:`. They are
  told the marker of each format as the tokens that the very vocabulary cuts it into.
- *LangGraph messages*: `stream_mode="messages"`, all text of the agent's node; made for `message`.
- *buffering*: waits for the whole reply, then asks LangChain's own parser of the format.
- *Lastword*: the handler of this project, as it is served to clients that cannot take text back.

What a handler has put where its client reads counts as shown: tokens that connections and races
lose are not part of this. Replies that a parser of LangChain rejects are not asked for again.
"""


def write(results: Results, command: str) -> None:
    runs, cuts = sum(results.runs.values()), len(results.cuts)
    PAGE.write_text(
        f"{INTRODUCTION}\n"
        + "\n".join(map(_section, [*tables(results), by_cut(results)]))
        + f"\n{_faults(results)}\n\n"
        + f"`{command}`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}: "
        + f"{runs} runs of {len(results.runs)} formats in {cuts} cuts, by each server.\n"
    )


def _section(table: Table) -> str:
    return f"## {table.title}\n\n{table.markdown()}\n"


def _faults(results: Results) -> str:
    if not results.faults:
        return "Lastword was exact and never late in all of them."
    shown = "\n".join(f"- {fault}" for fault in results.faults[:20])
    return f"Lastword was not exact, or late, {len(results.faults)} times:\n\n{shown}"
