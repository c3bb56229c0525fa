// What an agent did before it answered: a line for each tool's call, which opens.
import { el } from "./dom.js";
import { patch } from "./patch.js";

export class Steps {
  element = el("div", { className: "steps" });
  #made = [];

  show(tools) {
    this.#made.length = Math.min(this.#made.length, tools.length); // the run may begin anew
    for (const [n, tool] of tools.entries()) {
      const [made, shown] = this.#made[n] ?? [el("details")];
      const now = `${tool.id} ${tool.state} ${tool.input}`;
      made.className = `step ${tool.state}`;
      if (shown !== now) patch(made, step(tool)); // what has the focus keeps it
      this.#made[n] = [made, now];
    }
    const wanted = this.#made.map(([made]) => made);
    if (wanted.length !== this.element.children.length) this.element.replaceChildren(...wanted);
  }
}

function step({ name, state, input, output, passages }) {
  const [asked, came] = [readable(input), output ?? "…"];
  const found = passages === 1 ? "1 passage" : `${passages} passages`;
  const result = state === "failed" ? "Failed" : "Result";
  return [
    el(
      "summary",
      {},
      el("b", {}, name),
      ...(asked ? [" ", el("bdi", {}, asked)] : []),
      el("i", {}, " → ", el("bdi", {}, passages ? found : came)),
    ),
    el(
      "dl",
      {},
      el("dt", {}, "Input"),
      el("dd", {}, el("bdi", {}, asked)),
      el("dt", {}, result),
      el("dd", {}, el("bdi", {}, came)),
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
