// What the page keeps of a question, and how it reads Markdown: pure, so without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { blocks } from "../../web/blocks.js";
import { noted, timed } from "../../web/note.js";
import { begin, list, owe, owed } from "../../web/store.js";
import { forgetOwed, stop } from "../../web/talk.js";
import { PATIENCE, answerOf, fail, history, newTurn, read, readWhole } from "../../web/turn.js";

const told = (...events) => {
  const turn = newTurn("?");
  for (const event of events) read(turn, event);
  return turn;
};
const delta = (text, certain) => ({ type: "delta", text, certain });
const end = { type: "end", finishReason: "stop", cursor: "9" };
const tool = { type: "tool", id: "1", name: "t", state: "started", input: "i" };

test("a turn follows its run", () => {
  const turn = told({ type: "start", runId: "r", cursor: "1" }, { ...tool, cursor: "2" });
  assert.deepEqual([turn.state, turn.runId, turn.cursor], ["running", "r", "2"]);
  read(turn, { ...tool, state: "finished", input: undefined, output: "o" });
  assert.deepEqual(turn.tools, [
    { id: "1", name: "t", state: "finished", input: "i", output: "o" },
  ]);
  read(turn, { type: "tool", id: "2", name: "u", state: "finished", output: "of nothing" });
  read(turn, { type: "something new" });
  read(turn, { type: "lost" });
  assert.deepEqual([turn.lost, turn.cursor], [true, "2"]);
  read(turn, { type: "back" });
  read(turn, end);
  assert.deepEqual([turn.lost, turn.state, turn.cursor], [undefined, "done", "9"]);
  assert.equal(told({ ...end, finishReason: "cancelled" }).state, "stopped");
});

test("an answer that was ended because nobody listened is not said to be stopped", () => {
  const cancelled = { ...end, finishReason: "cancelled" };
  const words = (turn) => noted(turn, {})[0];
  globalThis.document = { createElement: () => ({ append() {} }) };
  try {
    const turn = told({ type: "start", runId: "r" }, delta("a"));
    const kept = JSON.parse(JSON.stringify(turn)); // for another page
    kept.heard -= (PATIENCE + 1) * 1000;
    turn.heard -= PATIENCE * 600;
    read(turn, { type: "lost" });
    turn.heard -= PATIENCE * 600; // and still
    read(turn, { type: "back" });
    for (const event of [delta("b"), cancelled]) {
      for (const each of [turn, kept]) read(each, event);
    }
    assert.match(words(turn), /^Nobody listened for too long/);
    assert.match(words(kept), /^Nobody listened for too long/);
    const soon = told(delta("a"), { type: "lost" }, { type: "back" }, cancelled);
    assert.equal(words(soon), "Stopped. ");
  } finally {
    delete globalThis.document;
  }
});

test("a clock that is set has no say in how long it took", (t) => {
  const { now } = Date;
  t.after(() => (Date.now = now));
  const turn = newTurn("?");
  Date.now = () => now() - 3_600_000;
  for (const event of [delta("a"), end]) read(turn, event);
  assert.match(timed(turn), /^first words after \d+\.\d s, all after \d+\.\d s$/);
});

test("what a tool found is counted, and what the answer cites is known at its end", () => {
  const source = (number) => ({ type: "source", number, title: "", location: "", passage: "" });
  const finished = { ...tool, state: "finished", output: "o" };
  const searched = [tool, source(1), source(2), finished];
  const turn = told(source(0), ...searched, tool, finished, { ...end, cited: [2] });
  assert.deepEqual(turn.tools.map(({ passages }) => passages), [2, undefined]);
  assert.deepEqual(turn.cited, [2]);
  const anew = told(...searched, { type: "retract", certain: true }, ...searched, end);
  assert.deepEqual([anew.tools[0].passages, anew.tools.length, anew.cited], [2, 1, []]);
  assert.equal(told({ ...end, finishReason: "cancelled" }).cited, undefined);
});

