// web/lastword.js against a server that says and breaks off what a test wants.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { Answer, LastwordError, answer, ask, cancel, forget, resume } from "../../web/lastword.js";
import { events, gather, inPieces, json, nothing, reply, scripted } from "./scripted.mjs";

const HOSTILE = "ü\u2028🤙🏽\r\n\ndata: x\0\ufeff\x85";
const TOLD = [
  ["start", { run_id: "r", thread_id: "t" }],
  ["delta", { text: "It is " }],
  ["tool", { id: "1", name: "calculator", state: "started", input: "6*7" }],
  ["delta", { text: HOSTILE, certain: false }],
  ["confirm", {}],
  ["end", { finish_reason: "stop", usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } }],
];
const EXPECTED = [
  { type: "start", cursor: "0", runId: "r", threadId: "t" },
  { type: "delta", cursor: "1", text: "It is " },
  { type: "tool", cursor: "2", id: "1", name: "calculator", state: "started", input: "6*7" },
  { type: "delta", cursor: "3", text: HOSTILE, certain: false },
  { type: "confirm", cursor: "4" },
  {
    type: "end",
    cursor: "5",
    finishReason: "stop",
    usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 },
  },
];
const FRAMES = TOLD.map(
  ([name, data], id) => `: heartbeat\nevent: ${name}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`,
);
const STREAM = FRAMES.join("");
const OURS = { delay: 1 };
const told = (seen) => seen.filter(({ type }) => type !== "lost" && type !== "back");
/** The rest of the stream, as the server has it. */
const after = (url) => {
  const cursor = new URL(url, "http://x").searchParams.get("after");
  return FRAMES.slice(cursor === null ? 0 : Number(cursor) + 1).join("");
};

test("the same events wherever the network cuts", async (t) => {
  const { fetch } = globalThis;
  t.after(() => (globalThis.fetch = fetch));
  for (const eol of ["\n", "\r", "\r\n"]) {
    const bytes = new TextEncoder().encode(
      `\ufeff${STREAM.replaceAll("\n", eol)}event: delta${eol}`,
    );
    const cuts = Array.from(bytes, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)]);
    cuts.push(Array.from(bytes, (byte) => Uint8Array.of(byte)));
    for (const pieces of cuts) {
      globalThis.fetch = async () => inPieces(pieces);
      assert.deepEqual(await gather(ask({ text: "hi" })), EXPECTED);
    }
  }
});

test("what a frame may be, by the letter of the standard", async (t) => {
  const { fetch } = globalThis;
  t.after(() => (globalThis.fetch = fetch));
  const stream = [
    'data: {"a_b":\ndata:1}\n\n', // two lines, without an event's name
    "event: nothing\n\n", // no data: none
    'id: 7\n\nid: 8\0\ndata:  {"x":[{"y_z":null}]}\n\n', // an id with NUL is none
    "event\nnonsense: x\nevent: end\ndata: {}\n\n",
  ];
  globalThis.fetch = async () => inPieces([new TextEncoder().encode(stream.join(""))]);
  assert.deepEqual(await gather(ask({ text: "hi" })), [
    { type: "message", cursor: "", aB: 1 },
    { type: "message", cursor: "7", x: [{ yZ: null }] },
    { type: "end", cursor: "7" },
  ]);
});

test("what is asked, and how", async () => {
  const question = {
    text: "hi",
    threadId: "t",
    history: [{ role: "user", content: "ü" }],
    include: ["thoughts"],
    model: "m",
    temperature: 0,
    onDisconnect: 3,
    onConflict: "interrupt",
  };
  await scripted([events(STREAM)], async ({ url, asked }) => {
    await gather(ask({ ...question, url, key: "sk" }));
    const [{ method, url: path, headers, body }] = asked;
    assert.deepEqual([method, path], ["POST", "/chat"]);
    assert.deepEqual(
      [headers.authorization, headers.accept, headers["content-type"]],
      ["Bearer sk", "text/event-stream", "application/json"],
    );
    assert.deepEqual(JSON.parse(body), {
      text: "hi",
      thread_id: "t",
      history: [{ role: "user", content: "ü" }],
      include: ["thoughts"],
      model: "m",
      temperature: 0,
      on_disconnect: 3,
      on_conflict: "interrupt",
    });
  });
});

