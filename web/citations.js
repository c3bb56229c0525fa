// Which sources a text cites: as the server reads it (stream/citations.py), so that both agree. Pure.

const ONE = "\\p{Nd}{1,3}";
const CITATION = new RegExp(
  `[[［【] ?(${ONE}(?: {0,2}[,،，、;–-] {0,2}${ONE}){0,20}) ?(?:†[^[\\]【】\\n]{0,80})?[\\]］】](?!\\()`,
  "uy",
);
const NUMBERS = new RegExp(`(${ONE})(?: {0,2}[–-] {0,2}(${ONE}))?`, "gu");
const DIGIT = /\p{Nd}/u;
const LONGEST_RANGE = 20;

/** The numbers of a citation that begins at a place, and the place after it; or nothing. */
export function citation(text, at) {
  CITATION.lastIndex = at;
  const found = CITATION.exec(text);
  if (!found) return null;
  const end = at + found[0].length;
  const explains = text[end] === ":" && (at === 0 || text[at - 1] === "\n"); // a footnote
  return explains ? null : [[...found[1].matchAll(NUMBERS)].flatMap(numbers), end];
}

function numbers([, first, last]) {
  const [start, stop] = [first, last ?? first].map(value);
  const isRange = start < stop && stop <= start + LONGEST_RANGE;
  if (isRange) return Array.from({ length: stop - start + 1 }, (_, n) => start + n);
  return [...new Set([start, stop])];
}

function value(digits) {
  const signs = [...digits.normalize("NFKC")];
  return signs.reduce((sum, sign) => 10 * sum + digit(sign.codePointAt()), 0);
}

/** In Unicode the ten digits of a script stand side by side, and nothing like them before. */
function digit(code) {
  let before = 0;
  while (DIGIT.test(String.fromCodePoint(code - before - 1))) before += 1;
  return before;
}
