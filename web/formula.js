// Formulas within a line: TeX between marks. Prices and references have these marks too.
import { match } from "./links.js";
import { math } from "./math.js";

// Nothing of it goes over the mark of a code.
const ROUND = /\\\(([^`]{1,1000}?)\\\)/y;
const SQUARE = /\\\[([^`]{1,1000}?)\\\]/y;
const DISPLAYED = /\$\$([^$`]{1,1000})\$\$(?!\d)/y;
const DOLLARS = /\$([^\s$`](?:[^$\n`]{0,200}[^\s$`])?)\$(?!\d)/y;

/** The formula, and the place after it; or nothing. */
export function formula(text, at) {
  const [all, tex] = match(ROUND, text, at) ?? bracketed(text, at) ?? inDollars(text, at) ?? [];
  return all ? [math(tex), at + all.length] : null;
}

function bracketed(text, at) {
  const found = match(SQUARE, text, at);
  return found && /^\s|[\\^_{=+<>]/.test(found[1]) ? found : null; // not \[1\]
}

function inDollars(text, at) {
  const found = match(DISPLAYED, text, at);
  if (found) return found;
  const single = match(DOLLARS, text, at);
  return single && isTex(single[1], text[at + single[0].length] ?? "") ? single : null;
}

/** A command, a sign, a letter or a number; or what has no words, and no word behind it. */
function isTex(text, next) {
  if (/[\\^_{=]|^\p{L}$/u.test(text)) return true;
  const calm = /^[a-zA-Z\d\s.,:;!|'()[\]+*/<>-]{1,60}$/.test(text) && !/[a-zA-Z]{2}/.test(text);
  return calm && !/\w/.test(next) && (/[a-zA-Z]/.test(text) || /^-?[\d.,]+$/.test(text));
}
