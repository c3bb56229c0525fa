/**
 * Lastword's client: asks, and reads the final answer while it is being written.
 *
 *     import { ask, Answer } from "./lastword.js";
 *     const answer = new Answer();
 *     for await (const event of ask({ text: "What is the square root of 71?" })) {
 *       answer.read(event);
 *       show(answer.text);
 *     }
 *
 * A question is sent once. A stream that is lost before its end is taken up again where it was
 * lost, by itself. This file needs no other: copy it.
 */

/**
 * @typedef {object} Options
 * @property {string} [url] The server, without a slash at its end; the page's own if missing.
 * @property {string} [key] One of the server's API keys.
 * @property {AbortSignal} [signal] Stops listening. To stop the run as well, `cancel` it.
 * @property {number} [retries] How often in a row a lost stream is looked for; for ever if missing.
 * @property {number} [delay] Milliseconds before the first of these tries, doubled for each next.
 * @property {number} [silence] Milliseconds without a byte after which a stream counts as lost.
 * @property {Extra[]} [include] What else is told; tools and sources if missing.
 * @property {(error: LastwordError | null, delay?: number) => void} [onRefused] Called where the
 *   server refuses a question for now, with the milliseconds until it is asked again, and with
 *   null when it is.
 */

/** @typedef {"tools" | "sources" | "thoughts"} Extra */
/** @typedef {{role: "system" | "user" | "assistant", content: string}} Message */

/**
 * @typedef {object} Question
 * @property {string} text
 * @property {string} [threadId] Goes on with a conversation; a new one if missing.
 * @property {Message[]} [history] What was said before, in place of what the thread remembers.
 * @property {string} [model]
 * @property {number} [temperature]
 * @property {"continue" | "cancel" | number} [onDisconnect] What the run does without a reader:
 *   goes on, ends, or ends after so many seconds.
 * @property {"reject" | "interrupt"} [onConflict] What a run on the same thread means.
 */

/** @typedef {{inputTokens: number, outputTokens: number, totalTokens: number}} Usage */

/**
 * A passage that the answer may cite as `[number]`.
 * @typedef {{number: number, title: string, location: string, passage: string, score: number}} Source
 */

/**
 * The numbers that the answer cites, and those that no source has; each only if there are any.
 * @typedef {{cited?: number[], unknownCitations?: number[]}} Citations
 */

/**
 * What happens in a run, as the server tells it; `lost` and `back` are this client's own.
 * `cursor` is where `resume` would go on after it.
 * @typedef {{cursor?: string} & (
 *   | {type: "start", runId: string, threadId: string}
 *   | {type: "delta", text: string, certain?: false}
 *   | {type: "confirm"}
 *   | {type: "retract", certain?: true}
 *   | {type: "thought", text: string}
 *   | {type: "tool", id: string, name: string, state: "started", input: string}
 *   | {type: "tool", id: string, name: string, state: "finished" | "failed", output: string}
 *   | {type: "source"} & Source
 *   | {type: "end", finishReason: "stop" | "length" | "content_filter" | "cancelled", usage: Usage}
 *      & Citations
 *   | {type: "failed", code: string, message: string, retryable: boolean}
 *   | {type: "lost", error: Error, delay: number}
 *   | {type: "back"}
 * )} Event
 */

/**
 * @typedef {{input: string, chatHistory: Message[], output: string, threadId: string,
 *   runId: string, finishReason: string, usage: Usage, sources: Source[]} & Citations} Reply
 */

const EVENTS = "text/event-stream";
const JSON_TYPE = "application/json";
const PASSING = [0, 408, 425, 429]; // and all of the server's own
const REFUSALS = 2; // after which a question is not sent again
const LONGEST_DELAY = 30_000;
const LONGEST_WAIT = 60; // seconds; a server that wants more of them is not waited for
const LONGEST_TIMER = 2 ** 31 - 1; // a longer one would be none
const SILENCE = 60_000;

/** What a server refused, or why it could not be reached or understood. */
export class LastwordError extends Error {
  name = "LastwordError";

