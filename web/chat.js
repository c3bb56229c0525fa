// The chat page: which conversation is open, what is asked in it, and what is shown of it.
import * as aside from "./aside.js";
import { el } from "./dom.js";
import { key } from "./key.js";
import { forget } from "./lastword.js";
import * as store from "./store.js";
import { follow, leave, stop } from "./talk.js";
import { fail, history, isOpen, newId, newTurn } from "./turn.js";
import { View, enter } from "./view.js";

const SAVING = 250; // milliseconds between two writes of a turn that grows
const LONG_AGO = 600_000;
const DOCUMENTS =
  "An agent that answers from this server's documents, and shows where it stands. " +
  "Ask it about them, or begin with one of these:";
const STUCK = 48; // pixels from the bottom that still count as there

const at = (id) => document.getElementById(id);
const [log, turns, input, send, told] = ["log", "turns", "text", "send", "told"].map(at);
const [whole, thoughts, latest, empty] = ["whole", "thoughts", "latest", "empty"].map(at);

const tab = (sessionStorage.tab ??= newId());
const live = new Map(); // turns that are followed, by id: newer than what is kept
const dirty = new Set();
const unsaved = new Map();
let current = { id: null, turns: [], views: new Map() };
let stuck = true;
let left = false;

const last = () => current.turns.at(-1);

// Which conversation is open

function open(id) {
  const kept = id && store.find(id)?.turns;
  const known = (kept || []).map((turn) => live.get(turn.id) ?? turn);
  // Only this page names conversations: with a name from elsewhere, others could share it.
  current = { id: kept ? id : null, turns: known, views: new Map() };
  turns.replaceChildren(...known.map((turn) => viewOf(turn, true).element));
  known.forEach(goOn);
  showAll();
  toEnd();
}

function viewOf(turn, quietly) {
  const view = new View(turn, { say, edit, now, again: (turn) => edit(turn, turn.question) });
  if (quietly && !isOpen(turn)) view.quietly();
  view.update(turn);
  current.views.set(turn.id, view);
  return view;
}

function showAll() {
  empty.hidden = current.turns.length > 0;
  document.title = current.turns.length
    ? `${current.turns[0].question.slice(0, 60)} – Lastword`
    : "Lastword";
  aside.show(store.list(), current.id, remove);
  showState();
}

function showState() {
  send.textContent = isOpen(last()) ? "Stop" : "Ask";
  send.classList.toggle("stop", isOpen(last()));
}

/** A turn that was left in the middle, by this page before it was loaded again, or by another tab. */
function goOn(turn) {
  if (!isOpen(turn) || live.has(turn.id)) return;
  if (turn.runId) {
    turn.resumed = true;
    delete turn.lost;
    pursue(current.id, turn);
  } else if (turn.tab === tab || Date.now() - turn.asked > LONG_AGO) {
    fail(turn, { code: "interrupted" });
    changed(current.id, turn);
  }
}

// What is asked

function ask(question, from = current.turns.length, before) {
  if (!current.id) {
    current.id = newId();
    window.history.pushState(null, "", `#${current.id}`);
  }
  const turn = newTurn(question, { whole: whole.checked, thoughts: thoughts.checked, tab });
  for (const gone of current.turns.splice(from)) {
    leave(gone);
    current.views.get(gone.id).element.remove();
  }
  current.turns.push(turn);
  keeping(() => store.begin(current.id, turn, from));
  document.querySelector(".room")?.classList.remove("room");
  const { element } = viewOf(turn);
  element.classList.add("room"); // to grow into, so that nothing moves
  turns.append(element);
  showAll();
  toEnd();
  say("Answering");
  pursue(current.id, turn, { threadId: current.id, history: before });
}

/** The question, or another one in its place, with the conversation as it was before it. */
function edit(turn, question) {
  const from = current.turns.findIndex(({ id }) => id === turn.id);
  ask(question, from, history(current.turns.slice(0, from)));
  input.focus();
}

async function pursue(id, turn, question = {}) {
  live.set(turn.id, turn);
  changed(id, turn);
  await follow(turn, { question, key, changed: () => changed(id, turn) });
  live.delete(turn.id);
  save();
}

async function halt() {
  const turn = last();
  try {
    await stop(turn, key());
  } catch (error) {
    say(error.message); // the connection is lost, and the page says so already
  }
  changed(current.id, turn);
}

