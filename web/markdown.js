// A Markdown text as elements: a small, safe part of it. Only elements that are made here, and text.
import { blocks } from "./blocks.js";
import { button, copy, el } from "./dom.js";
import { inline } from "./inline.js";
import { math } from "./math.js";

/** Shows a text that grows: what is settled stays, and only what may change is made again. */
export class Flow {
  #settled = 0;
  #shown = "";
  #loose = []; // blocks that are not settled, each with its element
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
    const rest = text.slice(this.#settled);
    const found = blocks(rest);
    const elements = this.#made(found, { open, cite: this.#cite });
    // What the last line begins is known only at its end.
    const sure = blocks(rest.slice(0, rest.lastIndexOf("\n") + 1)).at(-1)?.at ?? 0;
    this.#loose = found
      .map((block, n) => [block, elements[n]])
      .filter(([block]) => block.at >= sure);
    this.#settled += sure;
  }

  /** Forget what is shown: all of it will be made again. */
  clear() {
    this.#settled = 0;
    this.#loose = [];
    this.element.replaceChildren();
  }

  /** Puts the elements of these blocks in the place of those that were loose. */
  #made(found, options) {
    const [[before, grown] = [], ...others] = this.#loose;
    for (const [, element] of others) element.remove();
    const [block] = found;
    const last = { ...options, open: options.open && found.length === 1 };
    const grew =
      block && block.kind === before?.kind && GROWERS[block.kind]?.(grown, before, block, last);
    if (!grew) grown?.remove();
    const made = all(grew ? found.slice(1) : found, options);
    this.element.append(...made);
    return grew ? [grown, ...made] : made;
  }
}

/** Blocks that get long: what is there of them is not made again. */
const GROWERS = {
  code(element, before, { language, text }) {
    const content = element.querySelector("code").firstChild;
    if (language !== before.language || !text.startsWith(content.data)) return false;
    content.appendData(text.slice(content.length));
    return true;
  },
  list(element, before, block, options) {
    if (block.ordered !== before.ordered || block.start !== before.start) return false;
    const last = before.texts.length - 1;
    let same = 0;
    while (same < last && before.texts[same] === block.texts[same]) same++;
    while (element.children.length > same) element.lastChild.remove();
    element.append(...items(block, options, same));
    return true;
  },
};

const MAKERS = {
  paragraph: ({ text }, options) => el("p", {}, ...inline(text, options)),
  // The page has a heading of its own, and each question is one.
  heading: ({ level, text }, options) =>
    el(`h${Math.min(6, level + 2)}`, {}, ...inline(text, options)),
  rule: () => el("hr"),
  math: ({ text }) => el("p", { className: "formula" }, math(text)),
  quote: (block, options) => el("blockquote", {}, ...all(block.blocks, options)),
  code({ language, text }) {
    const content = el("code", {}, text);
    const copying = button("Copy", () => copy(content.textContent));
    const bar = el("div", { className: "bar" }, language, copying);
    return el(
      "div",
      { className: "code" },
      bar,
      scrolling("pre", `Code ${language}`.trim(), content),
    );
  },
  list: (block, options) =>
    el(
      block.ordered ? "ol" : "ul",
      block.ordered ? { start: block.start } : {},
      ...items(block, options),
    ),
  table: ({ head, align, rows }, options) => {
    const row = (cells, tag) =>
      el(
        "tr",
        {},
        ...cells.map((text, n) => el(tag, { className: align[n] }, ...inline(text, options))),
      );
    const body = el("tbody", {}, ...rows.map((cells) => row(cells, "td")));
    const table = el("table", {}, el("thead", {}, row(head, "th")), body);
    return scrolling("div", "Table", table);
  },
};

const element = (block, options) => MAKERS[block.kind](block, options);

function all(found, options) {
  return found.map((block, n) =>
    element(block, { ...options, open: options.open && !found[n + 1] }),
  );
}

function items(block, options, from = 0) {
  const last = block.items.length - 1;
  return block.items
    .slice(from)
    .map((item, n) =>
      el("li", {}, ...all(item, { ...options, open: options.open && from + n === last })),
    );
}

/** What may be wider than the page, and is reached by the keyboard. */
function scrolling(tag, name, ...children) {
  const props = { className: "wide", tabIndex: 0, role: "region", "aria-label": name };
  return el(tag, props, ...children);
}
