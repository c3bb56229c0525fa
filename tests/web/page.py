"""The chat page in a browser, used as people use it: by looking, clicking and typing."""

import base64
import json
from pathlib import Path
from typing import Any

from tests.replies import Stall
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.browser import Page
from tests.wire.helpers import TIMEOUT, spoken

KEYS = {
    "Enter": {"code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Tab": {"code": "Tab", "windowsVirtualKeyCode": 9},
    "Escape": {"code": "Escape", "windowsVirtualKeyCode": 27},
    " ": {"code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
}
SHIFT = 8
VISIBLE = "(each) => each.checkVisibility({visibilityProperty: true})"


class Chat:
    """A page that shows the chat."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        for domain in ("Page", "Network", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)  # else only one is drawn

    # Coming and going

    def visit(self, path: str = "/") -> None:
        self.page.call("Page.navigate", url="about:blank")
        self.page.call("Page.navigate", url=self.url + path)
        self.wait_until_there()

    def reload(self) -> None:
        self.page.evaluate("window.old = true")
        self.page.call("Page.reload")
        wait_for(lambda: self.evaluate("!window.old"), TIMEOUT)
        self.wait_until_there()

    def wait_until_there(self) -> None:
        """Also its modules: the last of them knows by then whether the model is the offline one."""
        self.wait("document.readyState === 'complete' && location.protocol !== 'about:'")
        self.wait("performance.getEntriesByName(location.origin + '/web/config').length")

    def size(self, width: int, height: int, *, mobile: bool = False, scale: int = 1) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
        self.page.call("Emulation.setDeviceMetricsOverride", **size)

    def scheme(self, name: str) -> None:
        """`dark` or `light`."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.page.call("Emulation.setEmulatedMedia", features=[feature])

    def touch(self) -> None:
        """From now on it is pointed at with fingers."""
        self.page.call("Emulation.setTouchEmulationEnabled", enabled=True)

    def before_all(self, script: str) -> None:
        """Run this in each page before its own scripts."""
        self.page.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def close(self) -> None:
        self.page.call("Page.close")

    def screenshot(self, path: Path) -> None:
        data = self.page.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def network(self, *, there: bool) -> None:
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.page.call("Network.emulateNetworkConditions", offline=not there, **conditions)

    # Looking

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def wait(self, script: str) -> None:
        """Until it is true."""
        wait_for(lambda: self.evaluate(f"Boolean({script})"), TIMEOUT)

    def texts(self, selector: str) -> list[str]:
        """What can be seen of these."""
        return self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            f".filter({VISIBLE}).map((each) => each.innerText)"
        )

    def text(self, selector: str) -> str:
        return "\n".join(self.texts(selector))

    @property
    def answer(self) -> str:
        """The last one."""
        return (self.texts(".turn > .text") or [""])[-1]

    @property
    def focused(self) -> str:
        """What has the focus, as a listener is told it."""
        return self.evaluate(
            "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
        )

    def wait_for_text(self, selector: str, text: str) -> None:
        wait_for(lambda: text in self.text(selector), TIMEOUT)

    def wait_until_idle(self) -> None:
        self.wait("document.getElementById('send').textContent === 'Ask'")

    def wait_for_event(self, name: str) -> None:
        """The browser tells events only before its next answer."""
        wait_for(lambda: self.evaluate("0") or self.page.told(name), TIMEOUT)

    # Doing

    def click(self, selector: str, text: str = "") -> None:
        """The last of these elements with this text, where it is."""
        where = self.evaluate(
            f"(() => {{ const found = [...document.querySelectorAll({json.dumps(selector)})]"
            f".filter({VISIBLE}).filter((each) => each.textContent.includes({json.dumps(text)}))"
            ".at(-1); if (!found) return null; found.scrollIntoView({block: 'nearest'});"
            "const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        assert where, f"there is no {selector} {text}"
        at = {"x": where[0], "y": where[1], "button": "left", "clickCount": 1}
        self.page.call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.page.call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def press(self, key: str, modifiers: int = 0) -> None:
        given = {"key": key, "modifiers": modifiers} | KEYS[key]
        self.page.call("Input.dispatchKeyEvent", type="keyDown", **given)
        self.page.call("Input.dispatchKeyEvent", type="keyUp", **given | {"text": ""})

    def type(self, text: str) -> None:
        self.page.call("Input.insertText", text=text)

    def scroll(self, delta: int) -> None:
        """A turn of the wheel over the conversation."""
        at = {"x": 600, "y": 300, "deltaX": 0, "deltaY": delta}
        self.page.call("Input.dispatchMouseEvent", type="mouseWheel", **at)

    def ask(self, text: str) -> None:
        self.evaluate("document.getElementById('text').focus()")
        self.type(text)
        self.press("Enter")


def stalled(model: Upstream, *pieces: str, after: int = 1) -> Stall:
    return model.script(Stall(tokens=spoken(*pieces), after=after + 1))


def heard(model: Upstream) -> list[str]:
    """The conversation that the model was told last."""
    messages = model.requests[-1].body["messages"]
    return [message["content"] for message in messages if message["role"] != "system"]
