"""A relay of the model's bytes as people write it: FastAPI, httpx, StreamingResponse."""

import os
from collections.abc import AsyncIterator

import httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

URL = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"

app = FastAPI()
client = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None))


class Question(BaseModel):
    text: str


async def relay(text: str) -> AsyncIterator[bytes]:
    ask = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": text}]}
    async with client.stream("POST", URL, json=ask) as response:
        async for data in response.aiter_raw():
            yield data


@app.post("/chat")
async def chat(question: Question) -> StreamingResponse:
    return StreamingResponse(relay(question.text), media_type="text/event-stream")
