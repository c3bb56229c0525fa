// TeX as models write it, made readable: symbols, roots, fractions, rows; no typesetting.
import { el } from "./dom.js";
import { ACCENTS, FENCES, LETTERS, SYMBOLS, WORDS } from "./symbols.js";
import { Tex } from "./tex.js";

const DEEPEST = 8;
const PLAIN = /^(?:text|math|operatorname|boxed|over|under|wide|cancel|bold|mbox|ce$)/; // a look
const UNSAID = /^(?:label|color|textcolor|hspace|vspace|phantom)$/;
const OPENING = /^l(?:floor|ceil|angle|[vV]ert)$/; // no space behind these
const CLOSING = /^r(?:floor|ceil|angle|[vV]ert)$/; // and none before these
const ESCAPED = { "!": "", "|": "‖" };

/** A span that says a formula. `displayed`: it stands by itself, and its rows below each other. */
export function math(tex, displayed = false) {
  const formula = new Formula(tex.trim(), displayed ? "\n" : "; ");
  return el("span", { className: "math", dir: "ltr" }, ...formula.all());
}

class Formula {
  #tex;
  #rows; // what is between two rows, in each environment that is open

  constructor(tex, between) {
    this.#tex = new Tex(tex);
    this.#rows = [between];
  }

  all() {
    const nodes = [];
    while (this.#tex.next) say(nodes, this.#group());
    return nodes;
  }

  /** Up to the end, or to the brace that closes. */
  #group(depth = 0) {
    const nodes = [];
    while (this.#tex.next && this.#tex.next.brace !== "}") say(nodes, this.#one(depth));
    if (this.#tex.next) this.#tex.read();
    return nodes;
  }

  #one(depth) {
    const { edge, name, row, command, escaped, script, brace, cell, text } = this.#tex.read();
    if (depth > DEEPEST) return [text ?? ""];
    if (brace) return this.#group(depth + 1);
    if (edge) return [this.#environment(edge, name)];
    if (script) return raised(script, this.#argument(depth));
    if (command) return this.#command(command, depth);
    if (cell) return [" "];
    if (escaped) return [/[,;: \n]/.test(escaped) ? " " : (ESCAPED[escaped] ?? escaped)];
    const { next } = this.#tex;
    const ends = !next || next.edge === "end" || CLOSING.test(next.command);
    if (row) return [ends ? "" : this.#rows.at(-1)];
    const plain = text.replace(/[\s~]+/g, " ");
    return [ends || next.row ? plain.trimEnd() : plain];
  }

  #environment(edge, name) {
    const [opening, closing] = FENCES[name] ?? ["", ""];
    if (edge === "end") {
      if (this.#rows.length > 1) this.#rows.pop();
      return closing;
    }
    this.#rows.push(/matrix|array/.test(name) ? "; " : this.#rows[0]);
    return opening;
  }

  #command(name, depth) {
    const before = this.#tex.isBehindWord ? " " : "";
    const argument = () => this.#argument(depth);
    if (name === "sqrt") return this.#apart([...this.#index(), "√", ...this.#root(depth)]);
    if (/^[dtc]?frac$/.test(name)) {
      return this.#apart([...grouped(argument()), "/", ...grouped(argument())]);
    }
    if (/^[dt]?binom$/.test(name)) return ["(", ...argument(), " ", ...argument(), ")"];
    if (name === "pmod") return [" (mod ", ...argument(), ")"];
    if (name in ACCENTS) return accented(argument(), ACCENTS[name]);
    if (name === "mathbb") return argument().map((node) => LETTERS[node] ?? node);
    if (name in SYMBOLS) return [this.#symbol(name)];
    if (UNSAID.test(name)) return argument().slice(0, 0);
    if (PLAIN.test(name)) return argument();
    return this.#apart([before + (WORDS[name] ?? name)]);
  }

  #symbol(name) {
    if (OPENING.test(name)) this.#tex.take(/^(\s+)/);
    if (name === "left" || name === "right") this.#tex.take(/^\s*(\.)/); // a fence that is none
    return SYMBOLS[name];
  }

  /** What stands in braces, or one character. */
  #argument(depth) {
    this.#tex.take(/^(\s*)$/);
    const { next } = this.#tex;
    if (!next || next.brace === "}") return [];
    return next.text ? [this.#tex.take(/^\s*(.)/su)] : this.#one(depth + 1);
  }

  /** Which root it is. */
  #index() {
    const which = this.#tex.take(/^\s*\[([^\]]{1,9})\]/);
    return which ? [el("sup", {}, which)] : [];
  }

  #root(depth) {
    const number = this.#tex.take(/^\s*(\d+)/); // more than TeX would take, but what is meant
    return number ? [number] : grouped(this.#argument(depth));
  }

  /** With a space before the next word. */
  #apart(nodes) {
    return this.#tex.isBeforeWord ? [...nodes, " "] : nodes;
  }
}

/** Puts nodes behind others, without a second space between them. */
function say(nodes, more) {
  for (const node of more) {
    const spaced = typeof node === "string" && /[ \n]$/.test(nodes.at(-1) ?? "");
    const text = spaced ? node.replace(/^ +/, "") : node;
    if (text !== "") nodes.push(text);
  }
}

const said = (nodes) => nodes.map((node) => node.textContent ?? node).join("");

function raised(script, nodes) {
  if (script === "^" && said(nodes) === SYMBOLS.circ) return [SYMBOLS.degree];
  return [el(script === "^" ? "sup" : "sub", {}, ...nodes)];
}

/** A letter with its accent; over more than one there is none. */
function accented(nodes, accent) {
  const text = said(nodes);
  return /^\p{L}$/u.test(text) ? [(text + accent).normalize()] : nodes;
}

/** In parentheses, unless it is a number or a name; `2a` is a product. */
function grouped(nodes) {
  return /^(?:[\d.,]*|\p{L}[\p{L}\d]*)$/u.test(said(nodes)) ? nodes : ["(", ...nodes, ")"];
}