  /**
   * @param {string} message Safe to show.
   * @param {{code: string, status?: number, retryable?: boolean, field?: string,
   *   retryAfter?: number, runId?: string, cause?: unknown}} about
   */
  constructor(message, about) {
    const { code, status = 0, retryable = false, field, retryAfter, runId, cause } = about;
    super(message, { cause });
    /** Of the server's catalogue, or `network`, `silence`, `malformed`, which are ours. */
    this.code = code;
    /** Of the HTTP response; 0 if there was none. */
    this.status = status;
    /** Whether the same again may succeed. */
    this.retryable = retryable;
    /** Which field of the question is wrong. */
    this.field = field;
    /** Seconds to wait before another try, if the server said so. */
    this.retryAfter = retryAfter;
    /** The run that failed, if one was begun. */
    this.runId = runId;
  }
}

/** The answer so far, put together from events: text may be taken back. */
export class Answer {
  certain = "";
  uncertain = "";

  get text() {
    return this.certain + this.uncertain;
  }

  /** @param {Event} event */
  read(event) {
    if (event.type === "delta" && event.certain === false) this.uncertain += event.text;
    else if (event.type === "delta") this.certain += event.text;
    else if (event.type === "confirm") this.#settle(this.text);
    else if (event.type === "retract") this.#settle(event.certain ? "" : this.certain);
  }

  #settle(text) {
    this.certain = text;
    this.uncertain = "";
  }
}

/**
 * Ask, and follow the answer up to its end: the last event is `end` or `failed`.
 * @param {Question & Options} question
 * @returns {AsyncGenerator<Event, void, undefined>}
 */
export async function* ask(question) {
  const init = { method: "POST", body: asked(question), accept: EVENTS };
  const open = (options) => unrefused(() => request("/chat", { ...options, ...init }), question);
  yield* follow(question, { open });
}

/**
 * The events of a run after a cursor, up to its end; none if it is over.
 * @param {string} runId
 * @param {string} [after] The `cursor` of the last event that was read.
 * @param {Options} [options]
 * @returns {AsyncGenerator<Event, void, undefined>}
 */
export async function* resume(runId, after, options = {}) {
  yield* follow(options, { runId, cursor: after });
}

/**
 * Ask, and wait for the whole answer. Who aborts stops the run.
 * @param {Question & Options} question
 * @returns {Promise<Reply>}
 */
export async function answer(question) {
  const body = asked({ onDisconnect: "cancel", ...question });
  const init = { method: "POST", body, accept: JSON_TYPE, silence: 0 };
  return closing(question, async (options) => {
    const response = await unrefused(() => request("/chat", { ...options, ...init }), options);
    const reply = understood(await reached(() => response.text(), options.signal));
    if (typeof reply?.output !== "string") throw malformed();
    return reply;
  });
}

/**
 * Stop a run. What it answered until then stays.
 * @param {string} runId
 * @param {Options} [options]
 */
export async function cancel(runId, options = {}) {
  await remove(`/runs/${encodeURIComponent(runId)}`, options);
}

/**
 * Forget a conversation.
 * @param {string} threadId
 * @param {Options} [options]
 */
export async function forget(threadId, options = {}) {
  await remove(`/threads/${encodeURIComponent(threadId)}`, options);
}

/**
 * @param {string} path
 * @param {Options} given
 */
async function remove(path, given) {
  const init = { silence: SILENCE, ...given, method: "DELETE" };
  await closing(init, (options) => request(path, options));
}

/** Does something, and closes what it left open. */
async function closing(options, does) {
  const leaving = new AbortController();
  try {
    return await does({ ...options, signal: either(leaving, options.signal) });
  } finally {
    leaving.abort();
  }
}

/**
 * @param {AbortController} ours
 * @param {AbortSignal} [theirs]
 */
function either({ signal }, theirs) {
  return theirs ? AbortSignal.any([signal, theirs]) : signal;
}

/** The events of a run, over as many connections as it takes; `place` knows where it was lost. */
async function* follow(options, place) {
  place.failures = 0;
  for (let lost = false; ; lost = true) {
    try {
      for await (const event of connection(options, place)) {
        if (lost) yield { type: "back" };
        lost = false;
        if (event) yield event;
      }
      return;
    } catch (caught) {
      const error = /** @type {Error} */ (caught);
      const delay = another(error, options, place);
      yield { type: "lost", error, delay };
      if (await pause(delay, options.signal)) place.failures = 0;
    }
  }
}

