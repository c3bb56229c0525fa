// What is to be said of a turn beside its answer.
import { button } from "./dom.js";
import { answerOf, isOpen, since } from "./turn.js";

const WORDS = {
  network: "The server cannot be reached. Is it running?",
  silence: "The server has gone silent, or other tabs hold all connections that a browser has.",
  not_found: "The server no longer has this answer: too much time has passed, or it was restarted.",
  unauthorized: "Without its key this server does not answer.",
  interrupted: "The page was left before it had the answer.",
};

const MISSED = "Nobody listened for too long, and so the server ended the answer. ";

/** `does` are the page's: `again(turn)`, `now()`. */
export function noted(turn, does) {
  const { state, lost, whole, error, finishReason, missed, unknownCitations } = turn;
  const seconds = Math.floor(since(turn) / 1000);
  const waited = seconds > 0 && !turn.resumed ? ` ${seconds} s` : "";
  const again = () => button("Try again", () => does.again(turn), { className: "again" });
  if (lost) return ["Connection lost. It goes on by itself. ", button("Try now", does.now)];
  if (turn.again && isOpen(turn)) {
    const left = Math.max(1, Math.ceil((turn.again - Date.now()) / 1000));
    return [`The server is busy: it is asked again in ${left} s.`];
  }
  if (isOpen(turn) && whole) return [`Waiting for the whole answer…${waited}`];
  if (isOpen(turn)) return answerOf(turn) ? [] : [`Thinking…${waited}`];
  if (state === "failed") return [`${WORDS[error.code] ?? error.message} `, again()];
  if (missed && finishReason === "cancelled") return [MISSED, again()];
  if (state === "stopped") return ["Stopped. ", ...(answerOf(turn) ? [] : [again()])];
  const said =
    finishReason === "length" ? ["The model reached its limit: this is not all of it. "] : [];
  if (unknownCitations) said.push(`It cites what is no source: ${unknownCitations.join(", ")}.`);
  return said;
}

/** Who answered, if there was a choice, and what makes the difference between streaming and waiting. */
export function timed({ model, whole, first, took, state }) {
  const by = model ? `${model}: ` : "";
  const said = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;
  if (took === undefined) return "";
  if (whole) return `${by}without streaming: nothing for ${said(took)}`;
  const end = state === "done" ? "all" : "end";
  return first === undefined ? "" : `${by}first words after ${said(first)}, ${end} after ${said(took)}`;
}
