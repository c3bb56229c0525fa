"""A JSON value, as a tool is given it."""

import json
from typing import Any

from callbacks.filters.json_object import join_surrogates


def parse_json(source: str) -> Any:
    """The value, always encodable; what is no JSON stays text."""
    try:
        value = json.loads(source, strict=False)
        # Written out and read again, because escapes in it may have made lone surrogates.
        return json.loads(join_surrogates(json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError):
        return join_surrogates(source)
