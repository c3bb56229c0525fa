"""Talking in the terminal: on a real one, and in this process."""

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from langchain_core.tools import StructuredTool

import main
from agent.tools.named import OURS
from tests.commands import MAIN, Terminal, environment
from tests.replies import Gate, Reply, Stall, Status, blob, final
from tests.upstream import Upstream

HINT = "Ctrl-C stops an answer, Ctrl-D leaves.\n"
CTRL_C, CTRL_D = "\x03", "\x04"
HOSTILE = "red\x1b[31m title\x1b]0;pwned\x07 up\x1b[2A c1\x9b2J\x85 back\b\r\x7f\ttab\nend"
HARMLESS = "red[31m title]0;pwned up[2A c12J back\ttab\nend"


def words(answer: str) -> list[str]:
    """The tokens of a reply: the answer's words stand alone."""
    opening, closing = final("|").split("|")
    return [opening, *re.findall(r"\s?\S+", answer), closing]


def asked(upstream: Upstream) -> list[str]:
    """The conversation as the last request brought it, without the system's words."""
    return [message["content"] for message in upstream.requests[-1].body["messages"][1:]]


# On a terminal


@pytest.fixture
def terminal(tmp_path: Path, upstream: Upstream) -> Iterator[Terminal]:
    env = environment(tmp_path, openai_base_url=upstream.url, protocol="json_chat")
    with Terminal([*MAIN, "chat"], tmp_path, env) as terminal:
        assert terminal.wait_for_prompt() == f"{HINT}> "
        yield terminal


def test_a_conversation(terminal: Terminal, upstream: Upstream) -> None:
    upstream.say(blob("calculator", "21 * 2"))
    upstream.script(Reply(tokens=words("It is 42."), gate=(gate := Gate(2))))
    terminal.type("21 * 2?\n")
    assert terminal.wait_for("It") == "21 * 2?\n  calculator: 42\nIt"
    gate.release(1)
    assert terminal.wait_for("is") == " is"
    gate.release()
    assert terminal.wait_for_prompt() == " 42.\n> "

    upstream.say(final("84, of course."))
    terminal.type("and that times two?\n")
    assert terminal.wait_for_prompt() == "and that times two?\n84, of course.\n> "
    assert asked(upstream) == ["21 * 2?", final("It is 42."), "and that times two?"]

    terminal.type(CTRL_D)
    assert terminal.ends_with() == 0


def test_control_keys(terminal: Terminal, upstream: Upstream) -> None:
    terminal.type(CTRL_C)
    assert terminal.wait_for_prompt() == "^C\n> "
    upstream.script(Stall(tokens=words("It is"), after=2))
    terminal.type("hi\n")
    assert terminal.wait_for("It") == "hi\nIt"
    terminal.type(CTRL_C)
    assert terminal.wait_for_prompt() == "^C\n(stopped)\n> "
    upstream.wait_for(lambda: upstream.cancelled == 1)

    upstream.say(final(HOSTILE))
    terminal.type("go on\n")
    assert terminal.wait_for_prompt() == f"go on\n{HARMLESS}\n> "
    assert asked(upstream) == ["hi", final("It"), "go on"]

    terminal.type(CTRL_D)
    assert terminal.ends_with() == 0


# In this process


