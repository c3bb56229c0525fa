// The sources of an answer: those that it cites; what else was found is folded below them.
import { button, el } from "./dom.js";
import { link } from "./inline.js";
import { place } from "./patch.js";

export class Sources {
  #heading = el("h3", {}, "Sources");
  #cited = el("ol");
  #found = el("summary");
  #others = el("ol");
  #also = el("details", { className: "also" }, this.#found, this.#others);
  #items = new Map(); // by number: a source and its element
  #known = null;
  #shown = null;
  element = el("section", { className: "sources" }, this.#heading, this.#cited, this.#also);

  /** Shows a turn's sources; whether there are others than before. Before its end all are alike. */
  show({ sources, cited }) {
    const known = sources.map(({ number, passage }) => `${number} ${passage}`).join("\n");
    const others = known !== this.#known;
    if (others) this.#items = new Map(sources.map((each) => [each.number, this.#made(each)]));
    if (others || `${cited}` !== this.#shown) this.#place(cited ?? [...this.#items.keys()]);
    [this.#known, this.#shown] = [known, `${cited}`];
    return others;
  }

  /** What is open, or has the focus, stays. */
  #made(source) {
    const [known, made] = this.#items.get(source.number) ?? [];
    return [source, made && known.passage === source.passage ? made : item(source)];
  }

  #place(numbers) {
    const first = numbers.filter((number) => this.#items.has(number));
    const rest = [...this.#items.keys()].filter((number) => !first.includes(number));
    const name = first.length ? "Also found" : "Found, but not cited";
    this.#found.textContent = `${name} (${rest.length})`;
    this.#heading.hidden = this.#cited.hidden = !first.length;
    this.#also.hidden = !rest.length;
    this.element.hidden = !this.#items.size;
    const elements = (some) => some.map((number) => this.#items.get(number)[1]);
    const focused = document.activeElement;
    this.#also.open ||= elements(rest).some((item) => item.contains(focused));
    place(this.#cited, elements(first), focused);
    place(this.#others, elements(rest), focused);
  }

  /** A button that shows the source of this number, or nothing if there is none. */
  cite(number) {
    if (!this.#items.has(number)) return null;
    const [{ title }, item] = this.#items.get(number);
    const show = () => {
      if (this.#also.contains(item)) this.#also.open = true;
      item.firstChild.open = true;
      item.firstChild.firstChild.focus();
    };
    const label = `Source ${number}: ${title}`;
    return button(String(number), show, { className: "cite", "aria-label": label });
  }
}

function item({ number, title, location, passage }) {
  const summary = el(
    "summary",
    {},
    el("span", { className: "number" }, String(number)),
    el("bdi", {}, title || location),
  );
  const quote = el("blockquote", { dir: "auto" }, unwrapped(String(passage ?? "")));
  const where = el("p", { className: "where" }, link(location, location));
  return el("li", {}, el("details", {}, summary, quote, where));
}

/** A paragraph's lines are as long here as there is room for. */
const unwrapped = (text) => text.replace(/(?<=\S) ?\n(?=\p{L})/gu, " ");
