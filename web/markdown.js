// A Markdown text as elements, while it grows: a small, safe part of Markdown.
import { blocks } from "./blocks.js";
import { el } from "./dom.js";
import { all, items, rows } from "./elements.js";
import { inline } from "./inline.js";
import { math } from "./math.js";
import { patch, write } from "./patch.js";

/** Shows a text that grows: what is settled stays, and only what may change is made again. */
export class Flow {
  #cite;
  #shown;
  #open;
  #settled;
  #loose; // the blocks that are not settled

  /** `cite` makes the element for the number of a source, or nothing if there is none. */
  constructor(cite) {
    this.element = el("div", { className: "text" });
    this.#cite = cite;
    this.clear();
  }

  /** `open`: more of the text may come. */
  show(text, open) {
    this.#show(open ? begun(text) : text, open);
  }

  /** How many blocks are no longer changed by what comes. */
  get settled() {
    return this.element.children.length - this.#loose.length;
  }

  #show(text, open) {
    if (text === this.#shown && open === this.#open) return; // also what somebody selects stays
    if (!text.startsWith(this.#shown)) this.clear(); // some was taken back
    const rest = text.slice(this.#settled);
    const found = blocks(rest);
    const options = { open, cite: this.#cite, was: this.#open };
    grow(this.element, this.settled, this.#loose, found, options);
    // What the last line begins is known only at its end.
    const sure = blocks(rest.slice(0, rest.lastIndexOf("\n") + 1)).at(-1)?.at ?? 0;
    this.#loose = found.filter((block) => block.at >= sure);
    this.#settled += sure;
    this.#shown = text;
    this.#open = open;
  }

  /** Forget what is shown: all of it will be made again. */
  clear() {
    this.#shown = "";
    this.#open = undefined;
    this.#settled = 0;
    this.#loose = [];
    this.element.replaceChildren();
  }
}

/** The text without a last line that may be a rule, an item or emphasis: the next token tells. */
function begun(text) {
  const at = text.lastIndexOf("\n") + 1;
  return /^\s*(?:[-*_][-*_ ]*)?$/.test(text.slice(at)) ? text.slice(0, at) : text;
}

/**
 * Makes the children of an element, from the one at `from` on, what these blocks are, after they
 * were what those `before` are. What is the same stays, and a block that got longer grows.
 * `was`: the last of those was open.
 */
function grow(element, from, before, found, options) {
  const now = (n) => ({
    ...options,
    open: options.open && n === found.length - 1,
    was: options.was && n === before.length - 1,
  });
  let n = 0;
  while (n < before.length && n < found.length) {
    const { open, was } = now(n);
    const stays = open === was && same(before[n], found[n]);
    if (!stays && !grew(element.children[from + n], before[n], found[n], now(n))) break;
    n++;
  }
  while (element.children.length > from + n) element.lastChild.remove();
  element.append(...all(found.slice(n), options));
}

const same = (one, other) =>
  JSON.stringify({ ...one, at: 0 }) === JSON.stringify({ ...other, at: 0 });

const grew = (element, before, block, options) =>
  before.kind === block.kind && GROWERS[block.kind](element, before, block, options) !== false;

/** How an element becomes what its block is now, or that it cannot: `false`. */
const GROWERS = {
  paragraph: (element, before, { text }, options) => patch(element, inline(text, options)),
  heading: (element, before, { level, text }, options) =>
    level === before.level && patch(element, inline(text, options)),
  rule: () => true,
  math: (element, before, { text }) => patch(element, [math(text, true)]),
  quote: (element, before, block, options) =>
    grow(element, 0, before.blocks, block.blocks, { ...options, held: true }),
  code(element, before, { language, text }) {
    if (language !== before.language) return false;
    write(element.querySelector("code").firstChild, text);
    return true;
  },
  list(element, before, block, options) {
    if (block.ordered !== before.ordered || block.start !== before.start) return false;
    const common = Math.min(before.items.length, block.items.length);
    for (let n = 0; n < common; n++) {
      const open = options.open && n === block.items.length - 1;
      const was = options.was && n === before.items.length - 1;
      if (open === was && before.texts[n] === block.texts[n]) continue;
      const now = { ...options, open, was, held: true };
      grow(element.children[n], 0, before.items[n], block.items[n], now);
    }
    patch(element, items(block, options, common), common);
    return true;
  },
  table(element, before, block, options) {
    if (!same([before.head, before.align], [block.head, block.align])) return false;
    const stays = (row, n) => {
      const open = options.open && n === block.rows.length - 1;
      const was = options.was && n === before.rows.length - 1;
      return open === was && same(row, block.rows[n]);
    };
    const changed = before.rows.findIndex((row, n) => !stays(row, n));
    const from = changed < 0 ? before.rows.length : changed;
    patch(element.querySelector("tbody"), rows(block, options, from), from);
    return true;
  },
};
