// The values of a payload field and how many points have each: what a filter can ask for.

import { call, showError } from "./api.js";
import { field, h, put, select } from "./dom.js";
import { filterOf } from "./filter.js";
import { counted, short, whole } from "./format.js";

/** So many values are shown, the most frequent first. */
const VALUES = 12;
/** A path that needs no ticks. */
const PLAIN = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;

/** A list of values, asked for when it is opened. `text()` is the filter of the page, `choose(condition)` narrows it. */
export function facets({ collection, text, choose, signal }) {
  const chosen = select([], "", { "aria-label": "Field" });
  const list = h("div");
  const summary = h("summary", {}, "Values of a field");
  const look = async () => {
    if (!part.open || !chosen.value) return;
    try {
      const asked = { collection, path: chosen.value, filter: filterOf(text()), limit: VALUES };
      put(list, listed(chosen.value, await call("Points/Facet", asked, { signal }), choose));
    } catch (err) {
      // A mistake in the filter is told where it is typed.
      if (err.violations?.length) put(list);
      else showError(list, err);
    }
  };
  chosen.addEventListener("change", look);
  const part = h("details", { class: "panel facets", ontoggle: look }, summary, h("div", { class: "inside stack tight" }, field("Field", chosen), list));
  /** The page shows these payloads now. */
  const update = (payloads) => {
    const keys = [...new Set(payloads.flatMap((payload) => Object.keys(payload)))];
    const told = (key) => payloads.some(({ [key]: value }) => ["string", "boolean"].includes(typeof value) || Number.isInteger(value) || Array.isArray(value));
    const long = (key) => payloads.some(({ [key]: value }) => typeof value === "string" && value.length > 80);
    const useful = keys.filter((key) => told(key) && !long(key));
    const old = chosen.value;
    if (useful.length) put(chosen, useful.map((key) => h("option", { value: key }, key)));
    chosen.value = useful.includes(old) ? old : (useful.find((key) => ["kind", "type", "category", "source"].includes(key)) ?? useful[0] ?? "");
    look();
  };
  return { part, update };
}

function listed(path, reply, choose) {
  const values = reply.values ?? [];
  if (!values.length) return h("p", { class: "dim small" }, "No point that matches has a value that can be counted.");
  const most = Number(values[0].count);
  const row = ({ value, count }) => {
    const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
    bar.firstChild.style.width = "100%";
    bar.style.width = `${Math.max(2, (100 * Number(count)) / most)}%`;
    const [shown, condition] = [shownAs(value), conditionOf(path, value)];
    return h("li", {}, h("button", { type: "button", class: "link", title: condition, onclick: () => choose(condition) }, short(shown, 40)), bar, h("span", { class: "number dim" }, whole(count)));
  };
  const scanned = reply.scanned_fields?.length ? " It has no index and was scanned." : "";
  return [h("ul", {}, values.map(row)), h("p", { class: "dim small" }, `${counted(reply.distinct ?? 0, "value")}; press one to narrow the filter.${scanned}`)];
}

function shownAs(value) {
  return String(value.keyword ?? value.integer ?? value.bool ?? value.float ?? "");
}

/** `kind = 'news'`, as a filter has it. */
function conditionOf(path, value) {
  const name = PLAIN.test(path) ? path : `\`${path}\``;
  const literal = value.keyword === undefined ? shownAs(value).toUpperCase() : `'${value.keyword.replaceAll("'", "''")}'`;
  return `${name} = ${literal}`;
}
