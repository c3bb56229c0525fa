// The real AG-UI client, for the tests: a command as a JSON line in, what came of it as one out.
import { createInterface } from "node:readline";
import { HttpAgent } from "@ag-ui/client";

/** Joins the run in progress by `connectAgent`. */
class Connecting extends HttpAgent {
  connect(input) {
    this.abortController = new AbortController(); // that of a run that was stopped stays stopped
    return this.run({ ...input, forwardedProps: { lastword: {} } });
  }
}

let warnings = [];
for (const method of ["log", "warn", "error"]) {
  console[method] = (...words) => warnings.push(words.map(String).join(" "));
}

// The client closes a response that broke, and throws what it is told in nobody's hands.
process.on("unhandledRejection", () => {});

/** A response as it stands, in pieces of so many bytes. */
function scripted({ body, piece }) {
  const bytes = Buffer.from(body, "base64");
  return async () => {
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += piece) {
          controller.enqueue(bytes.subarray(at, at + piece));
        }
        controller.close();
      },
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  };
}

/** The server's own response, of which only so many bytes arrive. */
function broken(bytes, told) {
  return async (url, init) => {
    const response = await fetch(url, init);
    told.run = response.headers.get("x-run-id");
    const reader = response.body.getReader();
    let left = bytes;
    const stream = new ReadableStream({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done || left <= 0) {
          await reader.cancel();
          controller.error(new Error("the line broke"));
          return;
        }
        controller.enqueue(value.subarray(0, left));
        left -= value.length;
      },
    });
    return new Response(stream, { headers: response.headers });
  };
}

const agents = new Map();

function agentOf({ agent: name = "", config = {} }) {
  if (!name || !agents.has(name)) {
    agents.set(name, new Connecting({ url: "http://nowhere", ...config }));
  }
  return agents.get(name);
}

function fetchFor({ reply, breakAfter }, told) {
  if (reply) return scripted(reply);
  if (breakAfter !== undefined) return broken(breakAfter, told);
  return (url, init) => fetch(url, init);
}

async function run(command) {
  warnings = [];
  const agent = agentOf(command);
  const told = { events: [], finished: null, failed: null, error: null };
  agent.fetch = fetchFor(command, told);
  agent.messages.push(...(command.messages ?? []));
  const watching = {
    onEvent: ({ event }) => void told.events.push(event),
    onTextMessageContentEvent: ({ event, textMessageBuffer }) => {
      if (command.abortAt && (textMessageBuffer + event.delta).includes(command.abortAt)) {
        agent.abortRun();
      }
    },
    onRunFinishedEvent: ({ outcome, pendingToolCallIds }) => {
      told.finished = { outcome, pendingToolCallIds };
    },
    onRunFailed: ({ error }) => {
      told.failed = error.message;
    },
  };
  try {
    const { result, newMessages } = await agent[command.command](
      command.parameters ?? {},
      watching,
    );
    told.result = result;
    told.newMessages = newMessages;
  } catch (error) {
    told.error = { message: error.message, status: error.status, payload: error.payload };
  }
  if (command.forget) agents.delete(command.agent);
  return { ...told, messages: agent.messages, warnings };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(line))) + "\n");
}
