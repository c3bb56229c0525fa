// A question and what came of it: a plain object that can be kept. Pure.

/** Exchanges and characters of a conversation that go with a question that is asked again. */
const MOST = { exchanges: 20, characters: 60_000 };

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `state`: asking, running, done, stopped, failed. `whole`: not streamed. `tab`: that asked it. */
export function newTurn(question, { whole = false, thoughts = false, tab = "" } = {}) {
  const include = ["tools", "sources", ...(thoughts ? ["thoughts"] : [])];
  const empty = { certain: "", uncertain: "", thoughts: "", tools: [], sources: [] };
  const id = newId();
  return { id, question, state: "asking", whole, include, tab, asked: Date.now(), ...empty };
}

export const answerOf = (turn) => turn.certain + turn.uncertain;

export const isOpen = (turn) => turn?.state === "asking" || turn?.state === "running";

/** Has the turn follow an event of its run. */
export function read(turn, event) {
  if (event.cursor) turn.cursor = event.cursor;
  READERS[event.type]?.(turn, event);
}

/** A model may call each of its calls the same. */
const running = (id) => (tool) => tool.id === id && tool.state === "started";

const READERS = {
  start: (turn, { runId }) => Object.assign(turn, { runId, state: "running" }),
  lost: (turn) => (turn.lost = true),
  back: (turn) => delete turn.lost,
  delta(turn, { text, certain }) {
    turn.first ??= Date.now() - turn.asked;
    turn[certain === false ? "uncertain" : "certain"] += text;
  },
  confirm: (turn) => Object.assign(turn, { certain: answerOf(turn), uncertain: "" }),
  retract(turn, { certain }) {
    turn.uncertain = "";
    // The run begins anew, and tells all of it again.
    if (certain) Object.assign(turn, { certain: "", thoughts: "", tools: [], sources: [] });
  },
  thought: (turn, { text }) => (turn.thoughts += text),
  tool(turn, { id, name, state, input, output }) {
    if (state === "started") turn.tools.push({ id, name, state, input });
    else Object.assign(turn.tools.find(running(id)) ?? {}, { state, output });
  },
  source(turn, { number, title, location, passage, score }) {
    turn.sources.push({ number, title, location, passage, score });
  },
  end(turn, { finishReason, unknownCitations }) {
    const state = finishReason === "cancelled" ? "stopped" : "done";
    const certain = answerOf(turn);
    Object.assign(turn, { certain, uncertain: "", finishReason, unknownCitations });
    close(turn, state);
  },
  failed: fail,
};

export function close(turn, state) {
  delete turn.lost;
  if (!turn.resumed) turn.took = Date.now() - turn.asked;
  turn.state = state;
}

export function fail(turn, { code = "internal", message }) {
  close(turn, "failed");
  turn.error = { code, message };
}

/** An answer that came whole. */
export function readWhole(turn, { output, runId, finishReason, sources = [], unknownCitations }) {
  Object.assign(turn, { certain: output, runId, finishReason, sources, unknownCitations });
  close(turn, "done");
}

/** The conversation of these turns, as the server takes it: the newest part, if it is long. */
export function history(turns) {
  const answered = turns.filter(
    (turn) => !isOpen(turn) && turn.state !== "failed" && answerOf(turn),
  );
  const said = answered.slice(-MOST.exchanges).map((turn) => [
    { role: "user", content: turn.question },
    { role: "assistant", content: answerOf(turn) },
  ]);
  let size = 0;
  const fits = said.reverse().filter(([question, answer]) => {
    size += question.content.length + answer.content.length;
    return size <= MOST.characters;
  });
  return fits.reverse().flat();
}
