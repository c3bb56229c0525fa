// One turn on the page: the question, the steps, the answer, its sources, and what can be done.
import { button, el } from "./dom.js";
import { Flow } from "./markdown.js";
import { noted, timed } from "./note.js";
import { patch } from "./patch.js";
import { editing } from "./question.js";
import { Sources } from "./sources.js";
import { Steps } from "./steps.js";
import { copying, spoken } from "./told.js";
import { answerOf, isOpen } from "./turn.js";

const ENDS = { done: "End of the answer. ", stopped: "", failed: "The answer failed. " };

/**
 * `does` are the page's: `again(turn)`, `edit(turn, question)`, `now()`, `say(text)`, and
 * `focus(text)`, with what was typed here and has no other place any more.
 */
export class View {
  #does;
  #turn;
  #heard = "";
  #told = []; // blocks, as they were told
  #quiet = false;
  #open = false;
  #lost = false;
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
    const copy = copying(() => answerOf(this.#turn));
    this.bar = el("div", { className: "bar" }, copy, this.raw, this.again, this.timing);
    this.bar.hidden = true;
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
    patch(this.thoughts.lastChild, [turn.thoughts]);
    this.#flow.show(text, open);
    patch(this.#raw, [this.#raw.hidden ? "" : text]);
    const note = noted(turn, this.#does);
    this.#note(note, turn.lost ? "lost" : turn.state);
    this.bar.hidden = !text && (!open || this.bar.hidden); // what has the focus stays till the end
    this.again.hidden = open;
    this.timing.textContent = timed(turn);
    if (!this.#quiet) this.#tell(text, open, note.filter((each) => !each.tagName).join(""));
    [this.#open, this.#lost] = [open, Boolean(turn.lost)];
  }

  /** A button that is there stays, and with it the focus. */
  #note(nodes, state) {
    const said = nodes.map((node) => node.textContent ?? node).join("");
    const focused = this.note.contains(document.activeElement);
    if (said !== this.note.textContent) this.note.replaceChildren(...nodes);
    if (focused && !this.note.contains(document.activeElement)) this.#does.focus();
    this.note.className = `note ${state}`;
  }

  /**
   * For those who listen: each block once it is whole, and what comes in the place of others; a
   * connection that is lost, and is there again; the end, and what is noted of it.
   */
  #tell(text, open, note) {
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
    const lost = Boolean(this.#turn.lost);
    if (this.#open && !open) this.#does.say((ENDS[this.#turn.state] + note).trim());
    else if (lost !== this.#lost) this.#does.say(lost ? note.trim() : "Connected again.");
  }

  /** It was answered before this page was here: nobody has to be told. */
  quietly() {
    this.#quiet = true;
  }

  #button(text, act, props) {
    return button(text, (event) => act.call(this, event), props);
  }

  /** Takes it off the page; a question that was being typed in it is not lost. */
  remove() {
    const typed = this.element.querySelector(".edit textarea")?.value;
    const focused = this.element.contains(document.activeElement);
    this.element.remove();
    if (focused) this.#does.focus(typed);
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