test("what a question says beside that is the server's to judge", async () => {
  const unknown = { text: "hi", thread_id: "t", temprature: 1 };
  const { signal } = new AbortController();
  const ours = { key: "sk", signal, retries: 1, delay: 1, silence: Infinity };
  await scripted([events(STREAM)], async ({ url, asked }) => {
    await gather(ask({ ...unknown, ...ours, url }));
    assert.deepEqual(JSON.parse(asked[0].body), unknown);
    await assert.rejects(gather(ask({ text: "hi", key: "ключ", url })), {
      code: "unauthorized",
      status: 401,
    });
    assert.equal(asked.length, 1);
  });
});

test("a server is not waited for longer than a minute, nor for its words", async () => {
  const busy = (retryAfter, options) =>
    json({ detail: "Busy." }, { status: 503, headers: { "Retry-After": retryAfter }, ...options });
  const hour = new Date(Date.now() + 3_600_000).toUTCString();
  for (const long of ["61", "2147484", hour]) {
    await scripted([busy(long)], async ({ url, asked }) => {
      await assert.rejects(gather(ask({ text: "hi", url })), { message: "Busy.", status: 503 });
      assert.equal(asked.length, 1);
    });
    await scripted([events(FRAMES[0]), busy(long)], async ({ url }) => {
      await assert.rejects(gather(ask({ text: "hi", url, ...OURS })), { status: 503 });
    });
  }
  await scripted([busy("61", { stall: true })], async ({ url }) => {
    await assert.rejects(gather(ask({ text: "hi", url, silence: 500 })), { status: 503 });
  });
});

test("a lost stream is taken up where it was lost, wherever that is", async () => {
  for (let at = FRAMES[0].length; at < STREAM.length; at += 41) {
    const first = events(STREAM.slice(0, at), { cut: true });
    const second = ({ url }) => events(after(url).slice(0, 60), { cut: at % 2 > 0 });
    const rest = ({ url }) => events(after(url), { piece: 7 });
    await scripted([first, second, nothing(), rest], async ({ url, asked }) => {
      const seen = await gather(ask({ text: "hi", url, include: ["tools", "thoughts"], ...OURS }));
      assert.deepEqual(told(seen), EXPECTED);
      assert.equal(asked.filter(({ method }) => method === "POST").length, 1);
      assert.match(asked[1].url, /^\/runs\/r\/events\?include=tools&include=thoughts&after=\d$/);
      const [lost, back] = seen.filter(({ type }) => type === "lost" || type === "back");
      assert.deepEqual([lost.type, lost.error.code, back.type], ["lost", "network", "back"]);
    });
  }
});

test("a run whose first event was lost is known by its header", async () => {
  const headers = { "X-Run-Id": "r", "Content-Type": "Text/Event-Stream; charset=UTF-8" };
  const first = events("", { headers });
  await scripted([first, events(STREAM)], async ({ url, asked }) => {
    const seen = await gather(ask({ text: "hi", url, ...OURS }));
    assert.deepEqual(told(seen), EXPECTED);
    assert.equal(asked[1].url, "/runs/r/events");
  });
});

test("servers that are going down or busy are waited for", async () => {
  const first = events(FRAMES[0] + FRAMES[1]);
  const ill = [503, 502, 500, 429, 408, 425].map((status) => reply("<h1>no", { status }));
  const page = reply("<h1>Log in", { headers: { "Content-Type": "text/html" } });
  await scripted([first, ...ill, page, events(FRAMES.slice(2).join(""))], async ({ url }) => {
    const seen = await gather(ask({ text: "hi", url, ...OURS }));
    assert.deepEqual(told(seen), EXPECTED);
    const delays = seen.filter(({ type }) => type === "lost").map(({ delay }) => delay);
    assert.equal(delays.length, 8);
    delays.forEach((delay, n) => assert.ok(delay >= 2 ** n / 2 && delay <= 2 ** n, delays));
  });
});

test("up to a limit, if there is one", async () => {
  await scripted([events(FRAMES[0]), nothing()], async ({ url, asked }) => {
    const seen = [];
    const all = async () => {
      for await (const event of ask({ text: "hi", url, ...OURS, retries: 3 }))
        seen.push(event.type);
    };
    await assert.rejects(all, {
      name: "LastwordError",
      code: "network",
      retryable: true,
      status: 0,
    });
    assert.deepEqual(seen, ["start", "lost", "lost", "lost"]);
    assert.equal(asked.length, 4);
  });
});

test("a run that is gone is an error", async () => {
  const gone = { code: "gone", detail: "Too late.", retryable: false };
  await scripted([events(FRAMES[0]), json(gone, { status: 410 })], async ({ url }) => {
    const all = () => gather(ask({ text: "hi", url, ...OURS }));
    await assert.rejects(all, {
      code: "gone",
      status: 410,
      message: "Too late.",
      retryable: false,
    });
  });
});

