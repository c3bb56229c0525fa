"""Threads for tools, nodes and models that are no async code."""

from concurrent.futures import ThreadPoolExecutor


class LeftBehind(ThreadPoolExecutor):
    """Nobody waits for what is still busy when the loop ends: it cannot be stopped."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)
