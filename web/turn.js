// A question and what came of it: a plain object that can be kept. Pure.

/** Exchanges of a conversation that go with a question that is asked again, and their bytes. */
const MOST = { exchanges: 20, bytes: 120_000 };
/** What the server takes of both, and what else stands in a request. */
const BODY = { bytes: 256 * 1024, beside: 4096 };
/** What an exchange has beside its texts, and with how little it would say nothing. */
const AROUND = 80;
const LEAST = 1000;

/** Seconds that a run goes on while nobody listens: the time to come back out of a tunnel. */
export const PATIENCE = 600;

/** Since the page was loaded, but as all pages count: nobody sets this clock. */
const clock = () => performance.timeOrigin + performance.now();

/** Milliseconds since a turn was asked. */
export const since = ({ began }) => clock() - began;

/** The beginning of a text, without half a character at its end. */
export const cut = (text, most) => text.slice(0, most).replace(/[\ud800-\udbff]$/, "");

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * `state`: asking, running, done, stopped, failed. `whole`: not streamed. `tab`: that asked it.
 * `model`: that was chosen, if there was a choice.
 */
export function newTurn(question, { model = "", whole = false, thoughts = false, tab = "" } = {}) {
  const include = ["tools", "sources", ...(thoughts ? ["thoughts"] : [])];
  const id = newId();
  const how = { model, whole, include, tab };
  const when = { asked: Date.now(), began: clock() };
  return { id, question, state: "asking", ...how, ...when, ...empty() };
}

const empty = () => ({ certain: "", uncertain: "", thoughts: "", tools: [], sources: [] });

/** A turn that was kept, or nothing if it is none: who knows who wrote it. */
export function restored(kept) {
  if (typeof kept?.id !== "string" || typeof kept.question !== "string") return null;
  const error = { code: "internal", message: "It failed." };
  const sound = { ...newTurn(""), state: "stopped", asked: 0, error, cited: [] };
  const turn = { ...empty(), include: [], state: "stopped", asked: 0, ...kept };
  for (const [name, value] of Object.entries(sound)) {
    if (name in turn && kind(turn[name]) !== kind(value)) turn[name] = value;
  }
  turn.tools = turn.tools.filter((tool) => kind(tool) === "object");
  turn.sources = turn.sources.filter((source) => kind(source?.number) === "number");
  if (kind(turn.unknownCitations) !== "array") delete turn.unknownCitations;
  if (turn.state === "failed") turn.error ??= error;
  return turn;
}

const kind = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);

export const answerOf = (turn) => turn.certain + turn.uncertain;

export const isOpen = (turn) => turn?.state === "asking" || turn?.state === "running";

/** Has the turn follow an event of its run. `missed`: nobody may have listened for too long. */
export function read(turn, event) {
  if (event.cursor) turn.cursor = event.cursor;
  if (event.type !== "lost") {
    if (Date.now() - (turn.heard ?? turn.asked) > PATIENCE * 1000) turn.missed = true;
    turn.heard = Date.now(); // also in another page, and while this machine sleeps
  }
  READERS[event.type]?.(turn, event);
}

/** A model may call each of its calls the same. */
const running = (id) => (tool) => tool.id === id && tool.state === "started";

const READERS = {
  start: (turn, { runId }) => Object.assign(turn, { runId, state: "running" }),
  lost: (turn) => (turn.lost = true),
  back: (turn) => delete turn.lost,
  delta(turn, { text, certain }) {
    turn.first ??= since(turn);
    turn[certain === false ? "uncertain" : "certain"] += text;
  },
  confirm: (turn) => Object.assign(turn, { certain: answerOf(turn), uncertain: "" }),
  retract(turn, { certain }) {
    turn.uncertain = "";
    // The run begins anew, and tells all of it again.
    if (certain) Object.assign(turn, empty(), { placed: 0 });
  },
  thought: (turn, { text }) => (turn.thoughts += text),
  tool(turn, { id, name, state, input, output }) {
    // What a tool found is told between its start and its end, and right before that.
    const passages = turn.sources.length - (turn.placed ?? 0);
    turn.placed = turn.sources.length;
    if (state === "started") return turn.tools.push({ id, name, state, input });
    const tool = turn.tools.find(running(id)) ?? {};
    Object.assign(tool, { state, output }, passages && { passages });
  },
  source(turn, { number, title, location, passage, score }) {
    turn.sources.push({ number, title, location, passage, score });
  },
  end(turn, { finishReason, cited, unknownCitations }) {
    const stopped = finishReason === "cancelled";
    const certain = answerOf(turn);
    Object.assign(turn, { certain, uncertain: "", finishReason, unknownCitations });
    if (!stopped) turn.cited = cited ?? [];
    close(turn, stopped ? "stopped" : "done");
  },
  failed: fail,
};

export function close(turn, state) {
  delete turn.lost;
  if (!turn.resumed) turn.took = since(turn);
  turn.state = state;
}

export function fail(turn, { code = "internal", message }) {
  close(turn, "failed");
  turn.error = { code, message };
}

/** An answer that came whole. */
export function readWhole(turn, reply) {
  const { output, runId, finishReason, sources = [], cited = [], unknownCitations } = reply;
  Object.assign(turn, { certain: output, runId, finishReason, sources, cited, unknownCitations });
  close(turn, "done");
}

/** The conversation of these turns, as it goes with a question: the newest part, if it is long. */
export function history(turns, question = "") {
  const answered = turns.filter(
    (turn) => !isOpen(turn) && turn.state !== "failed" && answerOf(turn),
  );
  let room = Math.min(MOST.bytes, BODY.bytes - BODY.beside - bytes(question));
  const said = [];
  for (const turn of answered.slice(-MOST.exchanges).reverse()) {
    const exchange = fitting(turn, room);
    if (!exchange) break;
    said.unshift(...exchange);
    room -= bytes(exchange);
  }
  return said;
}

/** A turn in so many bytes; the newest part of it. Nothing if that would say nothing. */
function fitting(turn, room) {
  if (room < LEAST) return null;
  const most = Math.max(room / 2, room - bytes(answerOf(turn)));
  const question = newest(turn.question, most - AROUND);
  const answer = newest(answerOf(turn), room - bytes(question) - AROUND);
  return [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ];
}

function newest(text, room) {
  let over = bytes(text) - room;
  for (; over > 0; over = bytes(text) - room) {
    text = text.slice(Math.ceil(over / 6)).replace(/^[\udc00-\udfff]/, ""); // six at the most, each
  }
  return text;
}

/** In a request. */
const bytes = (value) => new TextEncoder().encode(JSON.stringify(value)).length;