test("resume goes on after a cursor, and is silent if there is nothing", async () => {
  await scripted(
    [({ url }) => events(after(url)), reply("", { status: 204 })],
    async ({ url, asked }) => {
      assert.deepEqual(await gather(resume("a/b", "3", { url, key: "sk" })), EXPECTED.slice(4));
      assert.deepEqual(await gather(resume("a/b", "5", { url })), []);
      assert.equal(asked[0].url, "/runs/a%2Fb/events?after=3");
      assert.equal(asked[0].headers.authorization, "Bearer sk");
    },
  );
});

test("a refusal has a code, a status, a field", async () => {
  const problem = {
    code: "bad_request",
    detail: "text: too long",
    retryable: false,
    errors: [{ field: "text", message: "too long" }],
  };
  await scripted([json(problem, { status: 422 })], async ({ url, asked }) => {
    for (const call of [
      () => gather(ask({ text: "hi", url })),
      () => answer({ text: "hi", url }),
    ]) {
      await assert.rejects(call, (error) => {
        assert.ok(error instanceof LastwordError);
        const { name, message, code, status, field, retryable } = error;
        assert.deepEqual(
          { name, message, code, status, field, retryable },
          {
            name: "LastwordError",
            message: "text: too long",
            code: "bad_request",
            status: 422,
            field: "text",
            retryable: false,
          },
        );
        return true;
      });
    }
    assert.equal(asked.length, 2);
  });
});

test("a question that was refused for now is asked again, but not for ever", async () => {
  const busy = json({ code: "busy", detail: "Busy.", retryable: true }, { status: 503 });
  await scripted([busy, busy, events(STREAM)], async ({ url, asked }) => {
    const told = [];
    const onRefused = (error, delay) => told.push(error ? [error.code, delay > 0] : null);
    assert.deepEqual(await gather(ask({ text: "hi", url, ...OURS, onRefused })), EXPECTED);
    assert.equal(asked.length, 3);
    assert.deepEqual(told, [["busy", true], null, ["busy", true], null]);
  });
  const limited = json({}, { status: 429, headers: { "Retry-After": "0.01" } });
  await scripted([limited], async ({ url, asked }) => {
    const call = () => answer({ text: "hi", url, ...OURS });
    await assert.rejects(call, { status: 429, code: "internal", retryAfter: 0.01 });
    assert.equal(asked.length, 3);
  });
});

test("a question whose fate is unknown is not asked again", async () => {
  for (const first of [nothing(), events("data: {}\n\n"), reply("<h1>", { status: 502 })]) {
    await scripted([first], async ({ url, asked }) => {
      await assert.rejects(() => gather(ask({ text: "hi", url, ...OURS })), { retryable: true });
      assert.equal(asked.length, 1);
    });
  }
});

test("what is no Lastword server is said to be none", async () => {
  const page = reply("<h1>Hello", { headers: { "Content-Type": "text/html" } });
  const nonsense = events("event: delta\ndata: {\n\n");
  const others = [reply("", { status: 204 }), json({}), json(null), json({ output: 1 })];
  for (const first of [page, nonsense, ...others]) {
    await scripted([first], async ({ url }) => {
      await assert.rejects(() => gather(ask({ text: "hi", url })), { code: "malformed" });
      await assert.rejects(() => answer({ text: "hi", url }), { code: "malformed" });
    });
  }
  await scripted([page], async ({ url }) => {
    await assert.rejects(() => cancel("r", { url }), { code: "malformed" });
    await assert.rejects(() => forget("t", { url }), { code: "malformed", retryable: true });
  });
});

