// What the browser keeps for the page. Where it keeps nothing, the page does, while it is there.

/** For all tabs, and for this one. */
export const local = storage("localStorage");
export const session = forgiving(storage("sessionStorage"));

function storage(name) {
  try {
    const real = globalThis[name];
    real.getItem("");
    return {
      keeps: true,
      get: (key) => real.getItem(key),
      set: (key, text) => real.setItem(key, text),
      remove: (key) => real.removeItem(key),
      keys: () => Object.keys(real),
    };
  } catch {
    return memory(); // somebody forbade it
  }
}

/** What there is no room for is kept by the page. */
function forgiving(real) {
  const held = memory();
  const set = (key, text) => {
    try {
      real.set(key, text);
      held.remove(key);
    } catch {
      held.set(key, text);
    }
  };
  const remove = (key) => [held, real].forEach((each) => each.remove(key));
  return { set, remove, get: (key) => held.get(key) ?? real.get(key) };
}

function memory() {
  const held = new Map();
  return {
    keeps: false,
    get: (key) => held.get(key) ?? null,
    set: (key, text) => held.set(key, text),
    remove: (key) => held.delete(key),
    keys: () => [...held.keys()],
  };
}
