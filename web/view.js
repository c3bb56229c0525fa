// One turn on the page: the question, the steps, the answer, its sources, and what can be done.
import { button, copy, el } from "./dom.js";
import { link } from "./inline.js";
import { Flow } from "./markdown.js";
import { answerOf, isOpen } from "./turn.js";

const WORDS = {
  network: "The server cannot be reached. Is it running?",
  silence: "The server has gone silent.",
  not_found: "The server no longer has this answer: it was probably started again.",
  unauthorized: "Without its key this server does not answer.",
  interrupted: "The page was left before the server had the question.",
};

const ENDS = { done: "End of the answer", stopped: "Stopped", failed: "The answer failed" };

/** `does`: what the buttons do: `again(turn)`, `edit(turn, question)`, `say(text)`. */
export class View {
  #does;
  #turn;
  #told = 0;
  #open = false;
  #sources = "0 undefined";
  #steps = [];
  #raw = el("pre", { className: "raw", tabIndex: 0, role: "region", "aria-label": "Raw text" });
  #flow = new Flow((number) => this.#cite(number));

  constructor(turn, does) {
    this.#does = does;
    this.#turn = turn;
    this.question = el("h2", { className: "question" }, turn.question);
    this.#raw.hidden = true;
    this.asked = el("div", { className: "asked" }, this.question, this.#button("Edit", this.#edit));
    this.steps = el("div", { className: "steps" });
    this.thoughts = el(
      "details",
      { className: "thoughts" },
      el("summary", {}, "Thoughts"),
      el("p"),
    );
    this.note = el("p", { className: "note" });
    this.sources = el("ol", { className: "sources", "aria-label": "Sources" });
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
      this.sources,
      this.bar,
    );
  }

  /** Shows what has become of the turn. */
  update(turn) {
    this.#turn = turn;
    const text = answerOf(turn);
    const open = isOpen(turn);
    this.element.setAttribute("aria-busy", String(open));
    this.#showSteps();
    this.#showSources();
    this.thoughts.hidden = !turn.thoughts;
    this.thoughts.lastChild.textContent = turn.thoughts;
    this.#flow.show(text, open);
    this.#raw.textContent = this.#raw.hidden ? "" : text;
    this.#note(noted(turn, this.#does), turn.lost ? "lost" : turn.state);
    this.bar.hidden = open || !text;
    this.timing.textContent = timed(turn);
    this.#tell(open);
  }

