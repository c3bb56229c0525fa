"""An OpenAI-compatible server for embeddings, over real HTTP: words of one meaning are one."""

import asyncio
import json
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import numpy as np

from agent.documents.words import terms

SIZE = 64
SYNONYMS = {"feline": "cat", "felines": "cat", "cats": "cat", "automobile": "car"}


def vector(text: str) -> list[float]:
    """The sum of its words, each in a direction of its own."""
    total = np.zeros(SIZE)
    for word in terms(text).words:
        word = SYNONYMS.get(word, word)
        total += np.random.default_rng(zlib.crc32(word.encode())).standard_normal(SIZE)
    return [float(each) for each in total]


class EmbeddingServer:
    """`status` is what it answers with; while it is `held` it does not."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.left = 0
        self.held = False
        self.status = 200
        self.refused = ""
        """A word that it takes no text with."""
        self.size = SIZE
        self.failures = 0
        """Requests that it is too busy for."""

    @property
    def texts(self) -> list[str]:
        return [text for request in self.requests for text in request["input"]]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().partition(b"content-length:")[2].split()[0])
                request = json.loads(await reader.readexactly(size))
                self.requests.append(request)
                while self.held:
                    if not await self._still_there(reader):
                        self.left += 1
                        return
                writer.write(self._answer(request))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _still_there(self, reader: asyncio.StreamReader) -> bool:
        await asyncio.sleep(0.005)
        return not reader.at_eof()

    def _answer(self, request: dict[str, Any]) -> bytes:
        data = [
            {"object": "embedding", "index": n, "embedding": vector(text)[: self.size]}
            for n, text in enumerate(request["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        body = {"object": "list", "model": request["model"], "data": data, "usage": usage}
        refused = self.refused and any(self.refused in text for text in request["input"])
        status = 400 if refused else 429 if self.failures else self.status
        self.failures -= self.failures > 0
        text = json.dumps(body if status == 200 else {"error": {"message": "sk-secret"}})
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nx-should-retry: false\r\n"
        return f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode()


@contextmanager
def embedding_server() -> Iterator[EmbeddingServer]:
    server = EmbeddingServer()
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        listening = await asyncio.start_server(server._serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        started.set_result((port, asyncio.get_running_loop(), stop))
        await stop.wait()
        listening.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    port, loop, stop = started.result(10)
    server.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
