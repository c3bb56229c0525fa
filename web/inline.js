// Markdown within a line: emphasis, code, links, formulas, sources. Never an element of the text's own.
import { el } from "./dom.js";
import { math } from "./math.js";

const DEEPEST = 6;
const SCHEMES = ["http:", "https:", "mailto:"];
const SPECIAL = /[\\`*_~[［【!<$]|\bhttps?:\/\//g;
const LINK =
  /!?\[((?:[^\][\\\n]|\\.){0,1000})\]\(\s{0,9}<?((?:[^()\s<>]|\([^()\s<>]{0,500}\)){0,2000})>?(?:\s{1,9}"[^"\n]{0,500}")?\s{0,9}\)/y;
const UNFINISHED = /!?\[([^\]\n]{1,1000})\]\([^)\s]{0,2000}$/y;
const CITED = /[[［【](\d{1,3}(?:[,，、;] ?\d{1,3}){0,20})[\]］】](?![(:])/y; // as the server reads it
const ANGLE = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
const BARE = /https?:\/\/[^\s<>"'`\\]{1,2000}/y;
const INLINE_MATH =
  /\\\(([^]{1,1000}?)\\\)|\$\$([^$]{1,1000})\$\$|\$(?=[^\s$][^$\n]*[\\^_{=])([^\s$](?:[^$\n]{0,200}[^\s$])?)\$(?!\d)/y;
const MARKS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "del" };

/**
 * Nodes for a text. `open`: more of it may come, so what has begun looks as if it were closed.
 * `cite` makes the element for the number of a source, or nothing if there is none.
 */
export function inline(text, { open = false, cite = () => null } = {}) {
  return read(open ? text.replace(/(?<![*_~`])[*_~`]+$/, "") : text, { open, cite }, 0);
}

/** An address that a link may have, or nothing. */
export function safe(address) {
  const url = URL.canParse(address) ? new URL(address) : null;
  return url && SCHEMES.includes(url.protocol) ? url.href : null;
}

export function link(address, ...children) {
  const href = safe(address);
  if (!href) return el("span", {}, ...children);
  const props = { href, title: href, target: "_blank", rel: "noopener noreferrer nofollow" };
  return el("a", props, ...children);
}

/** What a character may begin: a node or a text, and the place after it; or nothing. */
const READERS = {
  "\\": (text, at) => formula(text, at) ?? escaped(text, at),
  "`": code,
  "!": (text, at, context) => (text[at + 1] === "[" ? linked(text, at, context) : null),
  "[": (text, at, context) => cited(text, at, context) ?? linked(text, at, context),
  "［": cited,
  "【": cited,
  "<": (text, at, context) => address(text, at, context, ANGLE),
  $: formula,
  h: (text, at, context) => address(text, at, context, BARE),
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

function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function escaped(text, at) {
  return /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? [text[at + 1], at + 2] : null;
}

function formula(text, at) {
  const found = match(INLINE_MATH, text, at);
  return found && [math(found[1] ?? found[2] ?? found[3]), at + found[0].length];
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
  const found = match(LINK, text, at) ?? (options.open && match(UNFINISHED, text, at));
  if (!found) return null;
  const inside = { ...options, open: false, linked: true };
  const label = depth < DEEPEST ? read(found[1], inside, depth + 1) : [found[1]];
  return [link(found[2] ?? "", ...label), at + found[0].length];
}

function cited(text, at, { options }) {
  const found = match(CITED, text, at);
  const nodes = found?.[1].match(/\d+/g).map((number) => options.cite(Number(number)));
  if (!nodes?.every(Boolean)) return null;
  return [nodes.length > 1 ? el("span", {}, ...nodes) : nodes[0], at + found[0].length];
}

function address(text, at, { options }, pattern) {
  const found = !options.linked && match(pattern, text, at); // a link holds no other
  if (!found) return null;
  const said = found[1] ?? found[0].replace(/[.,;:!?*_~)\]]+$/, "");
  return [link(said, said), at + (found[1] ? found[0] : said).length];
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
