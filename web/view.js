// One turn on the page: the question, the steps, the answer, its sources, and what can be done.
import { button, copy, el } from "./dom.js";
import { Flow } from "./markdown.js";
import { noted, timed } from "./note.js";
import { editing } from "./question.js";
import { Sources } from "./sources.js";
import { Steps } from "./steps.js";
import { spoken } from "./told.js";
import { answerOf, isOpen } from "./turn.js";

const ENDS = { done: "End of the answer", stopped: "Stopped", failed: "The answer failed" };

/** `does`: what the buttons do: `again(turn)`, `edit(turn, question)`, `say(text)`. */
export class View {
  #does;
  #turn;
  #heard = "";
  #told = []; // blocks, as they were told
  #quiet = false;
  #open = false;
  #steps = new Steps();
  #sources = new Sources();
  #raw = el("pre", { className: "raw", tabIndex: 0, role: "region", "aria-label": "Raw text" });
  #flow = new Flow((number) => this.#sources.cite(number));

  constructor(turn, does) {
    this.#does = does;
    this.#turn = turn;
    this.question = el("h2", { className: "question", dir: "auto" }, turn.question);
    this.#raw.hidden = true;
    this.asked = el("div", { className: "asked" }, this.question, this.#button("Edit", this.#edit));
    this.steps = this.#steps.element;
    this.thoughts = el(
      "details",
      { className: "thoughts" },
      el("summary", {}, "Thoughts"),
      el("p", { dir: "auto" }),
    );
    this.note = el("p", { className: "note" });
    this.raw = this.#button("Raw", this.#toggleRaw, { "aria-pressed": "false" });
    this.again = this.#button("Answer again", () => does.again(this.#turn), { className: "again" });
    this.timing = el("span", { className: "timing" });
    const copying = this.#button("Copy", this.#copy);
    this.bar = el("div", { className: "bar" }, copying, this.raw, this.again, this.timing);
    const answer = [this.steps, this.thoughts, this.#flow.element, this.#raw, this.note];
    this.element = el(
      "article",
      { className: "turn" },
      this.asked,
      ...answer,
      this.#sources.element,
      this.bar,
    );
  }

  /** Shows what has become of the turn. */
  update(turn) {
    this.#turn = turn;
    const text = answerOf(turn);
    const open = isOpen(turn);
    this.element.setAttribute("aria-busy", String(open));
    this.#steps.show(turn.tools);
    const others = this.#sources.show(turn);
    if (others && /[[［【]/.test(text)) this.#flow.clear(); // its numbers mean something now
    this.thoughts.hidden = !turn.thoughts;
    this.thoughts.lastChild.textContent = turn.thoughts;
    this.#flow.show(text, open);
    this.#raw.textContent = this.#raw.hidden ? "" : text;
    this.#note(noted(turn, this.#does), turn.lost ? "lost" : turn.state);
    this.bar.hidden = open || !text;
    this.timing.textContent = timed(turn);
    if (!this.#quiet) this.#tell(text, open);
    this.#open = open;
  }

  /** A button that is there stays, and with it the focus. */
  #note(nodes, state) {
    const said = nodes.map((node) => node.textContent ?? node).join("");
    if (said !== this.note.textContent) this.note.replaceChildren(...nodes);
    this.note.className = `note ${state}`;
  }

  /** For those who listen: each block once it is whole, and what comes in the place of others. */
  #tell(text, open) {
    const blocks = [...this.#flow.element.children];
    if (!text.startsWith(this.#heard)) {
      const changed = this.#told.findIndex((told, n) => !blocks[n] || spoken(blocks[n]) !== told);
      if (changed >= 0) this.#told.length = changed;
    }
    this.#heard = text;
    const whole = open ? this.#flow.settled : blocks.length;
    for (let n = this.#told.length; n < whole; n++) {
      this.#told.push(spoken(blocks[n]));
      this.#does.say(this.#told[n].trim());
    }
    if (this.#open && !open) this.#does.say(ENDS[this.#turn.state]);
  }

  /** It was answered before this page was here: nobody has to be told. */
  quietly() {
    this.#quiet = true;
  }

  #button(text, act, props) {
    return button(text, (event) => act.call(this, event), props);
  }

  async #copy({ target }) {
    const said = (await copy(answerOf(this.#turn))) ? "Copied" : "The browser forbids it";
    target.textContent = said;
    this.#does.say(said);
    setTimeout(() => (target.textContent = "Copy"), 1500);
  }

  #toggleRaw() {
    const raw = this.#raw.hidden;
    this.#raw.hidden = !raw;
    this.#flow.element.hidden = raw;
    this.raw.setAttribute("aria-pressed", String(raw));
    this.update(this.#turn);
  }

  #edit() {
    const form = editing(
      this.#turn.question,
      (question) => this.#does.edit(this.#turn, question),
      () => {
        form.replaceWith(this.asked);
        this.asked.lastChild.focus();
      },
    );
    this.asked.replaceWith(form);
    form.querySelector("textarea").focus();
  }
}
