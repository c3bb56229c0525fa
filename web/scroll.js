// Where the conversation is looked at: its end, as it grows, until somebody scrolls away from it.

const STUCK = 48; // pixels from the end that count as there again
const CLAMPED = 2; // what became smaller is shown up to its end, but for a fraction

const log = document.getElementById("log");
const latest = document.getElementById("latest");
let stuck = true;
let top = 0;

export function toEnd() {
  log.scrollTop = log.scrollHeight;
  seen(true);
}

/** Where there is nothing yet that grows. */
export function toTop() {
  log.scrollTop = 0;
  seen(true);
  stuck = false;
}

function grown() {
  if (stuck) toEnd();
}

function seen(there) {
  stuck = there;
  latest.hidden = there;
  top = log.scrollTop;
}

log.addEventListener("scroll", () => {
  const left = log.scrollHeight - log.scrollTop - log.clientHeight;
  const up = log.scrollTop < top && left > CLAMPED;
  seen(!up && (stuck || left < STUCK));
});
latest.addEventListener("click", toEnd);
const sizes = new ResizeObserver(grown); // it comes after the layout, which is asked for anyway
sizes.observe(log); // a keyboard comes, a question gets longer
sizes.observe(document.getElementById("turns")); // there is more of it
