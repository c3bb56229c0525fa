// The elements for the blocks of a text. Only elements that are made here, and text.
import { el } from "./dom.js";
import { inline } from "./inline.js";
import { math } from "./math.js";
import { copying } from "./told.js";

/** The elements for blocks. `open`: more of the last may come. `held`: by an item or a quote. */
export function all(found, options) {
  return found.map((block, n) =>
    MAKERS[block.kind](block, { ...options, open: options.open && !found[n + 1] }),
  );
}

/** The items of a list, from one of them on. */
export function items(block, options, from = 0) {
  const last = block.items.length - 1;
  return block.items.slice(from).map((item, n) => {
    const open = options.open && from + n === last;
    return running("li", {}, ...all(item, { ...options, open, held: true }));
  });
}

/** The rows of a table, from one of them on. */
export function rows({ rows, align }, options, from = 0) {
  const last = rows.length - 1;
  return rows.slice(from).map((texts, n) => {
    const open = options.open && from + n === last;
    return row(texts, align, "td", { ...options, open });
  });
}

function row(texts, align, tag, options) {
  const cell = (text, n) => {
    const open = options.open && n === texts.length - 1;
    return running(tag, { className: align[n] }, ...inline(text, { ...options, open }));
  };
  return el("tr", {}, ...texts.map(cell));
}

const MAKERS = {
  // What has a direction of its own says nothing about the one of the item that it is in.
  paragraph: ({ text }, options) =>
    (options.held ? el : running)("p", {}, ...inline(text, options)),
  // The page has a heading of its own, and each question is one.
  heading: ({ level, text }, options) =>
    running(`h${Math.min(6, level + 2)}`, {}, ...inline(text, options)),
  rule: () => el("hr"),
  math: ({ text }) => el("p", { className: "formula" }, math(text, true)),
  quote: (block, options) =>
    running("blockquote", {}, ...all(block.blocks, { ...options, held: true })),
  list: (block, options) =>
    el(
      block.ordered ? "ol" : "ul",
      block.ordered ? { start: block.start } : {},
      ...items(block, options),
    ),
  code({ language, text }) {
    const content = el("code", {}, text);
    const bar = el("div", { className: "bar" }, language, copying(() => content.textContent));
    const lines = scrolling("pre", `Code ${language}`.trim(), content);
    return el("div", { className: "code", dir: "ltr" }, bar, lines);
  },
  table(block, options) {
    const head = el("thead", {}, row(block.head, block.align, "th", { ...options, open: false }));
    const body = el("tbody", {}, ...rows(block, options));
    return scrolling("div", "Table", el("table", {}, head, body));
  },
};

/**
 * An element whose text runs as its first letter does. This is said last, because a browser would
 * look at all that is there again for each child.
 */
function running(tag, props, ...children) {
  const element = el(tag, props, ...children);
  element.dir = "auto";
  return element;
}

/** What may be wider than the page, and is reached by the keyboard. */
function scrolling(tag, name, ...children) {
  const props = { className: "wide", tabIndex: 0, role: "region", "aria-label": name };
  return el(tag, props, ...children);
}
