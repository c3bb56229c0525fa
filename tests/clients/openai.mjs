// The real openai client, for the tests: a command as a JSON line in, what came of it as one out.
import { createInterface } from "node:readline";
import OpenAI from "openai";
import { Stream } from "openai/streaming";

let client;
let stream;

const commands = {
  async connect({ options }) {
    client = new OpenAI(options);
    return {};
  },
  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    return { names };
  },
  async model({ name }) {
    return { model: await client.models.retrieve(name) };
  },
  async embed() {
    return { embedding: await client.embeddings.create({ model: "m", input: "hi" }) };
  },
  async create({ body }) {
    const completion = await client.chat.completions.create(body);
    return { completion, request: completion._request_id };
  },
  async open({ body }) {
    const opened = await client.chat.completions.create({ ...body, stream: true });
    stream = opened[Symbol.asyncIterator]();
    return {};
  },
  async next() {
    const { done, value } = await stream.next();
    return done ? { done } : { chunk: value };
  },
  async gather({ body }) {
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
      chunks.push(chunk);
    }
    return { chunks };
  },
  /** Streams as they stand, each in pieces of so many bytes. */
  async parse({ bodies, piece }) {
    const streams = [];
    for (const body of bodies) {
      const parsed = Stream.fromSSEResponse(scripted(body, piece), new AbortController());
      const chunks = [];
      for await (const chunk of parsed) chunks.push(chunk);
      streams.push(chunks);
    }
    return { streams };
  },
  /** By the client's own helper, which puts the chunks together. */
  async helper({ body }) {
    const run = client.chat.completions.stream(body);
    return { completion: await run.finalChatCompletion() };
  },
};

function scripted(body, piece) {
  const bytes = Buffer.from(body, "base64");
  return new Response(
    new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += piece) {
          controller.enqueue(bytes.subarray(at, at + piece));
        }
        controller.close();
      },
    }),
  );
}

function described(error) {
  const { status, code, param, type, message, requestID } = error;
  return { kind: error.constructor.name, status, code, param, type, message, requestID };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  const answer = await commands[command](given).catch((error) => ({ error: described(error) }));
  process.stdout.write(JSON.stringify(answer) + "\n");
}
