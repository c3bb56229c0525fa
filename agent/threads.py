"""Threads for tools, nodes and models that are no async code."""

from concurrent.futures import ThreadPoolExecutor

MOST = 64


class LeftBehind(ThreadPoolExecutor):
    """Nobody waits for what is still busy when the loop ends: it cannot be stopped.

    There are many, so that some that hang do not keep all others waiting.
    """

    def __init__(self) -> None:
        super().__init__(MOST)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)
