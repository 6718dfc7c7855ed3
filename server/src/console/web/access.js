// The key that goes with every request.

import { key } from "./api.js";
import { field, h, openDialog } from "./dom.js";

/** Asks for a key, once at a time. */
export function askForKey(why, changed) {
  if (document.getElementById("key-text")) return;
  const input = h("input", { id: "key-text", type: "password", autocomplete: "off", spellcheck: "false", value: key.get() });
  const done = (text) => {
    key.set(text.trim());
    dialog.close();
    changed();
  };
  const form = h(
    "form",
    { onsubmit: (event) => { event.preventDefault(); done(input.value); } },
    why && h("div", { class: "note warn", role: "alert" }, why),
    field("API key", input, "Sent as the header “api-key”. Kept by this tab alone, and forgotten when it is closed."),
    h(
      "div",
      { class: "row" },
      h("button", { class: "main" }, "Use this key"),
      key.get() && h("button", { type: "button", onclick: () => done("") }, "Forget it"),
    ),
  );
  const dialog = openDialog("Access", form, "narrow");
  input.focus();
}
