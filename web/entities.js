// The characters that HTML writes by name or by number: they become text, and never markup.
import { match } from "./links.js";

const ENTITY = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-zA-Z]{2,8}));/y;
const NAMES = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", ensp: "\u2002", emsp: "\u2003",
  copy: "©", reg: "®", trade: "™", hellip: "…", mdash: "—", ndash: "–", lsquo: "‘", rsquo: "’",
  ldquo: "“", rdquo: "”", laquo: "«", raquo: "»", bull: "•", middot: "·", times: "×", divide: "÷",
  plusmn: "±", minus: "−", deg: "°", euro: "€", pound: "£", yen: "¥", cent: "¢", sect: "§",
  para: "¶", larr: "←", rarr: "→", uarr: "↑", darr: "↓", harr: "↔", le: "≤", ge: "≥", ne: "≠",
  asymp: "≈", infin: "∞", frac12: "½", sup2: "²", sup3: "³", micro: "µ", alpha: "α", beta: "β", pi: "π",
  check: "✓", zwnj: "\u200c", shy: "\u00ad", __proto__: null,
};

/** The character, and the place after it; or nothing. */
export function entity(text, at) {
  const found = match(ENTITY, text, at);
  if (!found) return null;
  const [all, decimal, hexadecimal, name] = found;
  const number = decimal ? parseInt(decimal, 10) : parseInt(hexadecimal, 16);
  const char = name ? NAMES[name] : character(number);
  return char ? [char, at + all.length] : null;
}

/** Neither a control character nor half of one. */
function character(number) {
  const known = number >= 32 && number <= 0x10ffff;
  const char = known ? String.fromCodePoint(number) : "";
  return /[\p{Cc}\p{Cs}]/u.test(char) ? "" : char;
}
