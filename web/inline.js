// Markdown within a line: emphasis, code, links, formulas, sources; never an element of the text's.
import { citation } from "./citations.js";
import { el } from "./dom.js";
import { entity } from "./entities.js";
import { formula } from "./formula.js";
import { angled, bare, link, match, written } from "./links.js";

export { link };

const DEEPEST = 6;
const SPECIAL = /[\\`*_~[［【!<$&]|\bhttps?:\/\//g;
const BREAK = /<br\s{0,9}\/?>\n?/iy;
const MARKS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "del" };

/**
 * Nodes for a text. `open`: more of it may come, so what has begun looks as if it were closed.
 * `cite` makes the element for the number of a source, or nothing if there is none.
 */
export function inline(text, { open = false, cite = () => null } = {}) {
  return read(open ? text.replace(/(?<![*_~`])[*_~`]+$/, "") : text, { open, cite }, 0);
}

/** What a character may begin: a node or a text, and the place after it; or nothing. */
const READERS = {
  "\\": (text, at) => formula(text, at) ?? escaped(text, at),
  "`": code,
  "!": (text, at, context) => (text[at + 1] === "[" ? linked(text, at, context) : null),
  "[": (text, at, context) => cited(text, at, context) ?? linked(text, at, context),
  "［": cited,
  "【": cited,
  "<": (text, at, context) => broken(text, at) ?? address(text, at, context, angled),
  "&": entity,
  $: formula,
  h: (text, at, context) => address(text, at, context, bare),
  "*": emphasis,
  _: emphasis,
  "~": emphasis,
};

function read(text, options, depth) {
  const context = { options, depth, unclosed: new Set() };
  const nodes = [];
  let plain = "";
  for (let at = 0; at < text.length;) {
    SPECIAL.lastIndex = at;
    const found = SPECIAL.exec(text)?.index ?? text.length;
    plain += text.slice(at, found);
    const [node, next] = READERS[text[found]]?.(text, found, context) ?? [
      text[found] ?? "",
      found + 1,
    ];
    at = next;
    if (typeof node === "string") plain += node;
    else nodes.push(plain, node);
    if (typeof node !== "string") plain = "";
  }
  return [...nodes, plain].filter((node) => node !== "");
}

function escaped(text, at) {
  return /[\n!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? [text[at + 1], at + 2] : null;
}

/** The one element of HTML that means what it says. */
function broken(text, at) {
  const found = match(BREAK, text, at);
  return found && [el("br"), at + found[0].length];
}

function code(text, at, { options, unclosed }) {
  const [fence] = match(/`+/y, text, at);
  const from = at + fence.length;
  let end = -1;
  if (!unclosed.has(fence)) {
    const others = text.slice(from).matchAll(/`+/g);
    for (const other of others) {
      if (other[0] === fence && (end = from + other.index) >= 0) break;
    }
  }
  if (end < 0) unclosed.add(fence);
  if (end < 0 && !options.open) return [fence, from];
  const inside = text.slice(from, end < 0 ? undefined : end);
  return [el("code", {}, inside.replace(/^ (.*) $/s, "$1")), from + inside.length + fence.length];
}

function linked(text, at, { options, depth }) {
  const found = written(text, at, options.open);
  if (!found) return null;
  const inside = { open: false, linked: true, cite: () => null };
  const label = depth < DEEPEST ? read(found.label, inside, depth + 1) : [found.label];
  const said = label.length ? label : [found.address];
  const made = options.linked ? el("span", {}, ...said) : link(found.address, ...said);
  return [made, at + found.length];
}

function cited(text, at, { options }) {
  const [numbers, end] = citation(text, at) ?? [];
  const nodes = numbers?.map((number) => options.cite(number));
  if (!nodes?.every(Boolean)) return null;
  return [nodes.length > 1 ? el("span", {}, ...nodes) : nodes[0], end];
}

/** An address that is its own label; a link holds no other. */
function address(text, at, { options }, reader) {
  return options.linked ? null : reader(text, at);
}

function emphasis(text, at, { options, depth, unclosed }) {
  const mark = text[at + 1] === text[at] ? text[at] + text[at] : text[at];
  const from = at + mark.length;
  const within = (mark === "*" || mark[0] === "_") && /\w/.test(text[at - 1] ?? ""); // 2*3, a_b
  const opens = /\S/.test(text[from] ?? "") && !within;
  if (!(mark in MARKS) || !opens || depth >= DEEPEST) return [mark, from];
  const end = unclosed.has(mark) ? -1 : closing(text, mark, from);
  if (end < 0) unclosed.add(mark);
  const mayClose = options.open && !/\w/.test(text[at - 1] ?? "");
  if (end < 0 && !mayClose) return [mark, from];
  const inside = text.slice(from, end < 0 ? undefined : end);
  const nodes = read(inside, end < 0 ? options : { ...options, open: false }, depth + 1);
  return [el(MARKS[mark], {}, ...nodes), from + inside.length + mark.length];
}

/** Where a mark closes what it opened, or -1. */
function closing(text, mark, from) {
  for (let at = text.indexOf(mark, from + 1); at >= 0; at = text.indexOf(mark, at + 1)) {
    const [before, after] = [text[at - 1], text[at + mark.length] ?? ""];
    if (/\s/.test(before) || after === mark[0]) continue;
    if (mark.length === 1 && before === mark) continue;
    if (mark[0] === "_" && /\w/.test(after)) continue;
    return at;
  }
  return -1;
}