test("text is taken back, and a run that begins anew tells all again", () => {
  assert.equal(answerOf(told(delta("a"), delta("b", false))), "ab");
  assert.equal(
    answerOf(told(delta("a"), delta("b", false), { type: "retract" }, delta("c"))),
    "ac",
  );
  assert.equal(answerOf(told(delta("b", false), { type: "confirm" }, { type: "retract" })), "b");
  const source = { type: "source", number: 1, title: "", location: "", passage: "", score: 1 };
  const thought = { type: "thought", text: "hm" };
  const anew = told(delta("a"), tool, source, thought, { type: "retract", certain: true });
  const { tools, sources, thoughts } = anew;
  assert.deepEqual([answerOf(anew), tools, sources, thoughts], ["", [], [], ""]);
});

test("a conversation goes with a question as far as there is room", () => {
  const turn = (question, answer) => {
    const made = newTurn(question);
    readWhole(made, { output: answer, runId: "r", finishReason: "stop" });
    return made;
  };
  const failed = newTurn("failed");
  fail(failed, new Error("x"));
  const turns = [turn("a", "b"), failed, newTurn("open"), turn("nothing", ""), turn("c", "d")];
  assert.deepEqual(history(turns), [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
    { role: "user", content: "c" },
    { role: "assistant", content: "d" },
  ]);
  assert.equal(history(Array.from({ length: 30 }, (_, n) => turn(`${n}`, "x"))).length, 40);
  // As much of it as a request may hold: 256 KiB, however the question is written.
  for (const [letter, asked] of [["x", ""], ["語", "問"], ["🤙", "\u0001"], ['"\n', "x"]]) {
    const question = asked.repeat(32_000);
    const long = [turn("old", "x"), turn("long", letter.repeat(120_000)), turn("new", "x")];
    const told = history(long, question);
    const [ours, answer] = told.map(({ content }) => content);
    assert.deepEqual([ours, told.length, told.at(-1).content], ["long", 4, "x"]);
    assert.ok(letter.repeat(120_000).endsWith(answer) && answer.isWellFormed());
    const bytes = new Blob([JSON.stringify({ text: question, history: told })]).size;
    assert.ok(bytes < 256 * 1024 - 2000 && bytes > 60_000, bytes);
  }
});

/** A server that answers so; it cannot be reached where there is nothing, and a page is no answer. */
function answering(t, ...answers) {
  const { fetch } = globalThis;
  t.after(() => (globalThis.fetch = fetch));
  const seen = [];
  globalThis.fetch = async (url, { headers }) => {
    seen.push([url, headers.get("Authorization")]);
    const next = answers.shift();
    if (!next) throw new TypeError("no network");
    return typeof next === "string" ? new Response(next) : new Response(null, { status: next });
  };
  return seen;
}

test("a run is stopped, however long that takes", async (t) => {
  const seen = answering(t, null, "<h1>Log in", 503, 204);
  const turn = told({ type: "start", runId: "r" });
  const stopping = stop(turn, "sk");
  assert.equal(turn.state, "stopped");
  await stopping;
  assert.deepEqual(seen, Array(4).fill(["/runs/r", "Bearer sk"]));
});

test("a conversation is forgotten by the server, too, however long that takes", async (t) => {
  const seen = answering(t, 409, null, "<h1>Log in", 503, 204);
  owe("t");
  await forgetOwed(() => "sk");
  assert.deepEqual(seen, Array(5).fill(["/threads/t", "Bearer sk"]));
  assert.deepEqual(owed(), []);
});

test("a title ends with a whole character", () => {
  begin("c", newTurn(`${"x".repeat(99)}🤙`), 0);
  assert.deepEqual(list().map(({ title }) => title), ["x".repeat(99)]);
});

