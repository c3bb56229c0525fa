"""The tutorial's way: an `AsyncIteratorCallbackHandler` that watches for the final answer.

The tutorial shares one agent among all users, and then tokens reach the wrong one; an agent
per request is the least change with which the concurrent streams of a bench make sense.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_classic.agents import AgentType, initialize_agent
from langchain_classic.callbacks.streaming_aiter import AsyncIteratorCallbackHandler
from langchain_classic.memory import ConversationBufferWindowMemory
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

warnings.simplefilter("ignore")  # all of it is deprecated

app = FastAPI()
llm = ChatOpenAI(model="bench", temperature=0.0, streaming=True)


class Question(BaseModel):
    text: str


class FinalAnswerHandler(AsyncIteratorCallbackHandler):
    content = ""
    final_answer = False

    async def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.content += token
        if self.final_answer:
            if '"action_input": "' in self.content and token not in ['"', "}"]:
                self.queue.put_nowait(token)
        elif "Final Answer" in self.content:
            self.final_answer = True
            self.content = ""

    async def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        if self.final_answer:
            self.done.set()
        self.content = ""
        self.final_answer = False


def new_agent() -> Any:
    memory = ConversationBufferWindowMemory(
        memory_key="chat_history", k=5, return_messages=True, output_key="output"
    )
    return initialize_agent(
        agent=AgentType.CHAT_CONVERSATIONAL_REACT_DESCRIPTION,
        tools=[],
        llm=llm,
        memory=memory,
        max_iterations=3,
        early_stopping_method="generate",
        return_intermediate_steps=False,
    )


async def answer(text: str) -> AsyncIterator[str]:
    handler = FinalAnswerHandler()
    task = asyncio.create_task(new_agent().ainvoke({"input": text}, {"callbacks": [handler]}))
    async for token in handler.aiter():
        yield token
    await task


@app.post("/chat")
async def chat(question: Question) -> StreamingResponse:
    return StreamingResponse(answer(question.text), media_type="text/event-stream")