  /** A button that is there stays, and with it the focus. */
  #note(nodes, state) {
    const said = nodes.map((node) => node.textContent ?? node).join("");
    if (said !== this.note.textContent) this.note.replaceChildren(...nodes);
    this.note.className = `note ${state}`;
  }

  /** For those who listen: each block once it is whole. */
  #tell(open) {
    const blocks = [...this.#flow.element.children];
    const whole = open ? blocks.length - 1 : blocks.length;
    for (; this.#told < whole; this.#told++) this.#does.say(blocks[this.#told].textContent);
    if (this.#open && !open) this.#does.say(ENDS[this.#turn.state]);
    this.#open = open;
  }

  /** It was answered before this page was here: nobody has to be told. */
  quietly() {
    this.#told = Infinity;
  }

  #button(text, act, props) {
    return button(text, (event) => act.call(this, event), props);
  }

  #showSteps() {
    const { tools } = this.#turn;
    this.#steps.length = Math.min(this.#steps.length, tools.length); // the run may begin anew
    for (const [n, tool] of tools.entries()) {
      const [made, shown] = this.#steps[n] ?? [el("details", { className: "step" })];
      const now = `${tool.id} ${tool.state}`;
      if (shown !== now) made.replaceChildren(...step(tool));
      this.#steps[n] = [made, now];
    }
    const wanted = this.#steps.map(([made]) => made);
    if (wanted.length !== this.steps.children.length) this.steps.replaceChildren(...wanted);
  }

  #showSources() {
    const { sources } = this.#turn;
    this.sources.hidden = sources.length === 0;
    const now = `${sources.length} ${sources.at(-1)?.passage}`;
    if (now === this.#sources) return;
    this.#sources = now;
    this.#flow.clear(); // its numbers mean something now
    this.sources.replaceChildren(...sources.map(source));
  }

  #cite(number) {
    const at = this.#turn.sources.findIndex((source) => source.number === number);
    if (at < 0) return null;
    const { title } = this.#turn.sources[at];
    const show = () => {
      const details = this.sources.children[at].firstChild;
      details.open = true;
      details.firstChild.focus();
    };
    return button(String(number), show, {
      className: "cite",
      "aria-label": `Source ${number}: ${title}`,
    });
  }

  async #copy({ target }) {
    await copy(answerOf(this.#turn));
    target.textContent = "Copied";
    this.#does.say("Copied");
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
    const text = el("textarea", { value: this.#turn.question, "aria-label": "Edit the question" });
    const back = (event) => {
      event.preventDefault();
      form.replaceWith(this.asked);
      this.asked.lastChild.focus();
    };
    const form = el(
      "form",
      { className: "edit", onkeydown: (event) => event.key === "Escape" && back(event) },
      text,
      el("p", {}, "It and everything after it is replaced."),
      el("div", {}, el("button", { className: "main" }, "Ask again"), button("Cancel", back)),
    );
    form.onsubmit = (event) => {
      event.preventDefault();
      if (text.value.trim()) this.#does.edit(this.#turn, text.value.trim());
    };
    text.onkeydown = (event) => enter(event) && form.requestSubmit();
    this.asked.replaceWith(form);
    text.focus();
  }
}

/** Whether a key press means: send. */
export function enter(event) {
  const meant = event.key === "Enter" && !event.shiftKey && !event.isComposing;
  if (meant) event.preventDefault();
  return meant;
}

function step({ name, state, input, output }) {
  const [asked, came] = [readable(input), output ?? "…"];
  const result = state === "failed" ? "Failed" : "Result";
  return [
    el("summary", { className: state }, el("b", {}, name), ` ${asked}`, el("i", {}, ` → ${came}`)),
    el(
      "dl",
      {},
      el("dt", {}, "Input"),
      el("dd", {}, asked),
      el("dt", {}, result),
      el("dd", {}, came),
    ),
  ];
}

/** Arguments as people write them. */
function readable(input) {
  try {
    const entries = Object.entries(JSON.parse(input));
    const said = entries.map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]);
    return said.length === 1 ? said[0][1] : said.map((each) => each.join(": ")).join("\n");
  } catch {
    return input;
  }
}

function source({ number, title, location, passage, score }) {
  const where = el("p", { className: "where" }, link(location, location), ` · ${score.toFixed(2)}`);
  const summary = el(
    "summary",
    {},
    el("span", { className: "number" }, String(number)),
    title || location,
  );
  return el("li", {}, el("details", {}, summary, el("blockquote", {}, unwrapped(passage)), where));
}

/** A paragraph's lines are as long here as there is room for. */
const unwrapped = (text) => text.replace(/(?<=\S) ?\n(?=\p{L})/gu, " ");

/** What is to be said of a turn beside its answer. */
function noted(turn, does) {
  const { state, lost, whole, error, finishReason, unknownCitations } = turn;
  const seconds = Math.floor((Date.now() - turn.asked) / 1000);
  const waited = seconds > 0 && !turn.resumed ? ` ${seconds} s` : "";
  if (lost) return ["Connection lost. It goes on by itself. ", button("Try now", does.now)];
  if (isOpen(turn) && whole) return [`Waiting for the whole answer…${waited}`];
  if (isOpen(turn)) return answerOf(turn) ? [] : [`Thinking…${waited}`];
  if (state === "failed") {
    return [`${WORDS[error.code] ?? error.message} `, button("Try again", () => does.again(turn))];
  }
  if (state === "stopped")
    return ["Stopped. ", ...(answerOf(turn) ? [] : [button("Try again", () => does.again(turn))])];
  const said =
    finishReason === "length" ? ["The model reached its limit: this is not all of it. "] : [];
  if (unknownCitations) said.push(`It cites what is no source: ${unknownCitations.join(", ")}.`);
  return said;
}

/** What makes the difference between streaming and waiting. */
function timed({ whole, first, took, state }) {
  const said = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;
  if (took === undefined) return "";
  if (whole) return `without streaming: nothing for ${said(took)}`;
  const end = state === "done" ? "all" : "end";
  return first === undefined ? "" : `first words after ${said(first)}, ${end} after ${said(took)}`;
}
