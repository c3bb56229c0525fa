// web/openai.js against a server that says and breaks off what a test wants.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import {
  OpenAIError,
  completeChat,
  createChatCompletion,
  createEmbedding,
} from "../../web/openai.js";
import { events, gather, inPieces, json, nothing, reply, scripted } from "./scripted.mjs";

const HOSTILE = "ü\u2028🤙🏽\r\n\ndata: x\0\x85";
const CHUNKS = ["It is ", HOSTILE, ""].map((content) => ({
  id: "c",
  model: "m",
  choices: [{ index: 0, delta: { content }, finish_reason: content ? null : "stop" }],
}));
const STREAM = CHUNKS.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("");
const DONE = "data: [DONE]\n\n";
const BODY = { model: "m", messages: [{ role: "user", content: "ü" }], temperature: 0 };

test("the same chunks wherever the network cuts", async (t) => {
  const { fetch } = globalThis;
  t.after(() => (globalThis.fetch = fetch));
  for (const eol of ["\n", "\r\n", "\r"]) {
    const text = `: ok\n\nevent: x\n${STREAM.replace("data: ", "data:")}${DONE}data: late`;
    const bytes = new TextEncoder().encode(text.replaceAll("\n", eol));
    const cuts = Array.from(bytes, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)]);
    cuts.push(Array.from(bytes, (byte) => Uint8Array.of(byte)));
    for (const pieces of cuts) {
      globalThis.fetch = async () => inPieces(pieces);
      assert.deepEqual(await gather(createChatCompletion(BODY)), CHUNKS);
    }
  }
});

test("what is asked, and how", async () => {
  const type = { "Content-Type": "Text/Event-Stream" };
  const replies = [events(STREAM + DONE, { headers: type }), json({ id: "c" })];
  await scripted(replies, async ({ url, asked }) => {
    const options = { url: `${url}/v1`, key: "sk", headers: { "X-Title": "me" } };
    await gather(createChatCompletion(BODY, options));
    assert.deepEqual(await completeChat(BODY, options), { id: "c" });
    assert.deepEqual(await createEmbedding({ model: "e", input: ["a"] }, { url }), { id: "c" });
    assert.deepEqual(
      asked.map(({ method, url, headers }) => [
        method,
        url,
        headers.authorization,
        headers["x-title"],
      ]),
      [
        ["POST", "/v1/chat/completions", "Bearer sk", "me"],
        ["POST", "/v1/chat/completions", "Bearer sk", "me"],
        ["POST", "/embeddings", undefined, undefined],
      ],
    );
    assert.deepEqual(
      asked.map(({ body }) => JSON.parse(body)),
      [
        { ...BODY, stream: true },
        { ...BODY, stream: false },
        { model: "e", input: ["a"] },
      ],
    );
  });
});

test("an error in the stream is raised", async () => {
  for (const error of [{ message: "Broken.", code: "x", type: "t", param: "p" }, "Broken."]) {
    const stream = STREAM + `data: ${JSON.stringify({ error })}\n\n` + DONE;
    await scripted([events(stream)], async ({ url }) => {
      const seen = [];
      const all = async () => {
        for await (const chunk of createChatCompletion(BODY, { url })) seen.push(chunk);
      };
      const [code, type, param] = error.code ? ["x", "t", "p"] : [null, null, null];
      await assert.rejects(all, {
        name: "OpenAIError",
        message: "Broken.",
        code,
        type,
        param,
        status: 0,
      });
      assert.deepEqual(seen, CHUNKS);
    });
  }
});

test("errors in the shapes that others have", async () => {
  const about = { object: "error", message: "Broken.", code: 400 };
  const shapes = [{ detail: "Broken." }, { message: "Broken." }, [{ error: about }], about];
  shapes.push({ detail: [{ loc: ["body"], msg: "Broken." }] });
  for (const body of shapes) {
    await scripted([json(body, { status: 400 })], async ({ url }) => {
      await assert.rejects(completeChat(BODY, { url }), { message: "Broken.", status: 400 });
    });
  }
  const stream = `${STREAM}data: ${JSON.stringify(about)}\n\n${DONE}`;
  await scripted([events(stream), json({ error: about })], async ({ url, asked }) => {
    const message = "Broken.";
    await assert.rejects(gather(createChatCompletion(BODY, { url })), { message });
    await assert.rejects(completeChat(BODY, { url }), { message }, "however well it began");
    await assert.rejects(completeChat(BODY, { url, key: "ключ" }), { code: "invalid_api_key" });
    assert.equal(asked.length, 2);
  });
});

test("an error that only its event's name tells", async () => {
  for (const data of [{ message: "Broken." }, "Broken.", { error: { message: "Broken." } }]) {
    const broken = `event: error\ndata: ${JSON.stringify(data)}\n\n`;
    await scripted([events(`event: chunk\n${STREAM}${broken}${DONE}`)], async ({ url }) => {
      const seen = [];
      const all = async () => {
        for await (const chunk of createChatCompletion(BODY, { url })) seen.push(chunk);
      };
      await assert.rejects(all, { name: "OpenAIError", message: "Broken.", status: 0 });
      assert.deepEqual(seen, CHUNKS);
    });
  }
});

