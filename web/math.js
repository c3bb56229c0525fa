// TeX as models write it, made readable: symbols, roots, fractions; no typesetting.
import { el } from "./dom.js";

const DEEPEST = 8;
const SYMBOLS = {
  times: "×", cdot: "·", div: "÷", pm: "±", mp: "∓", approx: "≈", neq: "≠", ne: "≠", leq: "≤",
  le: "≤", geq: "≥", ge: "≥", ll: "≪", gg: "≫", equiv: "≡", sim: "∼", infty: "∞", pi: "π",
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", Delta: "Δ", epsilon: "ε", theta: "θ", lambda: "λ",
  mu: "μ", sigma: "σ", Sigma: "Σ", phi: "φ", omega: "ω", Omega: "Ω", sum: "∑", prod: "∏", int: "∫",
  partial: "∂", nabla: "∇", in: "∈", notin: "∉", subset: "⊂", cup: "∪", cap: "∩", forall: "∀",
  exists: "∃", to: "→", rightarrow: "→", Rightarrow: "⇒", implies: "⇒", leftarrow: "←", circ: "°",
  degree: "°", ldots: "…", dots: "…", cdots: "⋯", quad: " ", qquad: "  ", left: "", right: "",
  displaystyle: "", percent: "%", __proto__: null,
};
const PART = /\\([a-zA-Z]+)|\\(.)|([\^_])|([{}])|([^\\^_{}]+)/gsy;

/** A span that says a formula. */
export function math(tex) {
  return el("span", { className: "math" }, ...new Formula(tex.trim()).all());
}

class Formula {
  #parts;
  #at = 0;

  constructor(tex) {
    this.#parts = [...tex.matchAll(PART)];
  }

  all() {
    const nodes = [];
    while (this.#at < this.#parts.length) nodes.push(...this.read());
    return nodes;
  }

  /** Up to the end, or to the brace that closes. */
  read(depth = 0) {
    const nodes = [];
    while (this.#at < this.#parts.length && this.#parts[this.#at][4] !== "}") {
      nodes.push(...this.#one(depth));
    }
    this.#at++;
    return nodes;
  }

  #one(depth) {
    const [, command, escaped, script, brace, text] = this.#parts[this.#at++];
    if (depth > DEEPEST) return [text ?? ""];
    if (brace === "{") return this.read(depth + 1);
    if (script) return [el(script === "^" ? "sup" : "sub", {}, ...this.#argument(depth))];
    if (command) return this.#command(command, depth);
    return [text ?? (/[,;:! ]/.test(escaped) ? " " : escaped)];
  }

  #command(name, depth) {
    if (name === "sqrt") return ["√", ...grouped(this.#argument(depth))];
    if (/^[dt]?frac$/.test(name)) {
      const above = grouped(this.#argument(depth));
      return [...above, "/", ...grouped(this.#argument(depth))];
    }
    if (/^(?:text|math|operatorname|boxed|mathrm)/.test(name)) return this.#argument(depth);
    return [SYMBOLS[name] ?? name];
  }

  /** What stands in braces, or one character. */
  #argument(depth) {
    const part = this.#parts[this.#at];
    if (!part) return [];
    if (part[5] === undefined) return this.#one(depth + 1);
    const [first, ...rest] = part[5].trimStart();
    if (rest.length) part[5] = rest.join("");
    else this.#at++;
    return [first ?? ""];
  }
}

/** In parentheses, unless it is a number or a name. */
function grouped(nodes) {
  const text = nodes.map((node) => node.textContent ?? node).join("");
  return /^[\p{L}\p{N}.,]*$/u.test(text) ? nodes : ["(", ...nodes, ")"];
}
