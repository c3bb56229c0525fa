"""Pictures of the page's main states, to be looked at: `scripts/screenshots [folder]`."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.replies import Gate, Reply, Stall, blob, final
from tests.serving import Lastword, serving, wait_for
from tests.upstream import Upstream
from tests.web.page import Chat
from tests.wire.browser import browsing
from tests.wire.helpers import spoken

MARKDOWN = """The square root of 71 is about **8.426**.

| n | √n | rounded |
|--:|---:|:--------|
| 70 | 8.36660026534 | 8.367 |
| 71 | 8.42614977318 | 8.426 |
| 72 | 8.48528137424 | 8.485 |

1. It lies between `8` and `9`, since \\(8^2 = 64 < 71 < 81 = 9^2\\).
2. More exactly: \\( \\sqrt{71} \\approx 8.42615 \\).

```python
import math

print(math.sqrt(71))  # 8.426149773176359
```"""
SOURCES = """
(async () => {
  const { View } = await import("/web/view.js");
  const { newTurn, read } = await import("/web/turn.js");
  const turn = newTurn("What do the documents say of square roots?");
  const passage = "The square root of x is the number whose square is x.";
  const location = "https://example.org/roots";
  const source = { type: "source", title: "Roots, in short", location, passage, score: 0.87 };
  read(turn, { type: "start", runId: "r" });
  read(turn, { ...source, number: 1 });
  read(turn, { ...source, number: 2, title: "handbook.md", location: "docs/handbook.md" });
  read(turn, { type: "delta", text: "A root undoes a square [1]. Of 71 it is about 8.43 [2]." });
  const view = new View(turn, { say() {}, now() {} });
  document.getElementById("turns").replaceChildren(view.element);
  document.getElementById("empty").hidden = true;
  view.update(turn);
  view.element.querySelector(".cite").click();
  read(turn, { type: "lost" });
  view.update(turn);
})()
"""
README = {"markdown-desktop-light.png": "page.png", "streaming-phone-dark.png": "phone.png"}
"""Which of them stand there, and their names in `docs`."""
DESKTOP, PHONE = (1100, 760), (390, 780)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        Upstream() as upstream,
        serving(Path(data) / "a", model="offline") as offline,
        serving(
            Path(data) / "b",
            model="openai:test",
            protocol="json_chat",
            openai_base_url=upstream.url,
        ) as lastword,
        serving(Path(data) / "c", model="offline", api_keys="sk-anne") as locked,
        browsing(Path(data) / "profile") as page,
    ):
        for scheme in ("light", "dark"):
            for device, size in (("desktop", DESKTOP), ("phone", PHONE)):

                def shoot(chat: Chat, name: str, where: str = f"{device}-{scheme}") -> None:
                    chat.evaluate("new Promise((done) => setTimeout(done, 350))")  # transitions
                    chat.screenshot(folder / f"{name}-{where}.png")

                def chat_with(server: Lastword, scheme: str = scheme, size: Any = size) -> Chat:
                    chat = Chat(page.stranger(), server.url)
                    chat.size(*size, mobile=size == PHONE, scale=2 if size == PHONE else 1)
                    chat.scheme(scheme)
                    chat.visit()
                    return chat

                simple_states(chat_with(offline), shoot)
                rich_states(chat_with(lastword), shoot, upstream)
                shoot(chat_with(locked), "key")
    docs = Path(__file__).parent.parent.parent / "docs"
    docs.mkdir(exist_ok=True)
    for name, known_as in README.items():
        shutil.copy(folder / name, docs / known_as)


def simple_states(chat: Chat, shoot: Callable[[Chat, str], None]) -> None:
    shoot(chat, "empty")
    chat.click("#sign")
    shoot(chat, "offline")
    chat.press("Escape")
    chat.evaluate(SOURCES)
    shoot(chat, "sources")
    chat.visit()
    chat.ask("What is the square root of 71?")
    chat.wait_until_idle()
    chat.ask("and that times two?")
    chat.wait_until_idle()
    chat.click(".step summary")
    shoot(chat, "steps")
    if chat.evaluate("innerWidth < 700"):
        chat.click("#menu")
        shoot(chat, "menu")


def rich_states(chat: Chat, shoot: Callable[[Chat, str], None], upstream: Upstream) -> None:
    upstream.script(Reply(tokens=[blob("calculator", "sqrt(71)")]))
    upstream.script(Reply(tokens=spoken(MARKDOWN)))
    chat.ask("Explain the square root of 71, with a table and some code.")
    chat.wait_until_idle()
    shoot(chat, "markdown")
    half = upstream.script(Stall(tokens=spoken(MARKDOWN[:250], MARKDOWN[250:]), after=2))
    chat.ask("Once more, slowly")
    chat.wait_for_text(".turn > .text", "rounded")
    shoot(chat, "streaming")
    chat.click("#send")
    chat.wait_until_idle()
    upstream.release()
    shoot(chat, "stopped")
    upstream.script(Reply(tokens=["No JSON at all"], finish_reason=None, done=False))
    chat.ask("And now fail")
    chat.wait_until_idle()
    shoot(chat, "failed")
    waiting = upstream.script(Reply(tokens=[final("Later.")], gate=Gate()))
    chat.click("#whole")
    chat.ask("Without streaming")
    wait_for(lambda: upstream.open)
    shoot(chat, "waiting")
    half.gate.release()
    waiting.gate.release()
    chat.wait_until_idle()
    chat.click(".asked button", "Edit")
    shoot(chat, "editing")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
