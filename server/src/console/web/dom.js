// Elements out of names, attributes and children. Text is always a text node: what comes out of a collection is shown,
// never read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** `h("a", {href}, "text", child)`: attributes that start with `on` are listeners; null and false are left out. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for drawings. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else if (name === "checked") element.checked = Boolean(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Puts these in the place of what an element has. */
export function put(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

let next = 0;

/** An id that no other element has. */
export function fresh(name) {
  next += 1;
  return `${name}-${next}`;
}

/** A labelled control. */
export function field(label, control, hint = null) {
  control.id ||= fresh("field");
  const told = hint && h("span", { class: "hint", id: `${control.id}-hint` }, hint);
  if (told) control.setAttribute("aria-describedby", told.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, told);
}

/** A list to choose from: `[value, text]` or a text that is its own value. */
export function select(options, chosen, attributes = {}) {
  const option = (one) => {
    const [value, text] = Array.isArray(one) ? one : [one, one];
    return h("option", { value, selected: value === chosen }, text);
  };
  return h("select", attributes, options.map(option));
}

/** Radio buttons that look like one switch. */
export function segments(label, options, chosen, onchange) {
  const name = fresh("choice");
  const one = ([value, text]) =>
    h("label", {}, h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onchange(value) }), text);
  return h("div", { class: "segments", role: "radiogroup", "aria-label": label }, options.map(one));
}

/** A table: `columns` are `[title, "number" or ""]`, rows are lists of cells; the first cell names its row. */
export function table(caption, columns, rows) {
  const cell = (value, at) => {
    const kind = columns[at][1] || null;
    return at === 0 ? h("th", { scope: "row", class: kind }, value) : h("td", { class: kind }, value);
  };
  const row = (cells) => h("tr", {}, cells.map(cell));
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map(([title, kind]) => h("th", { scope: "col", class: kind || null }, title)))),
      h("tbody", {}, rows.map(row)),
    ),
  );
}

/** A titled part of a page. */
export function panel(title, content, aside = null) {
  const id = fresh("panel");
  return h(
    "section",
    { class: "panel", "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), aside && h("span", { class: "push" }, aside)),
    content,
  );
}

let silence = 0;

/** Tells something for a while, also to who cannot see it. */
export function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => place.replaceChildren(), 5000);
}

/** Copies, and says so. Where the clipboard is not given, the text is left selected. */
export async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
  } catch {
    getSelection().selectAllChildren(from);
    say("The browser gives no clipboard: press Ctrl+C to copy what is selected");
  }
}

/** A window above the page; it is gone when it closes. */
export function openDialog(title, content, kind = "") {
  const id = fresh("dialog");
  const close = h("button", { type: "button", class: "quiet", onclick: () => dialog.close(), "aria-label": "Close" }, "Close");
  const dialog = h(
    "dialog",
    { class: kind || null, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), close),
    h("div", { class: "inside" }, content),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
