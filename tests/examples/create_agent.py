"""LangChain's agent, with native tool calls.

LASTWORD_AGENT=tests.examples.create_agent:agent
"""

from langchain.agents import create_agent

from tests.examples.tools import population

agent = create_agent("openai:gpt-4.1-mini", tools=[population], system_prompt="Be brief.")
