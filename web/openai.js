/**
 * Chat completions of OpenAI, or of any server that speaks its protocol, as they are written.
 *
 *     import { createChatCompletion } from "./openai.js";
 *     const body = { model: "offline", messages: [{ role: "user", content: "Hi" }] };
 *     for await (const chunk of createChatCompletion(body, { url: "/v1" })) {
 *       show(chunk.choices[0]?.delta.content ?? "");
 *     }
 *
 * Bodies, chunks and answers are the protocol's own. This file needs no other: copy it.
 */

/**
 * @typedef {object} Options
 * @property {string} [url] The server with its `/v1`; OpenAI's own if missing.
 * @property {string} [key] Never put one into a page that others can open.
 * @property {AbortSignal} [signal] Stops the answer.
 * @property {number} [retries] How often it is tried again before the first byte; twice if missing.
 * @property {number} [delay] Milliseconds before the first of these, doubled for each next.
 * @property {Record<string, string>} [headers] That are sent as well.
 */

/** @typedef {{role: string, content?: any, [field: string]: any}} Message */
/** @typedef {{model?: string, messages: Message[], [field: string]: any}} ChatBody */
/** @typedef {{model?: string, input: string | string[], [field: string]: any}} EmbeddingBody */
/** @typedef {{prompt_tokens: number, completion_tokens: number, total_tokens: number}} Usage */

/**
 * @typedef {object} Chunk
 * @property {string} id
 * @property {string} model
 * @property {{index: number, delta: {role?: string, content?: string | null, [field: string]: any},
 *   finish_reason: string | null}[]} choices
 * @property {Usage | null} [usage]
 */

/**
 * @typedef {object} Completion
 * @property {string} id
 * @property {string} model
 * @property {{index: number, message: Message, finish_reason: string}[]} choices
 * @property {Usage} [usage]
 */

/** @typedef {{data: {index: number, embedding: number[]}[], model: string}} Embeddings */

const OPENAI = "https://api.openai.com/v1";
const LONGEST_DELAY = 8000;
const LONGEST_WAIT = 60; // seconds; a server that wants more of them is not waited for

/** What the server refused, or why it could not be reached or understood. */
export class OpenAIError extends Error {
  name = "OpenAIError";

  /**
   * @param {string} message
   * @param {{code?: string | null, type?: string | null, param?: string | null, status?: number,
   *   retryAfter?: number, cause?: unknown}} about
   */
  constructor(message, { code, type, param, status = 0, retryAfter, cause }) {
    super(message, { cause });
    /** The server's; or `network`, `malformed`, `truncated`, which are ours. */
    this.code = code ?? null;
    this.type = type ?? null;
    /** Which field of the body is wrong. */
    this.param = param ?? null;
    /** Of the HTTP response; 0 if there was none, or if it had begun well. */
    this.status = status;
    /** Whether the same again may succeed. */
    this.retryable = code === "network" || [408, 409, 429, 500].includes(status) || status > 501;
    /** Seconds to wait before that, if the server said so. */
    this.retryAfter = retryAfter;
  }
}

/**
 * The chunks of an answer. Throws if it does not come to its end.
 * @param {ChatBody} body
 * @param {Options} [options]
 * @returns {AsyncGenerator<Chunk, void, undefined>}
 */
export async function* createChatCompletion(body, options = {}) {
  const leaving = new AbortController();
  const signal = either(leaving, options.signal);
  try {
    const open = { ...options, signal };
    const response = await post("/chat/completions", { ...body, stream: true }, open);
    for await (const { event, data } of payloads(response.body, signal)) {
      signal.throwIfAborted(); // it came before, but nobody wants it any more
      if (data === "[DONE]") return;
      if (event === "error") throw told(failure(understood(data)) ?? understood(data), {});
      yield answered(data);
    }
    throw new OpenAIError("The answer ended before its end.", { code: "truncated" });
  } finally {
    leaving.abort();
  }
}

/**
 * A whole answer.
 * @param {ChatBody} body
 * @param {Options} [options]
 * @returns {Promise<Completion>}
 */
export async function completeChat(body, options = {}) {
  return whole("/chat/completions", { ...body, stream: false }, options);
}

/**
 * The vectors of texts.
 * @param {EmbeddingBody} body
 * @param {Options} [options]
 * @returns {Promise<Embeddings>}
 */
export async function createEmbedding(body, options = {}) {
  return whole("/embeddings", body, options);
}

/**
 * What is not read to its end is closed.
 * @param {string} path
 * @param {any} body
 * @param {Options} options
 */
