"""The real AG-UI client, `@ag-ui/client`, in a process that takes one command after another."""

import base64
from typing import Any

from tests.node import Node

THREAD = "thread-1"


def user(text: str, name: str = "u1") -> dict[str, str]:
    return {"id": name, "role": "user", "content": text}


class Told(dict[str, Any]):
    """What the client made of a run."""

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self["events"]]

    @property
    def text(self) -> str:
        """The answer, as it stands in the client's conversation."""
        new = self.get("newMessages") or self["messages"]
        said = [each for each in new if each["role"] == "assistant"]
        return "".join(each.get("content", "") for each in said)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self["events"] if event["type"] == kind]

    def custom(self, name: str) -> list[Any]:
        return [event["value"] for event in self.of("CUSTOM") if event["name"] == name]

    @property
    def run_id(self) -> str:
        """Ours."""
        (named,) = self.custom("lastword.run")
        return str(named["run_id"])


class AgUi:
    """Agents by name, which keep their conversation from one run to the next."""

    def __init__(self, client: Node) -> None:
        self._client = client

    def run(self, url: str = "", *said: dict[str, Any], key: str = "", **options: Any) -> Told:
        """Runs the agent; the rest of the options is in `ag_ui.mjs`."""
        config = {"threadId": THREAD, **({"url": f"{url}/ag-ui"} if url else {})}
        if key:
            config["headers"] = {"Authorization": f"Bearer {key}"}
        config |= options.pop("config", {})
        verb = options.pop("verb", "runAgent")
        return Told(self._client.call(verb, config=config, messages=said, **options))

    def read(self, body: bytes, piece: int = 65536, **options: Any) -> Told:
        """What it makes of these bytes."""
        reply = {"body": base64.b64encode(body).decode(), "piece": piece}
        return self.run(reply=reply, **options)
