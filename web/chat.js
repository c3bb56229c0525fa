// The chat page: which conversation is open, what is asked in it, and what is shown of it.
import * as aside from "./aside.js";
import * as composer from "./composer.js";
import { composing } from "./dom.js";
import { key, onGiven } from "./key.js";
import { offer } from "./model.js";
import { fresh, keeping, save, soon } from "./saving.js";
import { toEnd, toTop } from "./scroll.js";
import * as store from "./store.js";
import { gone, tab } from "./tab.js";
import { drop, follow, forgetOwed, leave, stop } from "./talk.js";
import { say } from "./told.js";
import { cut, fail, history, isOpen, newId, newTurn } from "./turn.js";
import { View } from "./view.js";

const DOCUMENTS =
  "An agent that answers from this server's documents, and shows where it stands. " +
  "Ask it about them, or begin with one of these:";

const at = (id) => document.getElementById(id);
const [log, turns, empty] = ["log", "turns", "empty"].map(at);
const SLICE = 10; // milliseconds of a frame that may be spent on what is not seen

const live = new Map(); // turns that are followed, by id: newer than what is kept
const waiting = new Map(); // the conversations of turns that were left for others, by id
const awaited = new Set(); // turns of other pages
const dirty = new Set();
let current = { turns: [], views: new Map() };
let left = false;

const last = () => current.turns.at(-1);
const busy = () => isOpen(last());
const newest = (turn) => live.get(turn.id)?.turn ?? turn;

// Which conversation is open

function open(id) {
  const kept = id && store.find(id);
  const known = (kept || []).map(newest);
  // Only this page names conversations: with a name from elsewhere, others could share it.
  const next = kept ? id : null;
  if (next !== current.id) composer.move(current.id, next);
  current = { id: next, turns: known, views: new Map() };
  at("elsewhere").hidden = !id || Boolean(kept);
  turns.replaceChildren();
  fill();
  known.forEach((turn) => goOn(turn));
  showAll();
  if (known.length) toEnd();
  else toTop();
}

/** What is seen first comes first: from the end on, and the rest as there is time. */
async function fill() {
  const shown = current;
  for (;;) {
    const until = performance.now() + SLICE;
    while (performance.now() < until || turns.clientHeight < 2 * log.clientHeight) {
      const turn = shown.turns.findLast(({ id }) => !shown.views.has(id));
      if (!turn) return;
      turns.prepend(viewOf(turn, true).element);
    }
    await new Promise((drawn) => setTimeout(drawn));
    if (current !== shown) return;
  }
}

function viewOf(turn, quietly) {
  const again = (turn) => turn.id === last().id && edit(turn, turn.question);
  const view = new View(turn, { say, edit, now, again, focus: composer.focus });
  if (quietly && !isOpen(turn)) view.quietly();
  view.update(turn);
  current.views.set(turn.id, view);
  return view;
}

function showAll() {
  empty.hidden = current.turns.length > 0;
  document.title = current.turns.length
    ? `${cut(current.turns[0].question, 60)} – Lastword`
    : "Lastword";
  aside.show(store.list(), current.id, remove);
  composer.showState(busy());
}

/** A turn that was left in the middle, by this page before it was loaded again, or by another. */
function goOn(turn, id = current.id) {
  if (!isOpen(turn) || live.has(turn.id)) return;
  if (!turn.runId) return abandoned(id, turn);
  turn.resumed = true;
  delete turn.lost;
  pursue(id, turn);
}

/** Only the page that asked it will have its answer. */
async function abandoned(id, turn) {
  if (awaited.has(turn.id)) return;
  awaited.add(turn.id);
  await gone(turn);
  awaited.delete(turn.id);
  const kept = store.turnOf(id, turn.id) ?? turn;
  if (isOpen(kept) && !kept.runId) {
    fail(kept, { code: "interrupted" });
    keeping(() => store.keep(id, kept));
  }
  if (id === current.id) reconcile(turn.id);
}

// What is asked

