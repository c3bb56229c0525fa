# my_agent.py
from langchain.agents import create_agent
from langchain_core.tools import tool


@tool
def population(city: str) -> str:
    """How many people live in a city."""
    return "755,000" if city == "San Francisco" else "not known"


agent = create_agent("openai:gpt-4.1-mini", tools=[population])
