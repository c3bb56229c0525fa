// The chat page: asks `/chat` for events and shows them as they come.
// Everything that a model, a tool or a user said goes into the page as text, never as markup.

const talk = document.getElementById("talk");
const form = document.getElementById("ask");
const input = document.getElementById("text");
const send = document.getElementById("send");
const stop = document.getElementById("stop");

let threadId = sessionStorage.getItem("thread") ?? undefined;
let key = sessionStorage.getItem("key");
let running = null;

/** Adds a paragraph to the conversation and returns it. */
function say(kind, text) {
  const paragraph = document.createElement("p");
  paragraph.className = kind;
  paragraph.textContent = text;
  talk.append(paragraph);
  paragraph.scrollIntoView({ block: "end" });
  return paragraph;
}

/** The events of a response: `{name, data}`, split right wherever the network cuts. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const field = (name) => frame.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
      if (field("data")) yield { name: field("event"), data: JSON.parse(field("data")) };
    }
  }
}

async function request(path, options = {}) {
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  const problem = await response.json();
  if (response.status === 401) {
    key = prompt("This server wants an API key:");
    if (key) {
      sessionStorage.setItem("key", key);
      return request(path, options);
    }
  }
  throw new Error(problem.detail);
}

async function ask(text) {
  say("user", text);
  const response = await request("/chat", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ text, thread_id: threadId }),
  });
  let answer = null;
  let uncertain = []; // pieces that may yet turn out not to be the answer
  let over = false;
  for await (const { name, data } of events(response)) {
    if (name === "start") {
      running = data.run_id;
      threadId = data.thread_id;
      sessionStorage.setItem("thread", threadId);
    } else if (name === "delta") {
      answer ??= say("answer", "");
      const piece = new Text(data.text);
      answer.append(piece);
      if (data.certain === false) uncertain.push(piece);
      answer.scrollIntoView({ block: "end" });
    } else if (name === "retract") {
      if (data.certain) answer?.replaceChildren(); // the run begins anew
      for (const piece of uncertain) piece.remove();
      uncertain = [];
      if (!answer?.hasChildNodes()) {
        answer?.remove();
        answer = null;
      }
    } else if (name === "confirm") {
      uncertain = [];
    } else if (name === "tool" && data.state !== "started") {
      say("tool", `${data.name}: ${data.output}`);
    } else if (name === "failed") {
      say("failed", data.message);
    } else if (name === "end" && data.finish_reason === "cancelled") {
      say("tool", "(stopped)");
    }
    over = name === "end" || name === "failed";
  }
  if (!over) throw new Error("The connection was lost.");
}

async function submit(text) {
  send.hidden = !(stop.hidden = false);
  try {
    await ask(text);
  } catch (error) {
    say("failed", error.message);
  } finally {
    running = null;
    send.hidden = !(stop.hidden = true);
    input.focus();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (running || !input.value.trim()) return;
  submit(input.value);
  input.value = "";
});

stop.addEventListener("click", () => {
  if (running) request(`/runs/${running}`, { method: "DELETE" }).catch(() => {});
});

for (const button of document.querySelectorAll(".hint button")) {
  button.addEventListener("click", () => running || submit(button.textContent));
}
