// A Markdown text as elements: a small, safe part of it. Only elements that are made here, and text.
import { blocks } from "./blocks.js";
import { button, copy, el } from "./dom.js";
import { inline, link } from "./inline.js";
import { math } from "./math.js";

/** Shows a text that grows: what is settled stays, and only its last block is made again. */
export class Flow {
  #settled = 0;
  #shown = "";
  #cite;

  /** `cite` makes the element for the number of a source, or nothing if there is none. */
  constructor(cite) {
    this.element = el("div", { className: "text" });
    this.#cite = cite;
  }

  /** `open`: more of the text may come. */
  show(text, open) {
    if (!text.startsWith(this.#shown.slice(0, this.#settled))) this.clear(); // some was taken back
    this.#shown = text;
    const found = blocks(text.slice(this.#settled));
    this.element.lastChild?.remove();
    this.element.append(...found.map((block, n) => this.#made(block, open && !found[n + 1])));
    this.#settled += found.at(-1)?.at ?? 0;
  }

  /** Forget what is shown: all of it will be made again. */
  clear() {
    this.#settled = 0;
    this.element.replaceChildren();
  }

  #made(block, open) {
    return element(block, { open, cite: this.#cite });
  }
}

const MAKERS = {
  paragraph: ({ text }, options) => el("p", {}, ...inline(text, options)),
  // The page has a heading of its own, and each question is one.
  heading: ({ level, text }, options) => el(`h${Math.min(6, level + 2)}`, {}, ...inline(text, options)),
  rule: () => el("hr"),
  math: ({ text }) => el("p", { className: "formula" }, math(text)),
  quote: (block, options) => el("blockquote", {}, ...all(block.blocks, options)),
  code: ({ language, text }) =>
    el(
      "div",
      { className: "code" },
      el("div", { className: "bar" }, language, button("Copy", () => copy(text))),
      scrolling("pre", `Code${language && `: ${language}`}`, el("code", {}, text)),
    ),
  list: ({ ordered, start, items }, options) => {
    const made = items.map((item, n) =>
      el("li", {}, ...all(item, { ...options, open: options.open && n === items.length - 1 })),
    );
    return el(ordered ? "ol" : "ul", ordered ? { start } : {}, ...made);
  },
  table: ({ head, align, rows }, options) => {
    const row = (cells, tag) =>
      el("tr", {}, ...cells.map((text, n) => el(tag, { className: align[n] }, ...inline(text, options))));
    const body = el("tbody", {}, ...rows.map((cells) => row(cells, "td")));
    const table = el("table", {}, el("thead", {}, row(head, "th")), body);
    return scrolling("div", "Table", table);
  },
};

const element = (block, options) => MAKERS[block.kind](block, options);

function all(found, options) {
  return found.map((block, n) => element(block, { ...options, open: options.open && !found[n + 1] }));
}

/** What may be wider than the page, and is reached by the keyboard. */
function scrolling(tag, name, ...children) {
  const props = { className: "wide", tabIndex: 0, role: "region", "aria-label": name };
  return el(tag, props, ...children);
}

export { link };
