// What those are told who listen, and what everybody has to see.
import { button, copy, el } from "./dom.js";

const A_WHILE = 60_000; // longer than it takes to notice; then it is in nobody's way
const told = document.getElementById("told");
const notice = document.getElementById("notice");

/** To those who listen. */
export function say(text) {
  const said = el("p", {}, text);
  told.append(said);
  setTimeout(() => said.remove(), A_WHILE);
}

/** A button that copies what `text()` is then, and says whether it did. */
export function copying(text) {
  return button("Copy", async ({ target }) => {
    const said = (await copy(text())) ? "Copied" : "The browser forbids it";
    target.textContent = said;
    say(said);
    setTimeout(() => (target.textContent = "Copy"), 1500);
  });
}

/** To everybody, above the next question; without a text it goes away. */
export function warn(text = "") {
  if (notice.textContent !== text) notice.textContent = text; // the same is not told again
  notice.hidden = !text;
}

const PARTS = "LI TR P PRE BLOCKQUOTE H3 H4 H5 H6".split(" ");
const CELLS = ["TD", "TH"];

/** What an element says, when it is read aloud: its parts do not run together. */
export function spoken(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.classList.contains("bar")) return "";
  const text = [...node.childNodes].map(spoken).join("");
  if (PARTS.includes(node.tagName)) return ended(text);
  if (CELLS.includes(node.tagName)) return `${text}, `;
  if (node.tagName === "SUP") return `^${text}`;
  return node.classList.contains("cite") ? ` [${text}]` : text;
}

function ended(text) {
  const said = text.replace(/[\s,]+$/, "");
  return said && `${said}${/[\p{P}\p{S}]$/u.test(said) ? "" : "."} `;
}
