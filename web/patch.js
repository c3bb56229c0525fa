// Elements that become what others are. What is the same stays, and with it selection and focus.

/** Gives an element these children, from one place on, and keeps those that it has already. */
export function patch(element, children, from = 0) {
  const there = [...element.childNodes].slice(from);
  children.forEach((child, n) => {
    const old = there[n];
    if (!old) element.append(child);
    else if (old.nodeType === Node.TEXT_NODE && isText(child)) write(old, child.data ?? child);
    else if (isText(child) || !become(old, child)) old.replaceWith(child);
  });
  for (const old of there.slice(children.length)) old.remove();
}

/** Changes a text only where it is another. */
export function write(node, text) {
  const { data } = node;
  let same = text.startsWith(data) ? data.length : 0;
  while (same < text.length && text[same] === data[same]) same++;
  if (same < data.length || same < text.length) {
    node.replaceData(same, data.length - same, text.slice(same));
  }
}

/**
 * Gives an element these children, in this order. Those that are in their places already are not
 * touched, and `focused` stays so, though it is moved.
 */
export function place(element, children, focused = document.activeElement) {
  for (const old of [...element.children]) if (!children.includes(old)) old.remove();
  children.forEach((child, n) => {
    const there = element.children[n];
    if (there !== child) element.insertBefore(child, there ?? null);
  });
  focused.focus({ preventScroll: true });
}

const isText = (node) => typeof node === "string" || node.nodeType === Node.TEXT_NODE;

/** Whether an element could. One that can be pressed only stays what it is. */
function become(old, element) {
  if (old.isEqualNode(element)) return true;
  const alike = old.nodeName === element.nodeName && old.className === element.className;
  if (!alike || element.matches("a, button")) return false;
  patch(old, [...element.childNodes]);
  return true;
}
