// Addresses in a text, and the links to them: to the web and to mail, and nothing else.
import { el } from "./dom.js";

const SCHEMES = ["http:", "https:", "mailto:"];
const LABEL = /!?\[((?:[^\][\\\n]|\\.|\[[^\][\\\n]{0,300}\]){0,1000})\]/.source;
const ADDRESS = /<([^<>\n]{0,2000})>|((?:[^()\s<>]|\([^()\s<>]{0,500}\)){0,2000})/.source;
const TITLE = /"[^"\n]{0,500}"|'[^'\n]{0,500}'|\([^()\n]{0,500}\)/.source;
const INSIDE = `\\s{0,9}(?:${ADDRESS})(?:\\s{1,9}(?:${TITLE}))?\\s{0,9}`;
const LINK = new RegExp(`${LABEL}\\(${INSIDE}\\)`, "y");
const UNFINISHED = new RegExp(`${LABEL}\\([^)\\s]{0,2000}$`, "y");
const ANGLE = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
const MAIL = /<([\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{2,63})>/y;
// Text in Chinese, Japanese or Korean has no space before it.
const BARE =
  /https?:\/\/[^\s<>"'`\\“”‘’«»…\u3000-\u30ff\uff00-\uffef\p{sc=Han}\p{sc=Hangul}]{1,2000}/uy;

/** A pattern at a place of a text. */
export function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
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

/** What is written as a link or an image here: label, address and length; or nothing. */
export function written(text, at, open) {
  const found = match(LINK, text, at) ?? (open && match(UNFINISHED, text, at));
  if (!found) return null;
  const address = (found[2] ?? found[3] ?? "").replace(/\\([!-/:-@[-`{-~])/g, "$1");
  return { label: found[1], address: address.replaceAll("&amp;", "&"), length: found[0].length };
}

/** The link of an address that stands here as it is, and the place after it; or nothing. */
export function bare(text, at) {
  const found = match(BARE, text, at);
  if (!found) return null;
  const said = ended(found[0]);
  return [link(said, said), at + said.length];
}

/** The same in angles. */
export function angled(text, at) {
  const mail = match(MAIL, text, at);
  const [all, said] = mail ?? match(ANGLE, text, at) ?? [];
  return all ? [link(mail ? `mailto:${said}` : said, said), at + all.length] : null;
}

/** Without what belongs to the sentence: a bracket that it did not open, and marks at the end. */
function ended(address) {
  const open = { ")": 0, "]": 0 };
  let end = 0;
  for (; end < address.length; end++) {
    const char = address[end];
    if (char === "(") open[")"]++;
    if (char === "[") open["]"]++;
    if (char in open && open[char]-- === 0) break;
  }
  while (/[.,;:!?*_~]/.test(address[end - 1])) end--;
  return address.slice(0, end);
}
