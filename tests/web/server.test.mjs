// Both clients against the real server, whose address and key are given.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Answer, answer, ask, cancel, resume } from "../../web/lastword.js";
import { completeChat, createChatCompletion, createEmbedding } from "../../web/openai.js";
import { gather } from "./scripted.mjs";

const { SERVER: url, PROXY: proxy, KEY: key, SAID, MODEL: model } = process.env;
const said = (events) => {
  const answered = new Answer();
  for (const event of events) answered.read(event);
  return answered.text;
};

test("an answer, and again from each of its cursors", async () => {
  const events = await gather(ask({ text: "hi", url, key }));
  assert.equal(said(events), SAID);
  const [{ type, runId, threadId }] = events;
  assert.equal(type, "start");
  assert.match(runId + threadId, /^[0-9a-f]{64}$/);
  const { finishReason, usage } = events.at(-1);
  assert.deepEqual([finishReason, usage.totalTokens], ["stop", 46]);
  for (const [n, { cursor }] of events.entries()) {
    assert.deepEqual(await gather(resume(runId, cursor, { url, key })), events.slice(n + 1));
  }
  assert.deepEqual(await gather(resume(runId, undefined, { url, key })), events);
});

test("through a network that cuts", async () => {
  const seen = await gather(ask({ text: "hi", url: proxy, key, delay: 1 }));
  assert.equal(said(seen), SAID);
  const runId = seen[0].runId;
  const again = await gather(resume(runId, "0", { url: proxy, key, delay: 1 }));
  assert.ok(again.some(({ type }) => type === "lost"));
  assert.equal(said(again), SAID);
});

test("a whole answer, and the conversation that it ends", async () => {
  const history = [
    { role: "user", content: "before" },
    { role: "assistant", content: "yes" },
  ];
  const whole = await answer({ text: "hi", threadId: "t", history, url, key });
  assert.deepEqual([whole.output, whole.threadId, whole.finishReason], [SAID, "t", "stop"]);
  assert.deepEqual(whole.chatHistory, history);
});

test("stopped in the middle, what came stays", async () => {
  const events = [];
  for await (const event of ask({ text: "for ever", url, key })) {
    events.push(event);
    if (event.type === "delta" && said(events).length > 20)
      await cancel(events[0].runId, { url, key });
  }
  assert.equal(events.at(-1).finishReason, "cancelled");
  assert.ok(said(events).startsWith("on and on"));
});

test("errors have a code, a status, a field", async () => {
  const wrong = { text: "hi", temperature: 3, url, key };
  await assert.rejects(() => answer(wrong), {
    code: "bad_request",
    status: 422,
    field: "temperature",
  });
  await assert.rejects(() => answer({ text: "hi", url, key: "x" }), {
    code: "unauthorized",
    status: 401,
  });
  await assert.rejects(() => gather(resume("none", "0", { url, key })), {
    code: "not_found",
    status: 404,
  });
  const failed = await gather(ask({ text: "fail", url, key }));
  assert.deepEqual([failed.at(-1).type, failed.at(-1).code], ["failed", "upstream_rejected"]);
});

const messages = [{ role: "user", content: "hi" }];
const v1 = { url: `${url}/v1`, key };

test("OpenAI's protocol", async () => {
  const chunks = await gather(createChatCompletion({ model, messages }, v1));
  assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), SAID);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  const whole = await completeChat({ model, messages }, v1);
  assert.equal(whole.choices[0].message.content, SAID);
});

test("OpenAI's errors", async () => {
  const call = () => gather(createChatCompletion({ model, messages, n: 2 }, v1));
  await assert.rejects(call, { status: 400, param: "n", retryable: false });
  await assert.rejects(() => createEmbedding({ input: "hi" }, v1), { status: 501 });
  await assert.rejects(() => completeChat({ model, messages }, { ...v1, key: "x" }), {
    status: 401,
  });
});
