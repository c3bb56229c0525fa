// Which page asked a question, and whether that page is still there to hear the answer.
import { session } from "./kept.js";
import { newId } from "./turn.js";

const LONG_AGO = 600_000;
const { locks } = navigator; // none without https, but on the own machine
const lock = (id) => `lastword/${id}`;

/** This page; without locks this tab, whatever page was loaded in it. */
export const tab = (!locks && session.get("tab")) || newId();
session.set("tab", tab);
const never = () => new Promise(() => {});
const left = () => new Promise((over) => addEventListener("pagehide", over)); // it may be stored
locks?.request(lock(tab), left).catch(never);

/** Comes once the page that asked this turn is gone. */
export function gone({ tab: other, asked }) {
  if (locks) return locks.request(lock(other), { mode: "shared" }, () => {}).catch(never);
  return other === tab || Date.now() - asked > LONG_AGO ? Promise.resolve() : never();
}