function ask(question, from = current.turns.length, before = said(question)) {
  fresh();
  composer.forgetDraft(current.id);
  if (!current.id) {
    current.id = newId();
    window.history.pushState(null, "", `#${current.id}`);
  }
  const turn = newTurn(question, { ...composer.options(), tab });
  for (const gone of current.turns.splice(from)) {
    leave(gone);
    current.views.get(gone.id).element.remove();
    current.views.delete(gone.id);
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

/** What was said, where the server may remember something else: more than came until a stop. */
function said(question) {
  const stopped = current.turns.some(({ state }) => state === "stopped");
  return stopped ? history(current.turns, question) : undefined;
}

/** The question, or another one in its place, with the conversation as it was before it. */
function edit(turn, question) {
  const from = current.turns.findIndex(({ id }) => id === turn.id);
  ask(question, from, history(current.turns.slice(0, from), question));
  composer.focus();
}

async function pursue(id, turn, question = {}) {
  live.set(turn.id, { id, turn });
  changed(id, turn);
  await follow(turn, { question, key, changed: () => changed(id, turn) });
  live.delete(turn.id);
  save();
  if (isOpen(turn)) waiting.set(turn.id, id);
  followWaiting();
}

/** A browser has few connections: the answer that is awaited here goes first. */
function leaveOthers() {
  for (const { id, turn } of live.values()) {
    if (id !== current.id && turn.runId && !turn.whole) leave(turn);
  }
}

/** One after the other, once nothing else is followed, and at once what is looked at. */
function followWaiting() {
  for (const [turnId, id] of waiting) {
    const isHere = id === current.id;
    if (live.size && !isHere) continue;
    waiting.delete(turnId);
    const here = isHere && current.turns.find((turn) => turn.id === turnId);
    goOn(here || store.turnOf(id, turnId), id);
  }
}

async function halt() {
  const turn = last();
  const stopping = stop(turn, key());
  changed(current.id, turn);
  await stopping.catch(() => {}); // nobody listens any more: it will end by itself
}

const now = () => dispatchEvent(new Event("online"));

// What is shown: once for each frame, however many tokens came

function changed(id, turn) {
  if (left) return; // what fails now fails because of that
  if (!dirty.size) requestAnimationFrame(draw);
  dirty.add(turn);
  soon(id, turn);
}

function draw() {
  const changed = [...dirty];
  dirty.clear();
  for (const turn of changed) current.views.get(turn.id)?.update(turn);
  composer.showState(busy());
  if (live.has(last()?.id)) leaveOthers();
}

setInterval(() => busy() && current.views.get(last().id).update(last()), 1000);

// What other tabs do

addEventListener("pagehide", () => {
  save();
  left = true;
});
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

store.onLost(() => aside.show(store.list(), current.id, remove));
store.onChange((id, turnId) => {
  if (!id) return showAll();
  for (const { turn } of [...live.values()].filter((each) => each.id === id)) {
    const kept = store.turnOf(id, turn.id);
    if (!kept) stop(turn, key()).catch(() => {});
    else if (kept.state === "stopped") drop(turn);
  }
  if (id === current.id) reconcile(turnId);
});

/** What another tab did to the conversation that is open here, or to one turn of it. */
function reconcile(turnId) {
  const { id, turns: before } = current;
  const known = new Map(before.map((turn) => [turn.id, turn]));
  if (turnId) known.delete(turnId); // others are as they were
  const theirs = (store.order(id) ?? [])
    .map((each) => known.get(each) ?? store.turnOf(id, each))
    .filter(Boolean)
    .map(newest);
  current.turns = theirs;
  place(before, theirs);
  theirs.filter((turn, n) => turn !== before[n]).forEach((turn) => dirty.add(turn));
  requestAnimationFrame(draw);
  theirs.forEach((turn) => goOn(turn));
}

/** Others go, and come at the end; those that stay are not touched, since there may be many. */
function place(before, now) {
  const ids = new Set(now.map(({ id }) => id));
  const gone = before.filter(({ id }) => !ids.has(id));
  const come = now.filter(({ id }) => !before.some((turn) => turn.id === id));
  for (const { id } of gone) {
    current.views.get(id)?.remove();
    current.views.delete(id);
  }
  turns.append(...come.map((turn) => viewOf(turn).element));
  if (gone.length || come.length) showAll();
}

function remove(id) {
  const running = (store.find(id) ?? []).map(newest).filter(isOpen);
  store.forget(id);
  keeping(() => store.owe(id));
  composer.forgetDraft(id);
  if (id === current.id) renew();
  else showAll();
  at("new").focus();
  for (const turn of running) stop(turn, key()).catch(() => {});
  forgetOwed(key);
}

/** Who asks is known now. */
function known(given) {
  offer(given);
  forgetOwed(key);
}

function renew() {
  window.history.pushState(null, "", location.pathname);
  open(null);
}

// What is pressed

composer.listen({ ask, halt, busy });
addEventListener("keydown", (event) => {
  const free = !event.defaultPrevented && !document.querySelector("dialog[open]");
  if (event.key === "Escape" && free && !composing(event) && busy()) halt();
});
at("examples").addEventListener("click", ({ target }) => {
  if (target.type !== "button") return;
  ask(target.textContent);
  composer.focus();
});
at("new").addEventListener("click", () => {
  aside.toggle(false);
  renew();
  composer.focus();
});
at("sign").addEventListener("click", () => at("offline").showModal());
addEventListener("hashchange", () => {
  open(location.hash.slice(1));
  say(document.title);
});

fresh();
open(location.hash.slice(1));
const config = await fetch("/web/config")
  .then((response) => response.json())
  .catch(() => ({}));
at("sign").hidden = !config.offline;
if (config.documents) at("about").textContent = DOCUMENTS;
onGiven(known);
if (config.wants_key && !key()) key(false);
else known(key());