/** What one connection has to say, after a null when it is there. Throws if it is lost. */
async function* connection({ silence = SILENCE, ...given }, place) {
  const leaving = new AbortController();
  const signal = either(leaving, given.signal);
  try {
    const open = place.open ?? reopened;
    const response = await open({ ...given, signal, silence }, place);
    place.open = undefined; // a question is asked once
    if (response.status === 204) return; // it was over already
    place.runId ??= response.headers.get("X-Run-Id");
    yield null;
    for await (const { id, name, data } of frames(response.body, silence, signal)) {
      signal.throwIfAborted(); // it came before, but nobody wants it any more
      const event = { type: name, cursor: id, ...understood(data) };
      if (name === "start") place.runId = event.runId;
      Object.assign(place, { cursor: id, failures: 0 }); // only in a row do they count
      yield event;
      if (name === "end" || name === "failed") return;
    }
    throw new LastwordError("The connection was lost.", { code: "network", retryable: true });
  } finally {
    leaving.abort();
  }
}

function reopened(options, { runId, cursor }) {
  const query = new URLSearchParams((options.include ?? []).map((name) => ["include", name]));
  if (cursor) query.set("after", cursor);
  const path = `/runs/${encodeURIComponent(runId)}/events?${query}`;
  return request(path, { ...options, accept: EVENTS });
}

/**
 * Milliseconds until another try. Throws the error if there is to be none.
 * @param {any} error
 * @param {Options} options
 */
function another(error, { signal, retries = Infinity, delay = 500 }, place) {
  signal?.throwIfAborted();
  const passing = PASSING.includes(error.status) || error.status >= 500;
  const soon = passing && !(error.retryAfter > LONGEST_WAIT);
  if (!soon || !place.runId || place.failures >= retries) throw error;
  return backoff(place.failures++, delay, error.retryAfter);
}

/**
 * Sends a question again where the server said that it did not take it, but soon may.
 * @param {() => Promise<Response>} open
 * @param {Options} options
 */
async function unrefused(open, { signal, delay = 500, onRefused }) {
  for (let failures = 0; ; failures++) {
    try {
      return await open();
    } catch (caught) {
      const error = /** @type {LastwordError} */ (caught);
      const refused = [429, 503].includes(error.status) && !error.runId;
      const soon = refused && !(Number(error.retryAfter) > LONGEST_WAIT);
      if (!soon || failures >= REFUSALS) throw error;
      const wait = backoff(failures, delay, error.retryAfter);
      onRefused?.(error, wait);
      await pause(wait, signal);
      onRefused?.(null);
    }
  }
}

/**
 * The body of a question: the server's names are not ours. What it does not know, it says itself.
 * @param {Question & Options} question
 */
function asked(question) {
  const { url, key, signal, retries, delay, silence, onRefused, ...said } = question;
  const { threadId, onDisconnect, onConflict, ...rest } = said;
  const named = { thread_id: threadId, on_disconnect: onDisconnect, on_conflict: onConflict };
  return JSON.stringify({ ...named, ...rest });
}

/**
 * The response, if it is of the kind that is accepted. Throws what the server says otherwise.
 * @param {string} path
 * @param {Options & {method?: string, body?: string, accept?: string}} options
 */
async function request(path, { url = "", key, signal, silence, method, body, accept }) {
  const headers = new Headers();
  if (accept) headers.set("Accept", accept);
  if (body) headers.set("Content-Type", JSON_TYPE);
  if (key) authorize(headers, key);
  const fetched = () => heard(fetch(url + path, { method, body, headers, signal }), silence);
  const response = await reached(fetched, signal);
  if (!response.ok) throw await refusal(response, silence || SILENCE);
  const type = response.headers.get("Content-Type")?.toLowerCase() ?? "";
  const nothing = response.status === 204; // which is no answer to a question
  if (nothing ? method === "POST" : !accept || !type.startsWith(accept)) throw malformed();
  return response;
}

/**
 * @param {Headers} headers
 * @param {string} key
 */
function authorize(headers, key) {
  try {
    headers.set("Authorization", `Bearer ${key}`);
  } catch (cause) {
    const about = { code: "unauthorized", status: 401, cause };
    throw new LastwordError("The key has characters that no key has.", about);
  }
}