/** Blocks, short: kind and what is in it. */
const short = (found) =>
  found.map(({ kind, text, level, items, blocks, head, rows, ordered, start, language }) => {
    if (items) return [ordered ? start : "-", ...items.map(short)];
    if (blocks) return [">", ...short(blocks)];
    if (kind === "table") return [head, ...rows];
    if (kind === "code") return [`\`${language}`, text];
    return kind === "rule"
      ? "---"
      : (level ? "#".repeat(level) : kind === "math" ? "$" : "") + text;
  });
const READ = [
  ["a\nb\n\n\nc", ["a\nb", "c"]],
  ["# a #\ntext\n####### b", ["#a", "text\n####### b"]],
  [
    "- a\n- b\n  - c\n    - d\n\n  more\n- e",
    [["-", ["a"], ["b", ["-", ["c", ["-", ["d"]]]], "more"], ["e"]]],
  ],
  ["3. a\n4) b\n\n   ```x\n   c\n   ```", [[3, ["a"], ["b", ["`x", "c"]]]]],
  ["- a\n1. b\n* * *\n- c\nlazy", [["-", ["a"]], [1, ["b"]], "---", ["-", ["c\nlazy"]]]],
  ["- a\n\nb\n- c\n# d", [["-", ["a"]], "b", ["-", ["c"]], "#d"]],
  ["> a\n> > b\nc", [[">", "a", [">", "b"]], "c"]],
  [
    "```py x\n# a\n````\n```b\n~~~",
    [
      ["`py", "# a"],
      ["`b", "~~~"],
    ],
  ],
  ["~~~\n```\n~~~\nx", [["`", "```"], "x"]],
  ["x\n|a|b|\n|:-:|-:|\n|1|2|3|\n|\\||\n\ny", ["x", [["a", "b"], ["1", "2"], ["|"]], "y"]],
  ["a | b\n---|---|---", ["a | b\n---|---|---"]],
  ["\\[ x\n+ y \\]\nz\n$$a$$\n$$\nb", ["$x\n+ y", "z", "$a", "$b"]],
  ["$$ - cheap\n$$$ - dear\n\n# a # b ##", ["$$ - cheap\n$$$ - dear", "#a # b"]],
  ["a\n$$\nb\n$$.\n\\[ c \\],\n\\[\nd\n\nf", ["a", "$b.", "$c,", "\\[\nd", "f"]],
  ["$$a$$ is\n\\[1\\]\n$$\nb\n$$ c\n\n- d", ["$$a$$ is\n\\[1\\]", "$$\nb\n$$ c", ["-", ["d"]]]],
  ["\\[ a\n- b\n\nc", ["\\[ a", ["-", ["b"]], "c"]],
  ["-\ta\n    ```b\n    c\n      d\n    ```", [["-", ["a", ["`b", "c\n  d"]]]]],
  ["The value is\n1.5\n-x\n#1", ["The value is\n1.5\n-x\n#1"]],
  ["- [ ] a\n- [x] b\n- [X]\tc\n- [y] d\n- [1]", [["-", ["☐ a"], ["☑ b"], ["☑\tc"], ["[y] d"], ["[1]"]]]],
  ["", []],
];

test("blocks", () => {
  for (const [text, expected] of READ) assert.deepEqual(short(blocks(text)), expected, text);
});

test("a block that another follows is settled, once the other's first line is whole", () => {
  for (const [text] of READ) {
    for (let at = 0; at < text.length; at++) {
      const begun = blocks(text.slice(0, text.lastIndexOf("\n", at) + 1)); // whole lines
      const settled = begun.slice(0, -1);
      assert.deepEqual(blocks(text).slice(0, settled.length), settled, text.slice(0, at));
      const from = begun.at(-1)?.at ?? 0;
      assert.deepEqual(short(blocks(text).slice(settled.length)), short(blocks(text.slice(from))));
    }
  }
});

test("nothing is too deep", () => {
  for (const mark of ["> ", "- ", "1. ", "> - "]) {
    assert.ok(JSON.stringify(blocks(mark.repeat(10_000))).length < 1_000_000);
  }
});
