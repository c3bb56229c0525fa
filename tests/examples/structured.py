"""An agent whose answer is a field of a structured output.

LASTWORD_AGENT=tests.examples.structured:agent LASTWORD_PROTOCOL=structured
"""

from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from pydantic import BaseModel

from tests.examples.tools import population


class Reply(BaseModel):
    """What the user is told, and how sure that is."""

    answer: str
    sure: bool


agent = create_agent("openai:gpt-4.1-mini", tools=[population], response_format=ToolStrategy(Reply))
