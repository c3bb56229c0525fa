// Below the conversation: where a question is typed, and how it shall be answered.
import { session } from "./kept.js";
import { model } from "./model.js";
import { asked, enter } from "./question.js";

const at = (id) => document.getElementById(id);
const [form, input, send, long] = ["ask", "text", "send", "long"].map(at);
const switches = ["whole", "thoughts"].map(at);
const drafts = new Map(); // by conversation

/** `text` was typed elsewhere, and has no other place any more. */
export function focus(text) {
  if (text) input.value = [input.value, text].filter(Boolean).join("\n\n");
  input.focus();
}

/** How a question shall be answered. */
export const options = () => ({
  model: model(),
  ...Object.fromEntries(switches.map(({ id, checked }) => [id, checked])),
});

/** What was typed stays in the conversation where it was typed. */
export function move(from, to) {
  if (from !== undefined) {
    drafts.set(from, input.value);
    input.value = drafts.get(to) ?? "";
  }
  asked(input, long);
}

/** What was typed in this conversation is asked, or of no use any more. */
export const forgetDraft = (id) => drafts.delete(id);

/** `open`: an answer is being written, and the button stops it. */
export function showState(open) {
  send.textContent = open ? "Stop" : "Ask";
  send.classList.toggle("stop", open);
}

/** Calls `ask` with a question, or `halt` if there is an answer to stop. */
export function listen({ ask, halt, busy }) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy()) return halt();
    const question = asked(input, long);
    if (question) ask(question);
    if (long.hidden) input.value = "";
  });
  input.addEventListener("keydown", (event) => {
    if (enter(event) && !busy()) form.requestSubmit();
  });
}

input.addEventListener("input", () => asked(input, long));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // what stands behind a # is a conversation
  focus();
});
for (const each of switches) {
  each.checked = session.get(each.id) === "true";
  each.addEventListener("change", () => session.set(each.id, each.checked));
}
