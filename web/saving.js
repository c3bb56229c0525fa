// What has changed is kept; not at once, since a turn changes with each token.
import * as store from "./store.js";
import { warn } from "./told.js";

const SAVING = 250; // milliseconds between two writes of what grows
const NOTHING = "This browser keeps nothing for this page: what is said here is lost with it.";
const FULL = "The browser keeps no more: this conversation will be lost with the page.";

const unsaved = new Map();
let gone = []; // the titles of conversations that had to make room
let full = false;

/** Keep what a turn has become, soon. */
export function soon(id, turn) {
  if (!unsaved.size) setTimeout(save, SAVING);
  unsaved.set(turn, id);
}

/** Keep what has changed, now. */
export function save() {
  for (const [turn, id] of unsaved) keeping(() => store.keep(id, turn));
  unsaved.clear();
}

export function keeping(write) {
  try {
    write();
  } catch {
    full = true;
    tell();
  }
}

/** What was said of this is known; a new question begins. */
export function fresh() {
  [gone, full] = [[], false];
  tell();
}

store.onLost((title) => {
  gone.push(`“${title}”`);
  tell();
});

function tell() {
  const room = gone.length && `To make room, older conversations were deleted: ${gone.join(", ")}.`;
  warn([!store.keeps && NOTHING, room, full && FULL].filter(Boolean).join(" "));
}
