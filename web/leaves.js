// Blocks that hold no others: code, formulas, tables.
// Lines in; a plain object, and the number of the line after it, out.

export const FENCE = /^( {0,3})(`{3,}|~{3,}(?!~))([^`]*)$/;
const DELIMITERS = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*(?:\|\s*)?$/;
const OPENER = /^ {0,3}(\\\[|\$\$)(?!\d{1,3}\\\])/; // `\[1\]` is how some write a reference
const CLOSED = /^[.,;:]?$/; // what may stand behind a formula, and it is still one of its own

export function code(lines, n) {
  const [, indent, fence, info] = FENCE.exec(lines[n]);
  const closing = new RegExp(`^ {0,3}\\${fence[0]}{${fence.length},}\\s*$`);
  const outer = new RegExp(`^ {0,${indent.length}}`);
  let end = n + 1;
  while (end < lines.length && !closing.test(lines[end])) end++;
  const inside = lines.slice(n + 1, end).map((line) => line.replace(outer, ""));
  const block = { kind: "code", language: info.trim().split(/\s/)[0], text: inside.join("\n") };
  return [block, Math.min(end + 1, lines.length)];
}

/**
 * Whether a formula begins here that stands by itself: its mark is alone on the line, or closed at
 * the line's end, or what is behind it is TeX that may go on in the next line.
 */
export function opensMath(line) {
  const [all, mark] = OPENER.exec(line) ?? [];
  if (!mark) return false;
  const rest = line.slice(all.length).trim();
  const end = rest.indexOf(closer(mark));
  if (end >= 0) return end > 0 && CLOSED.test(rest.slice(end + 2).trim());
  if (/[\\^_{=]/.test(rest)) return !rest.includes("$");
  return rest === "" || (mark === "\\[" && !rest.includes("]"));
}

/** The formula, or nothing if it is none: no line of it is empty, and only a point is behind it. */
export function math(lines, n) {
  const [all, mark] = OPENER.exec(lines[n]);
  const inside = [lines[n].slice(all.length)];
  let end = n + 1;
  while (lines[end]?.trim() && !inside.at(-1).includes(closer(mark))) inside.push(lines[end++]);
  const [text, ...rest] = inside.join("\n").split(closer(mark));
  const behind = rest.join(closer(mark)).trim();
  const goesOn = !rest.length && end >= lines.length - 1; // an empty last line is not yet whole
  if (!CLOSED.test(behind) || !(rest.length || goesOn)) return null;
  return [{ kind: "math", text: text.trim() + behind }, goesOn ? lines.length : end];
}

const closer = (mark) => (mark === "$$" ? "$$" : "\\]");

export function isTable(lines, n) {
  return (
    lines[n].includes("|") &&
    DELIMITERS.test(lines[n + 1] ?? "") &&
    cells(lines[n]).length === cells(lines[n + 1]).length
  );
}

export function table(lines, n) {
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
