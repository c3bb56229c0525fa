// The parts of a text in TeX, read one after another.
import { SYMBOLS } from "./symbols.js";

const PART = new RegExp(
  [
    /\\(?<edge>begin|end)\{(?<name>[a-zA-Z]{1,20})\*?\}(?:(?<=array\})\{[^{}]{0,40}\})?\s*/,
    /(?<row>\\\\)(?:\[[-\d. ]{1,9}[a-z]{2}\])?\s*/,
    /\\(?<command>[a-zA-Z]+)(?:(?<=operatorname)\*)?|\\(?<escaped>.)/,
    /(?<script>[\^_])|(?<brace>[{}])|(?<cell>&)|(?<text>[^\\^_{}&]+)/,
  ]
    .map((each) => each.source)
    .join("|"),
  "gsy",
);

export class Tex {
  #tex;
  #parts;
  #at = 0;

  constructor(tex) {
    this.#tex = tex;
    this.#parts = [...tex.matchAll(PART)];
  }

  /** The part that comes next: one of its fields says what it is. Nothing at the end. */
  get next() {
    return this.#parts[this.#at]?.groups;
  }

  read() {
    return this.#parts[this.#at++].groups;
  }

  /** The beginning of the text that comes next, if it looks like this. */
  take(pattern) {
    const { next } = this;
    const found = next?.text && pattern.exec(next.text);
    if (!found) return "";
    next.text = next.text.slice(found[0].length);
    if (!next.text) this.#at++;
    return found[1];
  }

  /** Whether what was read last stands right behind a word. */
  get isBehindWord() {
    return /[\p{L}\p{N})}\]]/u.test(this.#tex[this.#parts[this.#at - 1].index - 1] ?? "");
  }

  /** Whether a letter, a number or a command comes next. */
  get isBeforeWord() {
    let next = this.#at;
    while (this.#parts[next]?.groups.brace === "{") next++;
    const { command, text } = this.#parts[next]?.groups ?? {};
    return command ? SYMBOLS[command] !== "" : /^[\p{L}\p{N}]/u.test(text ?? "");
  }
}