@pytest.fixture
def scripted(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Upstream]:
    """The scriptable model, for a command that is run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LASTWORD_DATA", str(tmp_path))
    monkeypatch.setenv("LASTWORD_MODEL", "openai:test")
    monkeypatch.setenv("LASTWORD_PROTOCOL", "json_chat")
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    monkeypatch.setenv("TERM", "dumb")
    handler = signal.getsignal(signal.SIGINT)
    yield upstream
    signal.signal(signal.SIGINT, handler)


class Typed(io.StringIO):
    """Standard input; an empty line is Ctrl-C."""

    def readline(self, size: int | None = -1) -> str:
        if (line := super().readline()) == "\n":
            raise KeyboardInterrupt
        return line


Chat: TypeAlias = Callable[..., str]


@pytest.fixture
def chat(
    scripted: Upstream, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Chat:
    """What the screen shows of a conversation in which this is typed."""

    def run(typed: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "stdin", Typed(typed))
        assert main.cli(["chat", *arguments]) == 0
        out, err = capfd.readouterr()
        assert err == ""
        assert out.startswith(HINT)
        return out.removeprefix(HINT)

    return run


@contextmanager
def interrupted(upstream: Upstream, sent: int) -> Iterator[None]:
    """Ctrl-C, once the model has said so many tokens."""

    def interrupt() -> None:
        upstream.wait_for(lambda: [request.sent for request in upstream.requests] == [sent])
        os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as user:
        done = user.submit(interrupt)
        yield
        done.result()


def test_nothing_is_asked_by_a_blank_line_or_ctrl_c(chat: Chat, scripted: Upstream) -> None:
    assert chat(" \n\n") == "> > \n> \n"
    assert scripted.requests == []


def test_an_answer_a_failure_and_an_answer(chat: Chat, scripted: Upstream) -> None:
    scripted.say(final("One."))
    scripted.script(Status(401))
    scripted.say(final("Two.\n"))
    shown = "> One.\n> The model's server refused this server's key.\n> Two.\n> \n"
    assert chat("a\nb\nc\n") == shown
    assert asked(scripted) == ["a", final("One."), "c"]


def test_a_failure_comes_after_what_was_answered(chat: Chat, scripted: Upstream) -> None:
    scripted.script(Reply(tokens=words("It is")[:-1], finish_reason=None))
    failure = "The model's stream ended in the middle of its reply."
    assert chat("a\n") == f"> It is\n{failure}\n> \n"


def test_raw(chat: Chat, scripted: Upstream) -> None:
    scripted.say(blob("calculator", "21 * 2"))
    scripted.say(final(HOSTILE))
    shown = f"> {blob('calculator', '21 * 2')}\n  calculator: 42\n{final(HOSTILE)}\n> \n"
    assert chat("a\n", "--raw") == shown.translate({0x7F: None, 0x85: None, 0x9B: None})


def test_words_of_tools_are_harmless_too(
    chat: Chat, scripted: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = StructuredTool.from_function(lambda text: text, name="echo", description="Echoes.")
    monkeypatch.setitem(OURS, "echo", echo)
    monkeypatch.setenv("LASTWORD_TOOLS", "echo")
    scripted.say(blob("echo", HOSTILE))
    scripted.say(final("No."))
    shown = chat("a\n")
    assert shown.split() == f"> echo: {HARMLESS} No. >".split()  # rich has expanded the tab


def test_sources_that_are_cited_are_listed(
    chat: Chat, scripted: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("port", "ships"):
        (tmp_path / f"docs/{name}.md").write_text(f"Ships report at the {name}.")
    monkeypatch.setenv("LASTWORD_DOCUMENTS", "docs")
    scripted.say(blob("search", "ships"))
    scripted.say(final("At the port [2]. Or [7]?"))
    shown = chat("Where?\n")
    assert re.match(r"> {3}search: \[1\] \w+\.md \(\w+\.md\)\n> Ships", shown)
    assert re.search(r"…\nAt the port \[2\]. Or \[7\]\?\n {2}\[2\] (\w+\.md) \(\1\)\n> \n$", shown)


@pytest.mark.parametrize("sent", [0, 1])
def test_ctrl_c_before_the_answer(chat: Chat, scripted: Upstream, sent: int) -> None:
    scripted.script(Stall(tokens=words("It is"), after=sent))
    with interrupted(scripted, sent):
        assert chat("a\n") == "> (stopped)\n> \n"
    scripted.wait_for(lambda: scripted.cancelled == 1)


def test_ask_that_was_stopped_is_no_success(
    scripted: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    scripted.script(Stall(tokens=words("It is"), after=1))
    with interrupted(scripted, 1):
        assert main.cli(["ask", "a"]) == 130
    assert capfd.readouterr() == ("", "")
