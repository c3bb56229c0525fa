"""Agents of `langchain-classic`, each with the protocol that it talks.

LASTWORD_AGENT=tests.examples.executors:react LASTWORD_PROTOCOL=react
LASTWORD_AGENT=tests.examples.executors:json_chat LASTWORD_PROTOCOL=json_chat
LASTWORD_AGENT=tests.examples.executors:tool_calling
"""

from langchain_classic.agents import (
    AgentExecutor,
    create_json_chat_agent,
    create_react_agent,
    create_tool_calling_agent,
)
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI

from tests.examples.tools import population

REACT = PromptTemplate.from_template("""\
Answer the question. You have these tools: {tools}

Question: the question
Thought: what to do
Action: one of {tool_names}
Action Input: the tool's input
Observation: what the tool says
Thought: I know the answer
Final Answer: the answer

Question: {input}
Thought:{agent_scratchpad}""")
JSON_CHAT = ChatPromptTemplate(
    [
        ("system", "Reply with a JSON blob. Tools: {tools}. Actions: Final Answer, {tool_names}"),
        ("placeholder", "{chat_history}"),
        ("human", "{input}"),
        ("placeholder", "{agent_scratchpad}"),
    ]
)
TOOL_CALLING = ChatPromptTemplate(
    [
        ("system", "Be brief."),
        ("placeholder", "{chat_history}"),
        ("human", "{input}"),
        ("placeholder", "{agent_scratchpad}"),
    ]
)

model = ChatOpenAI(model="gpt-4.1-mini")


def executor(agent: Runnable) -> AgentExecutor:
    return AgentExecutor(agent=agent, tools=[population])


react = executor(create_react_agent(model, [population], REACT))
json_chat = executor(create_json_chat_agent(model, [population], JSON_CHAT))
tool_calling = executor(create_tool_calling_agent(model, [population], TOOL_CALLING))
