// The blocks of a Markdown text. Pure: lines in, plain objects out.
// A block is never changed by what comes after the next one has begun, so that a text that grows
// needs only its last block read again.

const DEEPEST = 6; // quotes and lists in each other; beyond that they are text
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const RULE = /^ {0,3}(?:(?:- *){3,}|(?:_ *){3,}|(?:\* *){3,})$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?: +(.*)|$)/;
const QUOTE = /^ {0,3}> ?/;
const DELIMITERS = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*(?:\|\s*)?$/;
const MATH = /^ {0,3}(?:\\\[|\$\$)/;

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
  if (MATH.test(line)) return math(lines, n) ?? paragraph(lines, n, depth);
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

function code(lines, n) {
  const [, fence, info] = FENCE.exec(lines[n]);
  const closing = new RegExp(`^ {0,3}\\${fence[0]}{${fence.length},}\\s*$`);
  const end = lines.findIndex((line, at) => at > n && closing.test(line));
  const inside = lines.slice(n + 1, end < 0 ? undefined : end);
  const block = { kind: "code", language: info.trim().split(/\s/)[0], text: inside.join("\n") };
  return [block, end < 0 ? lines.length : end + 1];
}

function math(lines, n) {
  const closing = lines[n].includes("$$") ? "$$" : "\\]";
  let end = n;
  while (end < lines.length && lines[end].trim() && !ends(lines[end], closing, end === n)) end++;
  const open = !lines[end]?.trim();
  if (open && end < lines.length) return null; // no formula has an empty line: it was none
  const text = lines
    .slice(n, end + 1)
    .join("\n")
    .trim();
  const inside = text.slice(2).replace(closing, "");
  return [{ kind: "math", text: inside.trim() }, Math.min(end + 1, lines.length)];
}

const ends = (line, closing, first) =>
  line
    .trim()
    .slice(first ? 2 : 0)
    .endsWith(closing);

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
  const start = parseInt(marker, 10);
  const inner = new RegExp(`^(?: {1,${before.length + marker.length + 1}}|\\t)`);
  const items = [];
  let end = n;
  for (let at = n; at < lines.length; at++) {
    const item = ITEM.exec(lines[at]);
    const inside = at > n && /^(?: {2,}|\t)/.test(lines[at].slice(before.length));
    if (inside) items.at(-1).push(lines[at].replace(inner, ""));
    else if (item && /\d/.test(item[2]) === ordered && !RULE.test(lines[at]))
      items.push([item[3] ?? ""]);
    else if (lines[at].trim() === "") items.at(-1).push("");
    else if (lines[at - 1].trim() === "" || item || begins(lines, at)) break;
    else items.at(-1).push(lines[at]);
    if (lines[at].trim() !== "") end = at + 1;
  }
  const texts = items.map((item) => item.join("\n").trimEnd());
  const inside = texts.map((text) => blocks(text, depth + 1));
  return [{ kind: "list", ordered, start, texts, items: inside }, end];
}

function isTable(lines, n) {
  return (
    lines[n].includes("|") &&
    DELIMITERS.test(lines[n + 1] ?? "") &&
    cells(lines[n]).length === cells(lines[n + 1]).length
  );
}

function table(lines, n) {
  let end = n + 2;
  while (end < lines.length && lines[end].includes("|")) end++;
  const align = cells(lines[n + 1]).map((cell) => {
    if (!cell.endsWith(":")) return "";
    return cell.startsWith(":") ? "center" : "right";
  });
  const rows = lines.slice(n + 2, end).map((line) => cells(line).slice(0, align.length));
  return [{ kind: "table", head: cells(lines[n]), align, rows }, end];
}

function cells(line) {
  const inside = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inside.split(/(?<!\\)\|/).map((cell) => cell.replaceAll("\\|", "|").trim());
}

function paragraph(lines, n, depth) {
  let end = n + 1;
  while (end < lines.length && lines[end].trim() !== "" && !begins(lines, end, depth)) end++;
  return [{ kind: "paragraph", text: lines.slice(n, end).join("\n").trim() }, end];
}

/** Whether another block begins here, also without a blank line before it. */
function begins(lines, n, depth = 0) {
  const line = lines[n];
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line) || MATH.test(line)) return true;
  return (depth < DEEPEST && (QUOTE.test(line) || ITEM.test(line))) || isTable(lines, n);
}
