// The server's key, kept for this tab.
import { session } from "./kept.js";

const dialog = document.getElementById("key");
const secret = document.getElementById("secret");
const wrong = document.getElementById("wrong");
const knowing = [];
let asking = null;

/** Calls back with each key that is given. */
export const onGiven = (known) => knowing.push(known);

/** The key there is, or none; called with whether that one was wrong, it asks for another. */
export function key(isWrong) {
  if (isWrong === undefined) return session.get("key") ?? undefined;
  asking ??= another(isWrong).finally(() => (asking = null)); // once, whoever needs it
  return asking;
}

async function another(isWrong) {
  session.remove("key");
  wrong.hidden = !isWrong;
  secret.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const given = secret.value.trim();
  secret.value = "";
  if (dialog.returnValue !== "use" || !given) return undefined;
  session.set("key", given);
  for (const known of knowing) known(given);
  return given;
}
