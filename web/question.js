// Where a question is typed: below the conversation, and in the place of one that was asked.
import { button, composing, el } from "./dom.js";

const LONGEST = 32_000; // characters, as the server counts them

/** Whether a key press means: send. */
export function enter(event) {
  const meant = event.key === "Enter" && !event.shiftKey && !composing(event);
  if (meant) event.preventDefault();
  return meant;
}

/** The question in a field, if it may be asked; else `note` says why not. */
export function asked(field, note) {
  const text = field.value.trim();
  const most = LONGEST.toLocaleString("en");
  const size = length(text).toLocaleString("en");
  note.textContent =
    length(text) > LONGEST ? `A question has up to ${most} characters. This one has ${size}.` : "";
  note.hidden = !note.textContent;
  return note.hidden ? text : "";
}

function length(text) {
  if (text.length <= LONGEST) return text.length;
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

/** A form with a question to be changed; calls `ask` with another one, or `back`. */
export function editing(question, ask, back) {
  const label = "Edit the question";
  const text = el("textarea", { value: question, dir: "auto", "aria-label": label });
  const note = el("p", { className: "long", role: "status", hidden: true });
  const leave = (event) => {
    event.preventDefault();
    back();
  };
  const form = el(
    "form",
    { className: "edit" },
    el("h2", { className: "unseen", dir: "auto" }, question), // the turn's heading goes with it
    text,
    note,
    el("p", {}, "It and everything after it is replaced."),
    el("div", {}, el("button", { className: "main" }, "Ask again"), button("Cancel", leave)),
  );
  form.onsubmit = (event) => {
    event.preventDefault();
    const question = asked(text, note);
    if (question) ask(question);
  };
  form.onkeydown = (event) => event.key === "Escape" && !composing(event) && leave(event);
  text.onkeydown = (event) => enter(event) && form.requestSubmit();
  text.oninput = () => asked(text, note);
  return form;
}
