// Conversations, kept by the browser and shared by its tabs; each turn by itself, since it is
// written while it grows. What is changed is read again just before: another tab may change it, too.
import { local } from "./kept.js";
import { cut, isOpen, restored } from "./turn.js";

const LIST = "lastword";
const OWED = "lastword-owed/"; // what the server is still to forget
const MOST_LOST = 3; // conversations that one answer may take the room of
const key = (...ids) => [LIST, ...ids].join("/");
const ours = (id) => (name) => name === key(id) || name.startsWith(key(id, ""));
let losable = MOST_LOST;
const hopeless = new Set(); // conversations for which there was not enough room
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
  const entry = { id, title: title || cut(turn.question, 100), at: turn.asked };
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
  for (const name of local.keys().filter(ours(id))) local.remove(name);
}

/** What was forgotten here is to be forgotten by the server, too, however long that takes. */
export const owe = (id) => local.set(OWED + id, "");
export const settle = (id) => local.remove(OWED + id);
export const owed = () =>
  local
    .keys()
    .filter((name) => name.startsWith(OWED))
    .map((name) => name.slice(OWED.length));

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

function write(name, value, id) {
  const text = JSON.stringify(value);
  const before = isOpen(value) ? 0 : (local.get(name)?.length ?? 0); // what grows may double yet
  for (;;) {
    try {
      return local.set(name, text);
    } catch (full) {
      if (!makeRoom(text.length - before, id)) throw full;
    }
  }
}

/** The oldest of the others go: a few only, none that is being answered, and none in vain. */
function makeRoom(needed, id) {
  if (hopeless.has(id)) return false;
  const going = [];
  for (const other of list().reverse()) {
    if (needed <= 0 || going.length === losable) break;
    if (other.id === id || isOpen(lastOf(other.id))) continue;
    going.push(other);
    needed -= size(other.id);
  }
  if (needed > 0 || !going.length) {
    hopeless.add(id);
    return false;
  }
  losable -= going.length;
  for (const { id, title } of going) {
    forget(id);
    for (const told of lost) told(title);
  }
  return true;
}

const lastOf = (id) => turnOf(id, order(id)?.at(-1));

function size(id) {
  const texts = local.keys().filter(ours(id)).map(local.get);
  return texts.join("").length;
}