/** Problem details, or whatever stands between us and the server says. */
async function refusal(response, silence) {
  const { status } = response;
  const text = await heard(response.text(), silence).catch(() => "");
  let problem = {};
  try {
    problem = JSON.parse(text) ?? {};
  } catch {} // a gateway's page, for one
  const { detail, code = "internal", retryable = status >= 500, errors } = problem;
  const retryAfter = seconds(response.headers.get("Retry-After"));
  const runId = response.headers.get("X-Run-Id") ?? undefined;
  const about = { code, status, retryable, retryAfter, runId, field: errors?.[0]?.field };
  const said = typeof detail === "string" ? detail : detail?.[0]?.msg; // as FastAPI tells it
  return new LastwordError(said ?? `The server answered with status ${status}.`, about);
}

/** Until then; servers say it as a number or as a date. */
function seconds(header) {
  const until = Number(header ?? NaN) || (Date.parse(header ?? "") - Date.now()) / 1000;
  return until > 0 ? until : undefined;
}

async function reached(work, signal) {
  try {
    return await work();
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof LastwordError) throw cause;
    const about = { code: "network", retryable: true, cause };
    throw new LastwordError("The server cannot be reached.", about);
  }
}

function understood(json) {
  try {
    return camel(JSON.parse(json));
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause) {
  const about = { code: "malformed", retryable: true, cause };
  return new LastwordError("This is not what a Lastword server says.", about);
}

function camel(value) {
  if (Array.isArray(value)) return value.map(camel);
  if (value === null || typeof value !== "object") return value;
  const name = (key) => key.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [name(key), camel(held)]));
}

/** What a promise comes to, if that is soon enough; however late it is, without `silence`. */
function heard(promise, silence) {
  if (!silence) return promise;
  let timer;
  const late = new Promise((_, reject) => {
    const about = { code: "silence", retryable: true };
    const error = () => new LastwordError("The server has gone silent.", about);
    timer = setTimeout(() => reject(error()), Math.min(silence, LONGEST_TIMER));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function backoff(failures, delay, retryAfter = 0) {
  const longest = Math.min(LONGEST_DELAY, delay * 2 ** failures);
  return Math.max(longest * (0.5 + Math.random() / 2), retryAfter * 1000);
}

/**
 * Waits; less if the network comes back, which it tells, or the caller leaves.
 * @param {number} delay
 * @param {AbortSignal} [signal]
 * @returns {Promise<boolean>}
 */
function pause(delay, signal) {
  return new Promise((resolve, reject) => {
    /** @param {globalThis.Event} [event] */
    const over = (event) => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", over);
      signal?.removeEventListener("abort", over);
      signal?.aborted ? reject(signal.reason) : resolve(event?.type === "online");
    };
    const timer = setTimeout(over, delay);
    globalThis.addEventListener?.("online", over);
    signal?.addEventListener("abort", over);
    if (signal?.aborted) over();
  });
}

/** Server-sent events by the letter of the HTML standard, wherever the network cuts. */
async function* frames(body, silence, signal) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  /** @type {{name: string, data: string[]}} */
  let frame = { name: "message", data: [] };
  let id = "";
  let rest = "";
  let after = ""; // a LF after a CR is no line of its own, also if they come apart
  for (;;) {
    const { done, value } = await reached(() => heard(reader.read(), silence), signal);
    if (done) return; // an unfinished event is none
    const text = decoder.decode(value, { stream: true });
    if (!text) continue;
    const lines = (after === "\r" && text[0] === "\n" ? text.slice(1) : text).split(/\r\n|\r|\n/);
    after = text.slice(-1);
    lines[0] = rest + lines[0]; // only what is new was searched: a long line stays cheap
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [field] = line.split(":", 1);
      const content = line.slice(field.length + 1).replace(/^ /, "");
      if (line === "") {
        if (frame.data.length) yield { id, name: frame.name, data: frame.data.join("\n") };
        frame = { name: "message", data: [] };
      } else if (field === "event") frame.name = content;
      else if (field === "data") frame.data.push(content);
      else if (field === "id" && !content.includes("\0")) id = content;
    }
  }
}