const now = () => dispatchEvent(new Event("online"));

// What is shown: once for each frame, however many tokens came

function changed(id, turn) {
  if (left) return; // what fails now fails because of that
  if (!dirty.size) requestAnimationFrame(draw);
  dirty.add(turn);
  if (!unsaved.size) setTimeout(save, SAVING);
  unsaved.set(turn, id);
}

function save() {
  for (const [turn, id] of unsaved) keeping(() => store.keep(id, turn));
  unsaved.clear();
}

function draw() {
  const changed = [...dirty];
  dirty.clear();
  for (const turn of changed) current.views.get(turn.id)?.update(turn);
  showState();
  if (stuck) toEnd();
}

function toEnd() {
  log.scrollTop = log.scrollHeight;
}

log.addEventListener("scroll", () => {
  stuck = log.scrollHeight - log.scrollTop - log.clientHeight < STUCK;
  latest.hidden = stuck;
});
latest.addEventListener("click", toEnd);
setInterval(() => isOpen(last()) && current.views.get(last().id).update(last()), 1000);

/** To those who listen. */
function say(text) {
  told.append(el("p", {}, text));
  while (told.children.length > 8) told.firstChild.remove();
}

// What is kept

function keeping(write) {
  try {
    write();
  } catch {
    say("The browser keeps no more: this conversation will be lost with the page.");
  }
}

addEventListener("pagehide", () => {
  save();
  left = true;
});
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

store.onChange((id) => {
  if (id && id === current.id) reconcile(store.find(id)?.turns ?? []);
  else if (!id) showAll();
});

/** What another tab did to the conversation that is open here. */
function reconcile(kept) {
  const ids = new Set(kept.map(({ id }) => id));
  current.turns.filter(({ id }) => !ids.has(id)).forEach(leave);
  const theirs = kept.map((turn) => live.get(turn.id) ?? turn);
  const same =
    theirs.every(({ id }, n) => id === current.turns[n]?.id) &&
    theirs.length === current.turns.length;
  current.turns = theirs;
  if (!same)
    turns.replaceChildren(
      ...theirs.map((turn) => (current.views.get(turn.id) ?? viewOf(turn)).element),
    );
  theirs.filter(({ id }) => !live.has(id)).forEach((turn) => dirty.add(turn));
  requestAnimationFrame(draw);
  theirs.filter(({ runId }) => runId).forEach(goOn);
  if (!same) showAll();
}

async function remove(id) {
  const running = [...live.values()].filter(({ id: one }) =>
    store.find(id)?.turns.some(({ id }) => id === one),
  );
  store.forget(id);
  if (id === current.id) renew();
  else showAll();
  at("new").focus();
  await Promise.allSettled(running.map((turn) => stop(turn, key())));
  await forget(id, { key: key() }).catch(() => {}); // the server forgets by itself, some day
}

function renew() {
  window.history.pushState(null, "", location.pathname);
  open(null);
}

// What is pressed

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (isOpen(last())) return halt();
  if (input.value.trim()) ask(input.value.trim());
  input.value = "";
});
input.addEventListener("keydown", (event) => {
  if (enter(event) && !isOpen(last())) at("ask").requestSubmit();
});
addEventListener("keydown", (event) => {
  const free = !event.defaultPrevented && !document.querySelector("dialog[open]");
  if (event.key === "Escape" && free && isOpen(last())) halt();
});
at("examples").addEventListener(
  "click",
  ({ target }) => target.type === "button" && ask(target.textContent),
);
at("new").addEventListener("click", () => {
  aside.toggle(false);
  renew();
  input.focus();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // what stands behind a # is a conversation
  input.focus();
});
at("sign").addEventListener("click", () => at("offline").showModal());
addEventListener("hashchange", () => open(location.hash.slice(1)));
for (const option of [whole, thoughts]) {
  option.checked = sessionStorage[option.id] === "true";
  option.addEventListener("change", () => (sessionStorage[option.id] = option.checked));
}

open(location.hash.slice(1));
const config = await fetch("/web/config")
  .then((response) => response.json())
  .catch(() => ({}));
at("sign").hidden = !config.offline;
if (config.documents) at("about").textContent = DOCUMENTS;
if (config.wants_key && !key()) key(false);
