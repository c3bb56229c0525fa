// Elements, made without any markup: text stays text, whatever it says.

/** An element; names with a dash are attributes, the others properties. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

export function button(text, onclick, props = {}) {
  return el("button", { type: "button", onclick, ...props }, text);
}

/** Whether a key press belongs to an input method, and so means nothing to us. */
export const composing = (event) => event.isComposing || event.keyCode === 229; // Safari's last one

/** Puts a text where everybody can paste it from. Returns whether it is there. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOtherwise(text); // a page without https, or somebody forbade it
  }
}

function copyOtherwise(text) {
  const { activeElement } = document;
  const area = el("textarea", { value: text, className: "unseen" });
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  activeElement.focus();
  return copied;
}