async function whole(path, body, options) {
  const leaving = new AbortController();
  const signal = either(leaving, options.signal);
  try {
    const response = await post(path, body, { ...options, signal });
    return answered(await reached(() => response.text(), signal));
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

/** Tries until there is an answer to read, or none to be hoped for. */
async function post(path, body, { retries = 2, delay = 500, ...options }) {
  for (let failures = 0; ; failures++) {
    try {
      return await request(path, body, options);
    } catch (caught) {
      const error = /** @type {OpenAIError} */ (caught);
      const soon = error.retryable && !(Number(error.retryAfter) > LONGEST_WAIT);
      if (!soon || failures >= retries) throw error;
      const longest = Math.min(LONGEST_DELAY, delay * 2 ** failures);
      const wait = longest * (0.5 + Math.random() / 2);
      await pause(Math.max(wait, (error.retryAfter ?? 0) * 1000), options.signal);
    }
  }
}

/**
 * @param {string} path
 * @param {any} body
 * @param {Options} options
 */
async function request(path, body, { url = OPENAI, key, signal, headers }) {
  const init = { method: "POST", headers: headed(key, headers), body: JSON.stringify(body) };
  const response = await reached(() => fetch(url + path, { ...init, signal }), signal);
  const kind = body.stream ? "text/event-stream" : "application/json";
  if (!response.ok) throw await refusal(response);
  const type = response.headers.get("Content-Type")?.toLowerCase() ?? "";
  if (!type.startsWith(kind)) throw malformed();
  return response;
}

/**
 * @param {string} [key]
 * @param {Record<string, string>} [others]
 */
function headed(key, others) {
  const authorization = key && { Authorization: `Bearer ${key}` };
  try {
    return new Headers({ "Content-Type": "application/json", ...authorization, ...others });
  } catch (cause) {
    const about = { code: "invalid_api_key", status: 401, cause };
    throw new OpenAIError("The key, or another header, has characters that none has.", about);
  }
}

async function refusal(response) {
  const { status } = response;
  const text = await response.text().catch(() => "");
  let body;
  try {
    body = JSON.parse(text);
  } catch {} // a gateway's page, for one
  const error = failure(body) ?? body?.detail?.[0]?.msg ?? body?.detail ?? (body?.message && body);
  return told(error ?? `The server answered with status ${status}.`, {
    status,
    retryAfter: seconds(response.headers.get("Retry-After")),
  });
}

/** The error that a body tells; Gemini wraps it in a list, and vLLM not at all. */
function failure(body) {
  const said = Array.isArray(body) ? body[0] : body;
  return said?.error ?? (said?.object === "error" ? said : undefined);
}

/** Some servers say only a text. */
function told(error, about) {
  if (typeof error === "string") return new OpenAIError(error, about);
  const { message = "The server failed.", code, type, param } = error;
  return new OpenAIError(message, { code: code ?? type, type, param, ...about });
}

/** Until then; servers say it as a number or as a date. */
function seconds(header) {
  const until = Number(header ?? NaN) || (Date.parse(header ?? "") - Date.now()) / 1000;
  return until > 0 ? until : undefined;
}

/** What is no error, however well it began. */
function answered(json) {
  const body = understood(json);
  const error = failure(body);
  if (error) throw told(error, {});
  return body;
}

async function reached(work, signal) {
  try {
    return await work();
  } catch (cause) {
    signal?.throwIfAborted();
    throw new OpenAIError("The server cannot be reached.", { code: "network", cause });
  }
}

function understood(json) {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause) {
  return new OpenAIError("This is not OpenAI's protocol.", { code: "malformed", cause });
}

/**
 * @param {number} delay
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(delay, signal) {
  return new Promise((resolve, reject) => {
    const over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", over);
      signal?.aborted ? reject(signal.reason) : resolve();
    };
    const timer = setTimeout(over, delay);
    signal?.addEventListener("abort", over);
    if (signal?.aborted) over();
  });
}

/**
 * What stands behind `data:`, wherever the network cuts: one line in this protocol. And what is
 * behind an `event:` before it, by which some servers name an error.
 */
async function* payloads(body, signal) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let event = "";
  for (;;) {
    const { done, value } = await reached(() => reader.read(), signal);
    if (done && /^data: ?\[DONE\]$/.test(rest)) yield { event, data: "[DONE]" }; // some forget the line's end
    if (done) return;
    const lines = decoder.decode(value, { stream: true }).split(/[\r\n]/); // blank lines say nothing
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, field, text] = /^(event|data):(.*)$/s.exec(line) ?? [];
      if (field === "event") event = text.trim();
      if (field !== "data" || !text.trim()) continue; // with nothing in it, it is a sign of life
      yield { event, data: text.trim() };
      event = "";
    }
  }
}
