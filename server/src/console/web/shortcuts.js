// Keys that do something anywhere.

import { h, openDialog } from "./dom.js";

const KEYS = [
  [["g", "c"], "Collections"],
  [["g", "s"], "Server"],
  [["/"], "The filter or the query of this page"],
  [["["], "The tab before"],
  [["]"], "The next tab"],
  [["Ctrl", "Enter"], "Run the query"],
  [["t"], "Light, dark, or as the system has it"],
  [["?"], "These keys"],
  [["Esc"], "Close a window"],
];

/** Says which keys there are. */
export function showShortcuts() {
  const keys = (list) => list.map((key, at) => [at ? " " : null, h("kbd", {}, key)]);
  const rows = KEYS.map(([list, what]) => [h("dt", {}, keys(list)), h("dd", {}, what)]);
  openDialog("Keyboard", h("dl", { class: "pairs" }, rows), "narrow");
}

/** `g` and a letter go to a place; the other keys stand in the list above. */
export function listen({ places, theme, tabs, tab }) {
  let went = 0;
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const recently = event.timeStamp - went < 1500;
    went = 0;
    if (recently && places[event.key]) location.hash = places[event.key];
    else if (event.key === "g") went = event.timeStamp;
    else if (event.key === "t") theme();
    else if (event.key === "?") showShortcuts();
    else if (event.key === "/") document.querySelector("[data-first]")?.focus();
    else if (event.key === "[" || event.key === "]") step(tabs(), tab() + (event.key === "]" ? 1 : -1));
    else return;
    event.preventDefault();
  });
}

function step(tabs, next) {
  if (tabs[next]) location.hash = tabs[next];
}
