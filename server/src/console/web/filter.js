// A filter as people write it, with its mistake shown where it stands.

import { call } from "./api.js";
import { fresh, h, put } from "./dom.js";

/** The part of a request; nothing where the text is empty. */
export function filterOf(text) {
  return text.trim() ? { must: [{ text }] } : undefined;
}

/** A line to type a filter in. `check` asks the server whether it can be read; `show` tells an error of any call. */
export function filterLine(collection, text = "", first = false) {
  const id = fresh("filter");
  const wrong = h("div", { class: "wrong", id: `${id}-wrong`, role: "alert" });
  const hint = "kind = 'news' AND year >= 2020";
  const input = h("input", { id, class: "mono", value: text, placeholder: hint, autocomplete: "off", spellcheck: "false", "aria-describedby": wrong.id, "data-first": first });
  const clear = () => {
    input.removeAttribute("aria-invalid");
    put(wrong);
  };
  input.addEventListener("input", clear);
  const show = (err) => {
    const violation = err.violations?.find((one) => one.field.endsWith("must[0].text"));
    if (!violation) return false;
    input.setAttribute("aria-invalid", "true");
    put(wrong, mistake(input.value, violation.description));
    return true;
  };
  const check = async () => {
    clear();
    if (!input.value.trim()) return true;
    try {
      await call("Points/Scroll", { collection, filter: filterOf(input.value), limit: 1, payload: { all: false } });
      return true;
    } catch (err) {
      return !show(err);
    }
  };
  const part = h("div", { class: "field grow" }, h("label", { for: id }, "Filter"), input, wrong);
  return { part, input, clear, show, check, get text() { return input.value.trim(); } };
}

/** The text with a sign below the column that the server names, and what it says. */
function mistake(text, told) {
  const at = /at column (\d+), (.*)$/s.exec(told);
  if (!at) return told;
  const column = Number(at[1]);
  // A long filter is shown around its mistake.
  const from = Math.max(0, column - 40);
  const letters = [...text].slice(from, from + 72).join("");
  return [h("pre", {}, `${letters}\n${" ".repeat(column - 1 - from)}▲`), `Column ${column}: ${at[2]}`];
}