test("what is not read is closed", async () => {
  const { signal } = new AbortController();
  await scripted([events(FRAMES[0], { stall: true })], async ({ url, asked }) => {
    for (const call of [
      () => answer({ text: "hi", url, signal }),
      () => cancel("r", { url, signal }),
      () => forget("t", { url, signal }),
    ]) {
      await assert.rejects(call, { code: "malformed" });
      await asked.at(-1).left;
    }
    assert.equal(asked.length, 3);
  });
  await scripted([({ left }) => left.then(() => nothing())], async ({ url, asked }) => {
    await assert.rejects(() => cancel("r", { url, signal, silence: 50 }), { code: "silence" });
    await asked[0].left;
  });
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("a server that has gone silent is left, and found again", async () => {
  const silent = events(FRAMES[0], { stall: true });
  const mute = ({ left }) => ({ ...silent, body: ": heartbeat\n", left });
  await scripted([silent, mute, ({ url }) => events(after(url))], async ({ url, asked }) => {
    const seen = await gather(ask({ text: "hi", url, ...OURS, silence: 50 }));
    assert.deepEqual(told(seen), EXPECTED);
    assert.deepEqual(
      seen.filter(({ type }) => type === "lost").map(({ error }) => error.code),
      ["silence", "silence"],
    );
    await Promise.all(asked.map(({ left }) => left));
  });
});

test("who aborts hears their own reason, whatever it waits for", async () => {
  const reason = new Error("enough");
  const when = {
    before: (controller) => controller.abort(reason),
    "while it comes": (controller, event) => event?.type === "delta" && controller.abort(reason),
    "while it is lost": (controller, event) => event?.type === "lost" && controller.abort(reason),
  };
  for (const [name, act] of Object.entries(when)) {
    const options = name === "while it is lost" ? { cut: true } : { stall: true };
    await scripted([events(FRAMES[0] + FRAMES[1], options)], async ({ url, asked }) => {
      const controller = new AbortController();
      act(controller);
      const all = async () => {
        const options = { text: "hi", url, signal: controller.signal, delay: 1e6 };
        for await (const event of ask(options)) act(controller, event);
      };
      await assert.rejects(all, reason, name);
      await Promise.all(asked.map(({ left }) => left));
    });
  }
  await scripted([events(STREAM)], async ({ url }) => {
    const controller = new AbortController();
    const seen = [];
    const all = async () => {
      for await (const { type } of ask({ text: "hi", url, signal: controller.signal })) {
        seen.push(type);
        if (type === "delta") controller.abort(reason);
      }
    };
    await assert.rejects(all, reason, "though the rest was there already");
    assert.deepEqual(seen, ["start", "delta"]);
  });
  await scripted(
    [reply("", { stall: true, headers: { "Content-Type": "application/json" } })],
    async ({ url }) => {
      const waiting = answer({ text: "hi", url, signal: AbortSignal.timeout(20) });
      await assert.rejects(waiting, { name: "TimeoutError" });
    },
  );
});

test("who leaves the loop leaves the connection", async () => {
  await scripted([events(FRAMES[0], { stall: true })], async ({ url, asked }) => {
    for await (const { type } of ask({ text: "hi", url })) if (type === "start") break;
    await asked[0].left;
  });
});

test("the network's return ends the wait, and the next is short again", async () => {
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  try {
    const replies = [events(FRAMES[0]), nothing(), nothing(), ({ url }) => events(after(url))];
    await scripted(replies, async ({ url }) => {
      const seen = [];
      for await (const event of ask({ text: "hi", url, delay: 10_000 })) {
        seen.push(event);
        if (event.type === "lost") setImmediate(() => target.dispatchEvent(new Event("online")));
      }
      assert.deepEqual(told(seen), EXPECTED);
      const delays = seen.filter(({ type }) => type === "lost").map(({ delay }) => delay);
      assert.deepEqual(delays.map((delay) => delay < 10_000), [true, true, true]);
    });
  } finally {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test("a whole answer, and the end of a run", async () => {
  const whole = {
    input: "hi",
    chat_history: [{ role: "user", content: "x" }],
    output: "yes",
    run_id: "r",
    usage: {},
  };
  await scripted([json(whole), reply("", { status: 204 })], async ({ url, asked }) => {
    assert.deepEqual(await answer({ text: "hi", url }), {
      input: "hi",
      chatHistory: [{ role: "user", content: "x" }],
      output: "yes",
      runId: "r",
      usage: {},
    });
    assert.deepEqual(JSON.parse(asked[0].body), { text: "hi", on_disconnect: "cancel" });
    await cancel("r", { url, key: "sk" });
    assert.deepEqual([asked[1].method, asked[1].url], ["DELETE", "/runs/r"]);
  });
});

test("text is taken back as the server says", () => {
  const answered = new Answer();
  const after = (...events) => {
    for (const [type, text, certain] of events) answered.read({ type, text, certain });
    return answered.text;
  };
  assert.equal(after(["delta", "a"], ["delta", "b", false]), "ab");
  assert.equal(after(["retract"]), "a");
  assert.equal(after(["delta", "c", false], ["confirm"], ["retract"]), "ac");
  assert.equal(after(["delta", "d", false], ["retract", "", true]), "");
  assert.equal(after(["thought", "x"], ["delta", "e"], ["end"]), "e");
});
