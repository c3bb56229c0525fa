// The list of conversations beside the page; on a phone it comes and goes.
import { button, composing, el } from "./dom.js";
import { place } from "./patch.js";

const aside = document.getElementById("aside");
const menu = document.getElementById("menu");
const list = document.getElementById("list");

let items = new Map(); // by conversation

/** Shows the conversations; `current` is the one that is open. */
export function show(conversations, current, remove) {
  const before = items;
  const known = ({ id, title }) => before.get(id)?.title === title && before.get(id);
  items = new Map(conversations.map((each) => [each.id, known(each) || item(each, remove)]));
  for (const [id, { firstChild }] of items) firstChild.ariaCurrent = id === current ? "page" : null;
  place(list, [...items.values()]); // what has the focus keeps it
}

function item({ id, title }, remove) {
  const link = el("a", { href: `#${id}`, dir: "auto" }, title);
  return el("li", { title }, link, deletion(title, () => remove(id)));
}

/** It asks once more, in its own place. */
function deletion(title, remove) {
  let asked;
  const made = button("", () => (asked ? remove() : ask(true)), { className: "delete" });
  function ask(really) {
    asked = really;
    made.textContent = really ? "Delete?" : "×";
    made.ariaLabel = `${really ? "Really delete" : "Delete"}: ${title}`;
  }
  made.onblur = () => ask(false);
  made.onkeydown = (event) => {
    if (event.key !== "Escape" || !asked) return;
    event.stopPropagation(); // it means this, and neither the menu nor the answer
    ask(false);
  };
  ask(false);
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
addEventListener("click", (event) => {
  const path = event.composedPath(); // what was clicked may be gone
  const chosen = path.includes(list) && event.target.closest("a");
  if (chosen || !(path.includes(aside) || path.includes(menu))) toggle(false);
});
