// Conversations, kept by the browser and shared by its tabs.
// What is changed is read again just before it is written: another tab may have been there.

const LIST = "lastword";
const key = (id) => `lastword/${id}`;

/** Newest first: `id`, `title` and `at`, when it was last asked. */
export const list = () => load(LIST) ?? [];

/** A conversation: `id`, and its `turns`. */
export const find = (id) => load(key(id));

/** Put a turn in the place of those from `from` on. */
export function begin(id, turn, from) {
  const { turns } = find(id) ?? { turns: [] };
  save(id, [...turns.slice(0, from), turn]);
  const title = (from === 0 ? turn : (turns[0] ?? turn)).question;
  const others = list().filter((other) => other.id !== id);
  write(LIST, [{ id, title: title.slice(0, 100), at: turn.asked }, ...others]);
}

/** Keep what a turn has become, unless it was taken away. */
export function keep(id, turn) {
  const kept = find(id);
  if (kept?.turns.some((other) => other.id === turn.id)) {
    save(
      id,
      kept.turns.map((other) => (other.id === turn.id ? turn : other)),
    );
  }
}

export function forget(id) {
  write(
    LIST,
    list().filter((other) => other.id !== id),
  );
  localStorage.removeItem(key(id));
}

/** Calls back with the id of a conversation that another tab changed; with none if the list was. */
export function onChange(changed) {
  addEventListener("storage", (event) => {
    if (event.key === LIST) changed();
    else if (event.key?.startsWith(key(""))) changed(event.key.slice(key("").length));
  });
}

const save = (id, turns) => write(key(id), { id, turns });

function load(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null; // written by somebody else
  }
}

/** Where there is no more room, the oldest conversation makes it. */
function write(name, value) {
  for (;;) {
    try {
      return localStorage.setItem(name, JSON.stringify(value));
    } catch (full) {
      const oldest = list().at(-1);
      if (!oldest || key(oldest.id) === name) throw full;
      localStorage.removeItem(key(oldest.id));
      localStorage.setItem(LIST, JSON.stringify(list().slice(0, -1)));
    }
  }
}
