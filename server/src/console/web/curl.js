// The same request for a terminal.

import { key } from "./api.js";
import { copy, h } from "./dom.js";

/** A call as curl sends it. */
export function curl(method, request) {
  const origin = new URL("..", location.href).href;
  const body = JSON.stringify(request, null, 2);
  const secret = key.get() ? ' \\\n  -H "api-key: $NIGH_API_KEY"' : "";
  const text = `curl -sS '${origin}nigh.v1.${method}' \\\n  -H 'content-type: application/json'${secret} \\\n  -d '${flat(body).replaceAll("'", "'\\''")}'`;
  const shown = h("pre", { class: "code", tabindex: 0, "aria-label": "The request as a command" }, text);
  const button = h("button", { type: "button", onclick: () => copy(text, shown) }, "Copy");
  const head = h("header", {}, h("h2", {}, "The same with curl"), h("span", { class: "push" }, button));
  return h("section", { class: "panel" }, head, h("div", { class: "inside" }, shown));
}

/** Lists of numbers on one line. */
function flat(text) {
  return text.replace(/\[\s*(-?[\d.e+-]+(?:,\s*-?[\d.e+-]+)*)\s*\]/g, (_, numbers) => `[${numbers.replace(/\s+/g, " ")}]`);
}
