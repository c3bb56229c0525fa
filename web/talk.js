// Asks, follows and stops: brings a turn up to date with its run. What is shown is not its business.
import { answer, ask, cancel, resume } from "./lastword.js";
import { close, fail, isOpen, read, readWhole } from "./turn.js";

/** Seconds that a run goes on while nobody listens: the time to reload, or to find a network. */
const PATIENCE = 60;
const following = new Map();

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
    if (!signal.aborted) fail(turn, error);
  } finally {
    following.delete(turn.id);
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
  const asked = { text: turn.question, onConflict: "interrupt", ...question, ...common };
  if (turn.whole) return readWhole(turn, await answer(asked));
  const events = turn.runId
    ? resume(turn.runId, turn.cursor, common)
    : ask({ ...asked, onDisconnect: PATIENCE });
  for await (const event of events) {
    read(turn, event);
    changed();
  }
  if (isOpen(turn)) close(turn, "done"); // it was over, and everything had been read
}

/** Stop the run; what came of it stays. One that has not begun is not waited for. */
export async function stop(turn, key) {
  if (turn.runId && !turn.whole) return cancel(turn.runId, { key });
  leave(turn);
  close(turn, "stopped");
}

/** Look no more. */
export function leave(turn) {
  following.get(turn.id)?.abort();
}
