// Conversations, kept by the browser and shared by its tabs; each turn by itself, since it is
// written while it grows. What is changed is read again just before: another tab may change it, too.
import { local } from "./kept.js";
import { restored } from "./turn.js";

const LIST = "lastword";
const MOST_LOST = 3; // conversations that one answer may take the room of
const key = (...ids) => [LIST, ...ids].join("/");
let losable = MOST_LOST;
const lost = [];

/** Whether anything outlives the page. */
export const { keeps } = local;

/** Newest first: `id`, `title` and `at`, when it was last asked. */
export function list() {
  const found = load(LIST);
  const sound = (each) => typeof each?.id === "string" && typeof each.title === "string";
  return Array.isArray(found) ? found.filter(sound) : [];
}

/** The turns of a conversation, or nothing if there is no such. */
export function find(id) {
  const turns = order(id);
  return turns && turns.map((turn) => turnOf(id, turn)).filter(Boolean);
}

/** The ids of the turns of a conversation, or nothing if there is no such. */
export function order(id) {
  const turns = load(key(id))?.turns;
  return Array.isArray(turns) ? turns.filter((turn) => typeof turn === "string") : null;
}

/** One turn, if it is kept. */
export const turnOf = (id, turn) => restored(load(key(id, turn)));

/** Put a turn in the place of those from `from` on. */
export function begin(id, turn, from) {
  losable = MOST_LOST;
  const turns = order(id) ?? [];
  for (const gone of turns.slice(from)) local.remove(key(id, gone));
  write(key(id, turn.id), turn, id);
  write(key(id), { id, turns: [...turns.slice(0, from), turn.id] }, id);
  const known = list();
  const title = from > 0 && known.find((other) => other.id === id)?.title;
  const entry = { id, title: title || turn.question.slice(0, 100), at: turn.asked };
  write(LIST, [entry, ...known.filter((other) => other.id !== id)], id);
}

/** Keep what a turn has become, unless it was taken away. */
export function keep(id, turn) {
  if (order(id)?.includes(turn.id)) write(key(id, turn.id), turn, id);
}

export function forget(id) {
  write(
    LIST,
    list().filter((other) => other.id !== id),
  );
  for (const name of local.keys()) {
    if (name === key(id) || name.startsWith(key(id, ""))) local.remove(name);
  }
}

/**
 * Calls back with the ids of a conversation that another tab changed, and of its turn; with that
 * of the conversation only, if others are in it; with none if the list changed.
 */
export function onChange(changed) {
  addEventListener("storage", ({ key: name }) => {
    if (name === LIST || name === null) changed();
    else if (name.startsWith(key(""))) changed(...name.split("/").slice(1));
  });
}

/** Calls back with the title of a conversation that had to make room. */
export function onLost(told) {
  lost.push(told);
}

function load(name) {
  try {
    return JSON.parse(local.get(name));
  } catch {
    return null; // written by somebody else
  }
}

/** Where there is no more room, the oldest of the other conversations make it, but a few only. */
function write(name, value, id) {
  for (;;) {
    try {
      return local.set(name, JSON.stringify(value));
    } catch (full) {
      const oldest = list().findLast((other) => other.id !== id);
      if (!oldest || losable === 0) throw full;
      losable -= 1;
      forget(oldest.id);
      for (const told of lost) told(oldest.title);
    }
  }
}
