"""The AI SDK's own chat, as a page would have it, and what a test asks of it."""

import itertools
from typing import Any, Self

from tests.node import Node
from tests.serving import Lastword

NUMBERS = itertools.count()


class Chat:
    """One `AbstractChat` with its `DefaultChatTransport`."""

    def __init__(
        self,
        node: Node,
        lastword: Lastword,
        chat_id: str = "",
        *,
        query: str = "",
        key: str = "",
        messages: list[Any] | None = None,
        **body: Any,
    ) -> None:
        """Of the same chat as another one, with `chat_id` and `messages` of that."""
        self._node, self._name = node, f"chat-{next(NUMBERS)}"
        self.id = chat_id or self._name
        self.call(
            "open",
            api=f"{lastword.url}/api/chat{query}",
            id=self.id,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            messages=messages or [],
            body=body,
        )

    def call(self, command: str, **given: Any) -> Any:
        return self._node.call(command, chat=self._name, **given)

    def send(self, text: str, **message: Any) -> Self:
        """Does not wait for the answer."""
        self.call("send", text=text, **message)
        return self

    def until(self, says: str) -> Self:
        """The answer so far is this."""
        self.call("until", says=says)
        return self

    def settled(self) -> Any:
        """Everything that can be seen of it, once its request is over."""
        return self.call("settled")

    def ask(self, text: str, **message: Any) -> Any:
        return self.send(text, **message).settled()


def text_of(message: Any) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def kinds(state: Any) -> list[str]:
    """The types of the chunks that arrived, each run of the same one as one."""
    return [kind for kind, _ in itertools.groupby(chunk["type"] for chunk in state["chunks"])]