test("the last line may have no end, if it is whole", async () => {
  for (const [end, whole] of [
    ["data: [DONE]", true],
    ["data:[DONE]", true],
    ['data: {"a', false],
  ]) {
    await scripted([events(STREAM + end)], async ({ url }) => {
      const all = gather(createChatCompletion(BODY, { url }));
      if (whole) assert.deepEqual(await all, CHUNKS);
      else await assert.rejects(all, { code: "truncated" });
    });
  }
});

test("a stream that does not come to its end is an error", async () => {
  for (const [options, code] of [
    [{}, "truncated"],
    [{ cut: true }, "network"],
  ]) {
    await scripted([events(STREAM, options)], async ({ url, asked }) => {
      await assert.rejects(() => gather(createChatCompletion(BODY, { url, delay: 1 })), { code });
      assert.equal(asked.length, 1, "not after the first byte");
    });
  }
});

test("what is no answer is said to be none", async () => {
  const page = reply("<h1>", { headers: { "Content-Type": "text/html" } });
  for (const first of [page, events("data: {\n\n")]) {
    await scripted([first], async ({ url }) => {
      await assert.rejects(() => gather(createChatCompletion(BODY, { url })), {
        code: "malformed",
      });
      await assert.rejects(() => completeChat(BODY, { url }), { code: "malformed" });
    });
  }
  await scripted([json("", { body: "{" })], async ({ url }) => {
    await assert.rejects(() => completeChat(BODY, { url }), { code: "malformed" });
  });
  const { signal } = new AbortController();
  await scripted([events(STREAM, { stall: true })], async ({ url, asked }) => {
    await assert.rejects(() => completeChat(BODY, { url, signal }), { code: "malformed" });
    await asked[0].left;
  });
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("tried again before the first byte, and not for ever", async () => {
  const ill = [nothing(), json({ error: {} }, { status: 503 })];
  await scripted([...ill, events(STREAM + DONE)], async ({ url }) => {
    assert.deepEqual(await gather(createChatCompletion(BODY, { url, delay: 1 })), CHUNKS);
  });
  for (const [status, times] of Object.entries({
    400: 1,
    408: 3,
    409: 3,
    429: 3,
    500: 3,
    501: 1,
    502: 3,
  })) {
    await scripted([json({ error: { message: "No." } }, { status })], async ({ url, asked }) => {
      const call = () => completeChat(BODY, { url, delay: 1 });
      await assert.rejects(call, { status: Number(status), retryable: times > 1 });
      assert.equal(asked.length, times, status);
      await assert.rejects(() => completeChat(BODY, { url, retries: 0 }), OpenAIError);
      assert.equal(asked.length, times + 1, status);
    });
  }
});

test("how long to wait is the server's to say", async () => {
  const soon = new Date(Date.now() + 50_000).toUTCString();
  for (const [said, least, most] of [["7", 7, 7], [soon, 40, 51], ["nonsense"], ["-1"]]) {
    const busy = reply("Busy.", { status: 429, headers: { "Retry-After": said } });
    await scripted([busy], async ({ url }) => {
      await assert.rejects(completeChat(BODY, { url, retries: 0 }), ({ retryAfter, message }) => {
        assert.equal(message, "The server answered with status 429.");
        return least ? retryAfter >= least && retryAfter <= most : retryAfter === undefined;
      });
      const waiting = completeChat(BODY, { url, signal: AbortSignal.timeout(100) });
      if (least) await assert.rejects(waiting, { name: "TimeoutError" });
      else await assert.rejects(waiting);
    });
  }
  await scripted([reply("", { status: 429, headers: { "Retry-After": "61" } })], async (server) => {
    await assert.rejects(completeChat(BODY, { url: server.url }), { retryAfter: 61 });
    assert.equal(server.asked.length, 1, "nobody waits for so long");
  });
});

test("who aborts hears their own reason, and the server does too", async () => {
  const reason = new Error("enough");
  await scripted([events(STREAM, { stall: true })], async ({ url, asked }) => {
    const controller = new AbortController();
    const all = async () => {
      for await (const { choices } of createChatCompletion(BODY, {
        url,
        signal: controller.signal,
      })) {
        assert.equal(choices[0].delta.content, "It is ", "though there was more already");
        controller.abort(reason);
      }
    };
    await assert.rejects(all, reason);
    await asked[0].left;
    await assert.rejects(
      () => completeChat(BODY, { url, signal: AbortSignal.abort(reason) }),
      reason,
    );
    for await (const _ of createChatCompletion(BODY, { url })) break;
    await asked[1].left;
  });
});
