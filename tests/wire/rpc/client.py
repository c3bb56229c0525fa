"""An asyncio client that knows only the .proto's own code: `client.py <address> <text>`."""

import asyncio
import json
import sys

import grpc.aio
from google.protobuf.json_format import MessageToDict
from lastword.v1 import chat_pb2, chat_pb2_grpc  # from PYTHONPATH


async def main(address: str, text: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        request = chat_pb2.SendRequest(
            text=text, on_disconnect=chat_pb2.OnDisconnect.ON_DISCONNECT_CANCEL
        )
        async for answer in chat_pb2_grpc.ChatStub(channel).Send(request):
            print(json.dumps(MessageToDict(answer)), flush=True)


asyncio.run(main(*sys.argv[1:]))
