// The blocks of a Markdown text. Pure: lines in, plain objects out.
// A block is never changed by what comes after the next one has begun, so that a text that grows
// needs only its last block read again.

import { FENCE, code, isTable, math, opensMath, table } from "./leaves.js";

const DEEPEST = 6; // quotes and lists in each other; beyond that they are text
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const RULE = /^ {0,3}(?:(?:- *){3,}|(?:_ *){3,}|(?:\* *){3,})$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:[ \t]+(.*)|$)/;
const QUOTE = /^ {0,3}> ?/;

/** The blocks, each with the place `at` which it begins in the text. */
export function blocks(text, depth = 0) {
  const lines = text.split("\n");
  const found = [];
  let offset = 0;
  for (let n = 0; n < lines.length;) {
    const [block, next] = lines[n].trim() === "" ? [null, n + 1] : read(lines, n, depth);
    if (block) found.push({ at: offset, ...block });
    while (n < next) offset += lines[n++].length + 1;
  }
  return found;
}

/** The block that begins at a line, and the number of the line after it. */
function read(lines, n, depth) {
  const line = lines[n];
  if (FENCE.test(line)) return code(lines, n);
  if (opensMath(line)) return math(lines, n) ?? paragraph(lines, n, depth);
  const heading = HEADING.exec(line);
  if (heading) {
    const text = heading[2].replace(/(?:^|\s)#+\s*$/, "").trim();
    return [{ kind: "heading", level: heading[1].length, text }, n + 1];
  }
  if (RULE.test(line)) return [{ kind: "rule" }, n + 1];
  if (depth < DEEPEST && QUOTE.test(line)) return quote(lines, n, depth);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, n, depth);
  if (isTable(lines, n)) return table(lines, n);
  return paragraph(lines, n, depth);
}

function quote(lines, n, depth) {
  let end = n;
  while (end < lines.length && QUOTE.test(lines[end])) end++;
  const inside = lines.slice(n, end).map((line) => line.replace(QUOTE, ""));
  return [{ kind: "quote", blocks: blocks(inside.join("\n"), depth + 1) }, end];
}

/** Items of one kind. What is indented belongs to the item before it. */
function list(lines, n, depth) {
  const [, before, marker] = ITEM.exec(lines[n]);
  const ordered = /\d/.test(marker);
  const start = ordered ? parseInt(marker, 10) : 1;
  const inner = new RegExp(`^(?: {1,${before.length + marker.length + 1}}|\\t)`);
  const items = [];
  let end = n;
  for (let at = n; at < lines.length; at++) {
    const item = ITEM.exec(lines[at]);
    const inside = at > n && /^(?: {2,}|\t)/.test(lines[at].slice(before.length));
    if (inside) items.at(-1).push(lines[at].replace(inner, ""));
    else if (item && /\d/.test(item[2]) === ordered && !RULE.test(lines[at]))
      items.push([ticked(item[3] ?? "")]);
    else if (lines[at].trim() === "") items.at(-1).push("");
    else if (lines[at - 1].trim() === "" || item || begins(lines, at)) break;
    else items.at(-1).push(lines[at]);
    if (lines[at].trim() !== "") end = at + 1;
  }
  const texts = items.map((item) => item.join("\n").trimEnd());
  const inside = texts.map((text) => blocks(text, depth + 1));
  return [{ kind: "list", ordered, start, texts, items: inside }, end];
}

/** An item that is a task says whether it is done. */
const ticked = (text) => text.replace(/^\[([ xX])\](?=\s)/, (_, mark) => (mark === " " ? "☐" : "☑"));

function paragraph(lines, n, depth) {
  let end = n + 1;
  while (end < lines.length && lines[end].trim() !== "" && !begins(lines, end, depth)) end++;
  return [{ kind: "paragraph", text: lines.slice(n, end).join("\n").trim() }, end];
}

/** Whether another block begins here, also without a blank line before it. */
function begins(lines, n, depth = 0) {
  const line = lines[n];
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line) || opensMath(line)) return true;
  return (depth < DEEPEST && (QUOTE.test(line) || ITEM.test(line))) || isTable(lines, n);
}
