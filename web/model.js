// Which model answers, where a question may name one of several.
import { el } from "./dom.js";
import { session } from "./kept.js";

const choice = document.getElementById("model");
const label = choice.parentElement;

let known = false;

/** The one that was chosen; nothing where there is no choice. Before the list is here, as kept. */
export function model() {
  if (!known) return session.get("model") ?? undefined;
  return label.hidden ? undefined : choice.value;
}

/** Offers those that the server has, the usual one first. A server with keys tells who has one. */
export async function offer(key) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const told = await fetch("/v1/models", { headers })
    .then((response) => response.json())
    .catch(() => ({}));
  known = Boolean(told.data);
  const names = (told.data ?? []).map(({ id }) => id);
  choice.replaceChildren(...names.map((name) => el("option", {}, name)));
  label.hidden = names.length < 2;
  if (names.includes(session.get("model"))) choice.value = session.get("model");
}

choice.addEventListener("change", () => session.set("model", choice.value));
