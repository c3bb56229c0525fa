// Asks, follows, stops and forgets: brings a turn up to date with its run. What is shown of it is
// not its business.
import { answer, ask, cancel, forget, resume } from "./lastword.js";
import { close, fail, isOpen, read, readWhole } from "./turn.js";

/** Seconds that a run goes on while nobody listens: the time to reload, or to find a network. */
const PATIENCE = 60;
const LONGEST_WAIT = 60_000;
const following = new Map();
const unwanted = new Set(); // turns that were stopped before their runs were known

/**
 * Ask the turn's question, or go on with its run, up to its end. `question` is what else is asked;
 * `changed` is called after each event; `key()` gives the key, and `key(wrong)` asks for another.
 */
export async function follow(turn, { question, changed, key }) {
  const controller = new AbortController();
  const { signal } = controller;
  following.set(turn.id, controller);
  try {
    await attempt(turn, { question, changed, key, signal }, key());
  } catch (error) {
    if (!signal.aborted && isOpen(turn)) fail(turn, error);
  } finally {
    following.delete(turn.id);
    unwanted.delete(turn.id);
  }
  changed();
}

async function attempt(turn, options, key) {
  try {
    await run(turn, { ...options, key });
  } catch (error) {
    const other = error.code === "unauthorized" && (await options.key(Boolean(key)));
    if (!other) throw error;
    await attempt(turn, options, other);
  }
}

async function run(turn, { question, changed, key, signal }) {
  const common = { key, signal, include: turn.include };
  const wanted = { text: turn.question, model: turn.model || undefined, onConflict: "interrupt" };
  const asked = { ...wanted, ...question, ...common };
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
  if (unwanted.delete(turn.id)) return cancel(turn.runId, { key });
  if (isOpen(turn)) close(turn, "done"); // it was over, and everything had been read
}

/**
 * Stop the run; what came of it stays. It is left first: a browser has few connections, and the
 * one that is needed here may be taken, or lost. What has been asked for, but has no name yet, is
 * stopped as soon as it has one.
 */
export async function stop(turn, key) {
  if (turn.state === "asking" && !turn.whole && following.has(turn.id)) {
    unwanted.add(turn.id);
    return close(turn, "stopped");
  }
  drop(turn);
  if (turn.runId && !turn.whole) await cancelled(turn.runId, key);
}

/** Now, or when there is a network again. */
async function cancelled(runId, key) {
  const again = () => cancel(runId, { key }).catch(() => {});
  await cancel(runId, { key }).catch((error) => {
    if (error.status === 0) addEventListener("online", again, { once: true });
    throw error;
  });
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

/** A conversation. A run in it may take its time to end; some day the server forgets by itself. */
export async function forgetSoon(id, key) {
  for (let wait = 100; wait < LONGEST_WAIT; wait *= 3) {
    const busy = await forget(id, { key }).catch(({ status }) => status === 409);
    if (!busy) return;
    await new Promise((done) => setTimeout(done, wait));
  }
}
