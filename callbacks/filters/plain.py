"""For `callbacks.answer`, until it uses `join_surrogates`."""

from callbacks.filters.until import Until as PlainText

__all__ = ["PlainText"]
