// A server that says what a test wants, in pieces as small as it wants, and breaks off where it wants.
import { createServer } from "node:http";
import { once } from "node:events";

/** One reply. It breaks off after the body if `cut`, and `stall` leaves it open. */
export const reply = (body, options = {}) => ({
  status: 200,
  headers: {},
  body,
  piece: 1e9,
  ...options,
});
export const events = (body, options = {}) =>
  reply(body, { ...options, headers: { "Content-Type": "text/event-stream", ...options.headers } });
export const json = (value, options = {}) =>
  reply(JSON.stringify(value), {
    ...options,
    headers: { "Content-Type": "application/json", ...options.headers },
  });
/** The connection is closed before any byte. */
export const nothing = () => reply("", { status: 0 });

/** Serves while `use({url, asked})` runs; each reply is one, or a function of its request. */
export async function scripted(replies, use) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const { method, url, headers } = request;
    const left = once(response, "close");
    const seen = { method, url, headers, body: Buffer.concat(chunks).toString(), left };
    asked.push(seen);
    const next = replies.length > 1 ? replies.shift() : replies[0];
    await send(response, typeof next === "function" ? await next(seen) : next);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use({ url: `http://127.0.0.1:${server.address().port}`, asked });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function send(response, { status, headers, body, piece, cut, stall }) {
  if (!status) return response.destroy();
  response.writeHead(status, headers);
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += piece) {
    response.write(bytes.subarray(at, at + piece));
    await new Promise(setImmediate); // so that it leaves alone
  }
  if (cut) response.destroy();
  else if (!stall) response.end();
}

/** A response in exactly these pieces, without a network that might join them. */
export function inPieces(pieces, type = "text/event-stream") {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  return new Response(body, { headers: { "Content-Type": type, "X-Run-Id": "r" } });
}

export async function gather(iterable) {
  const found = [];
  for await (const each of iterable) found.push(each);
  return found;
}
