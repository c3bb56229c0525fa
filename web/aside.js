// The list of conversations beside the page; on a phone it comes and goes.
import { button, composing, el } from "./dom.js";

const aside = document.getElementById("aside");
const menu = document.getElementById("menu");
const list = document.getElementById("list");

const CURRENT = { "aria-current": "page" };

/** Shows the conversations; `current` is the one that is open. */
export function show(conversations, current, remove) {
  const items = conversations.map(({ id, title }) =>
    el(
      "li",
      {},
      el("a", { href: `#${id}`, title, dir: "auto", ...(id === current && CURRENT) }, title),
      deletion(title, () => remove(id)),
    ),
  );
  list.replaceChildren(...items);
}

/** It asks once more, in its own place. */
function deletion(title, remove) {
  const made = button("×", ask, { className: "delete", "aria-label": `Delete: ${title}` });
  function ask() {
    if (made.textContent !== "×") return remove();
    made.textContent = "Delete?";
    made.setAttribute("aria-label", `Really delete: ${title}`);
    made.onblur = () => (made.textContent = "×");
  }
  return made;
}

export function toggle(open = menu.ariaExpanded !== "true") {
  const had = aside.contains(document.activeElement);
  menu.setAttribute("aria-expanded", String(open));
  document.body.classList.toggle("menu", open);
  if (open) aside.querySelector("button").focus();
  else if (had) menu.focus();
}

menu.addEventListener("click", () => toggle());
addEventListener("keydown", (event) => {
  const ours = event.key === "Escape" && document.body.classList.contains("menu");
  if (!ours || composing(event)) return;
  event.preventDefault(); // it means this, and not the answer
  toggle(false);
});
addEventListener("click", ({ target }) => {
  const chosen = list.contains(target) && target.closest("a");
  if (chosen || (!aside.contains(target) && !menu.contains(target))) toggle(false);
});
