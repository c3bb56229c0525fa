// Asks, follows, stops and forgets: brings a turn up to date with its run. What is shown of it is
// not its business.
import { answer, ask, cancel, forget, resume } from "./lastword.js";
import { owed, settle } from "./store.js";
import { PATIENCE, close, fail, isOpen, read, readWhole } from "./turn.js";

const LONGEST_PAUSE = 30_000;
const CONFLICT = 409; // a run in a conversation may take its time to end
const following = new Map();
const unwanted = new Set(); // turns that were stopped before their runs were known
const forgetting = new Set();

/**
 * Ask the turn's question, or go on with its run, up to its end. `question` is what else is asked;
 * `changed` is called after each event; `key()` gives the key, and `key(wrong)` asks for another.
 */
export async function follow(turn, { question, changed, key }) {
  const controller = new AbortController();
  const { signal } = controller;
  following.set(turn.id, controller);
  try {
    await keyed(key, (given) => run(turn, { question, changed, key: given, signal }));
  } catch (error) {
    if (!signal.aborted && isOpen(turn)) fail(turn, error);
  } finally {
    following.delete(turn.id);
    unwanted.delete(turn.id);
  }
  changed();
}

/** With the key there is, or with others, as long as they are wrong and somebody gives one. */
async function keyed(key, work, given = key()) {
  try {
    return await work(given);
  } catch (error) {
    const other = error.code === "unauthorized" && (await key(Boolean(given)));
    if (!other) throw error;
    return keyed(key, work, other);
  }
}

async function run(turn, { question, changed, key, signal }) {
  const common = { key, signal, include: turn.include };
  const wanted = { text: turn.question, model: turn.model || undefined, onConflict: "interrupt" };
  const onRefused = (error, delay) => {
    turn.again = error ? Date.now() + delay : undefined;
    changed();
  };
  const asked = { ...wanted, ...question, ...common, onRefused };
  if (turn.whole) return readWhole(turn, await answer(asked));
  const events = turn.runId
    ? resume(turn.runId, turn.cursor, common)
    : ask({ ...asked, onDisconnect: PATIENCE });
  for await (const event of events) {
    if (unwanted.has(turn.id)) {
      if (event.type !== "start") continue;
      turn.runId = event.runId;
      break;
    }
    read(turn, event);
    changed();
  }
  if (unwanted.delete(turn.id)) return insist(() => cancel(turn.runId, { key }));
  if (isOpen(turn)) close(turn, "done"); // it was over, and everything had been read
}

/**
 * Stop the run; what came of it stays. It is left first: a browser has few connections, and the
 * one that is needed here may be taken, or lost. What has been asked for, but has no name yet, is
 * stopped as soon as it has one.
 */
export async function stop(turn, key) {
  const isAsked = turn.state === "asking" && !turn.again && !turn.whole;
  if (isAsked && following.has(turn.id)) {
    unwanted.add(turn.id);
    return close(turn, "stopped");
  }
  drop(turn);
  if (turn.runId && !turn.whole) await insist(() => cancel(turn.runId, { key }));
}

/** It was stopped. */
export function drop(turn) {
  leave(turn);
  if (isOpen(turn)) close(turn, "stopped");
}

/** Look no more. */
export function leave(turn) {
  following.get(turn.id)?.abort();
}

/** What was deleted here is forgotten there: now, or when the page is loaded again. */
export async function forgetOwed(key) {
  const due = owed().filter((id) => !forgetting.has(id));
  await Promise.allSettled(due.map((id) => forgetSoon(id, key)));
}

async function forgetSoon(id, key) {
  forgetting.add(id);
  try {
    await keyed(key, (given) => insist(() => forget(id, { key: given })));
    settle(id);
  } finally {
    forgetting.delete(id);
  }
}

/** Until it is done, or cannot be: soon, then less and less often, or when there is a network. */
async function insist(work) {
  for (let pause = 100; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await work();
    } catch (error) {
      if (!error.retryable && error.status !== CONFLICT) throw error;
    }
    await new Promise((over) => {
      setTimeout(over, pause);
      globalThis.addEventListener?.("online", over, { once: true });
    });
  }
}
