"""The terminal: the same runs and events, printed as they come."""

import asyncio
import os
import signal
import sys
from contextlib import aclosing

from rich.console import Console
from rich.text import Text

from agent.request import RunRequest
from agent.runner import Runner
from stream.errors import BadRequest, LastwordError, from_event
from stream.events import Event, RunCancelled, RunCompleted, RunFailed, SourceFound, ToolFinished
from stream.log import Entry, Run
from stream.printable import printable
from wire.append_only import AppendOnly

PRINCIPAL = "terminal"
MOST_OF_OUTPUT = 200
"""Characters that are shown of what a tool said."""
INTERRUPTED = 128 + signal.SIGINT
"""The exit status that shells give to what Ctrl-C ended."""


async def ask(runner: Runner, question: str, *, raw: bool = False) -> int:
    """Print one answer on stdout. Returns the exit status: 0 only for a whole answer."""
    screen = _Screen(raw=raw, quiet=True)
    try:
        if not question.strip():
            raise BadRequest("There is no question.")
        request = RunRequest(question, on_disconnect="continue")
        run = await runner.start(request, principal=PRINCIPAL)
        end = await _show(runner, run, screen)
    except LastwordError as error:
        print(error.message, file=sys.stderr)  # noqa: T201  it is the terminal
        return 1
    except BrokenPipeError:  # `ask | head`: who reads has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return INTERRUPTED if isinstance(end, RunCancelled) else 0


async def chat(runner: Runner, *, raw: bool = False) -> int:
    """A conversation: Ctrl-C stops an answer, Ctrl-D leaves."""
    screen, thread_id = _Screen(raw=raw), None
    screen.remark("Ctrl-C stops an answer, Ctrl-D leaves.")
    while (question := _prompt(screen)) is not None:
        if not question.strip():
            continue
        try:
            request = RunRequest(question, thread_id, on_disconnect="continue")
            run = await runner.start(request, principal=PRINCIPAL)
            thread_id = run.thread_id
            await _show(runner, run, screen)
        except LastwordError as error:
            screen.remark(error.message)
    return 0


async def _show(runner: Runner, run: Run, screen: "_Screen") -> Event:
    """Follow a run to its end, and return that. Raises what the run failed with."""
    screen.begin()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stopping.set)
    stopper = asyncio.create_task(_stop_when(stopping, runner, run))
    try:
        async with aclosing(runner.follow(run.id, principal=PRINCIPAL)) as batches:
            async for batch in batches:
                screen.show(batch)
    finally:
        stopper.cancel()
        loop.remove_signal_handler(signal.SIGINT)
        screen.end_line()
    end = batch[-1].event
    if isinstance(end, RunFailed):
        raise from_event(end)
    return end


async def _stop_when(stopping: asyncio.Event, runner: Runner, run: Run) -> None:
    await stopping.wait()
    await runner.cancel(run.id, principal=PRINCIPAL)


def _prompt(screen: "_Screen") -> str | None:
    """The next question; None at the end of the input.

    Blocks the event loop, on purpose: nothing else runs while the user thinks,
    and so line editing and Ctrl-C are what they always are.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return screen.ask()
    except KeyboardInterrupt:
        screen.end_line(force=True)
        return ""
    except EOFError:
        screen.end_line(force=True)
        return None


def _in_short(output: str) -> str:
    """What a tool said, as far as it fits into a line or two: a search says pages."""
    return output if len(output) <= MOST_OF_OUTPUT else f"{output[:MOST_OF_OUTPUT]}…"


class _Screen:
    """Prints batches of events; quietly what is not the answer, and in `raw` not the answer."""

    def __init__(self, *, raw: bool, quiet: bool = False) -> None:
        self._raw = raw
        self._quiet = quiet
        self._console = Console(highlight=False, soft_wrap=True)
        self._open_line = False
        self.begin()

    def begin(self) -> None:
        """Another run: what the last one left unsaid is not its."""
        self._growing = AppendOnly()
        self._sources: dict[int, SourceFound] = {}

    def ask(self) -> str:
        return self._console.input("[bold cyan]>[/] ")

    def remark(self, text: str) -> None:
        """Something that is not the answer."""
        self.end_line()
        self._console.print(Text(printable(text), style="dim"))

    def show(self, batch: list[Entry]) -> None:
        if not self._raw and (text := printable(self._growing.text(batch))):
            sys.stdout.write(text)
            sys.stdout.flush()
            self._open_line = not text.endswith("\n")
        if not self._quiet:
            for _, event in batch:
                self._show_beside(event)

    def _show_beside(self, event: Event) -> None:
        match event:
            case SourceFound():
                self._sources[event.number] = event
            case ToolFinished(name=name, output=output):
                self.remark(f"  {name}: {_in_short(output)}")
            case RunCompleted(cited=cited):
                for source in (self._sources[number] for number in cited):
                    self.remark(f"  [{source.number}] {source.title} ({source.location})")
            case RunCancelled():
                self.remark("(stopped)")
            case _:  # the answer, which is shown, or a failure, which is raised
                pass

    def end_line(self, *, force: bool = False) -> None:
        """A newline, if the last one is missing."""
        if self._open_line or force:
            sys.stdout.write("\n")
            sys.stdout.flush()
        self._open_line = False
