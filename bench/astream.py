"""FastAPI and `astream(stream_mode="messages")`, as people write it; it filters nothing."""

import json
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

app = FastAPI()
agent = create_agent(ChatOpenAI(model="bench"), tools=[])


class Question(BaseModel):
    text: str


async def answer(text: str) -> AsyncIterator[str]:
    messages = {"messages": [{"role": "user", "content": text}]}
    async for message, _ in agent.astream(messages, stream_mode="messages"):
        if message.content:
            yield f"data: {json.dumps({'text': message.content})}\n\n"


@app.post("/chat")
async def chat(question: Question) -> StreamingResponse:
    return StreamingResponse(answer(question.text), media_type="text/event-stream")
