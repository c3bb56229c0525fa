// The `ai` package's own chat, transport and reader, driven by lines of JSON: a command each,
// and for each a line with what came of it.

import { createInterface } from "node:readline";
import {
  AbstractChat,
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithToolCalls,
  readUIMessageStream,
} from "ai";

class State {
  status = "ready";
  error = undefined;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => {
    this.messages = [...this.messages, structuredClone(message)];
  };
  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index, message) => {
    this.messages = this.messages.with(index, structuredClone(message));
  };
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor({ messages = [], ...init }) {
    super({ ...init, state: new State(messages) });
  }
}

// The transport as it is; it only notes the chunks that it let pass.
class Transport extends DefaultChatTransport {
  chunks = [];
  processResponseStream(stream) {
    const note = (chunk, controller) => {
      this.chunks.push(chunk);
      controller.enqueue(chunk);
    };
    return super.processResponseStream(stream).pipeThrough(new TransformStream({ transform: note }));
  }
}

const chats = new Map();

function open({ chat, api, id, headers, messages, body }) {
  const seen = { data: [], finishes: [], errors: [], requests: 0 };
  const transport = new Transport({
    api,
    headers,
    body,
    fetch: (...request) => {
      seen.requests += 1;
      return fetch(...request);
    },
  });
  const onData = (part) => seen.data.push(part);
  const onError = (error) => seen.errors.push(error.message);
  const onFinish = ({ isAbort, isDisconnect, isError, finishReason }) =>
    seen.finishes.push({ isAbort, isDisconnect, isError, finishReason });
  const sendAutomaticallyWhen = lastAssistantMessageIsCompleteWithToolCalls;
  const talk = new Chat({ id, transport, messages, onData, onError, onFinish, sendAutomaticallyWhen });
  chats.set(chat, { talk, transport, seen, busy: Promise.resolve() });
}

const textOf = (message) =>
  message.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");

async function until({ chat, says }) {
  const { talk } = chats.get(chat);
  while (!(talk.lastMessage?.role === "assistant" && textOf(talk.lastMessage) === says)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function settled(given) {
  await chats.get(given.chat).busy;
  return state(given);
}

function state({ chat }) {
  const { talk, transport, seen } = chats.get(chat);
  const { status, error, messages } = talk;
  const { message, statusCode } = error ?? {};
  return { status, error: error && { message, statusCode }, messages, chunks: transport.chunks, ...seen };
}

// What the reader makes of a body, however it is cut.
async function read({ body, size }) {
  const bytes = Buffer.from(body);
  const pieces = new ReadableStream({
    start(controller) {
      for (let i = 0; i < bytes.length; i += size) controller.enqueue(bytes.subarray(i, i + size));
      controller.close();
    },
  });
  const transport = new Transport({ fetch: async () => new Response(pieces) });
  const stream = await transport.sendMessages({ chatId: "c", messages: [] });
  const errors = [];
  const states = [];
  const onError = (error) => errors.push(error.message);
  for await (const message of readUIMessageStream({ stream, onError })) states.push(message);
  const texts = states.map(textOf).filter((text, n, all) => text !== all[n - 1]);
  return { message: states.at(-1), texts, errors, chunks: transport.chunks };
}

function begin(chat, work) {
  const it = chats.get(chat);
  it.busy = work(it.talk);
}

const commands = {
  open,
  read,
  until,
  settled,
  settled_so_far: state,
  send: ({ chat, options, ...message }) => begin(chat, (talk) => talk.sendMessage(message, options)),
  regenerate: ({ chat }) => begin(chat, (talk) => talk.regenerate()),
  resume: ({ chat }) => begin(chat, (talk) => talk.resumeStream()),
  stop: ({ chat }) => chats.get(chat).talk.stop(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  console.log(JSON.stringify((await commands[command](given)) ?? null));
}
