"""A tool that the examples share."""

from langchain_core.tools import tool


@tool
def population(city: str) -> str:
    """How many people live in a city."""
    return f"{city.strip()}: 755,000"
