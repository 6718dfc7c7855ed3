// Points, page by page, under a filter.

import { call, showError } from "./api.js";
import { h, panel, put } from "./dom.js";
import { Exact } from "./exact.js";
import { facets } from "./facets.js";
import { filterLine, filterOf } from "./filter.js";
import { short, whole } from "./format.js";
import { openPoint, payloadOf, readId, showId, TITLES } from "./point.js";

const PAGE_SIZES = [25, 50, 100];
/** So many payload keys have a column of their own. */
const COLUMNS_MAX = 5;

/** The page. */
export function points({ name, query, signal }) {
  const filter = filterLine(name, query.get("filter") ?? "", true);
  const list = h("div", { class: "stack" });
  const size = h("select", { "aria-label": "Points a page" }, PAGE_SIZES.map((one) => h("option", { value: one }, `${one} a page`)));
  // Where the pages begin that were turned over to come here.
  let pages = [null];
  const load = async () => {
    filter.clear();
    list.setAttribute("aria-busy", "true");
    const asked = { collection: name, filter: filterOf(filter.text) };
    try {
      const page = { ...asked, from: pages.at(-1) ?? undefined, limit: Number(size.value), payload: { all: true } };
      const [reply, count] = await Promise.all([call("Points/Scroll", page, { signal }), call("Points/Count", asked, { signal })]);
      const turn = (next) => {
        pages = next ? [...pages, next] : pages.slice(0, -1);
        load().then(() => list.querySelector("h2")?.scrollIntoView({ block: "nearest" }));
      };
      const first = pages.length === 1;
      if (first) values.update((reply.points ?? []).map(payloadOf));
      put(list, shown(name, reply, count, (pages.length - 1) * Number(size.value), first, turn));
    } catch (err) {
      if (!filter.show(err)) showError(list, err);
    }
    list.removeAttribute("aria-busy");
  };
  const again = (event) => {
    event?.preventDefault();
    pages = [null];
    load();
  };
  const narrow = (condition) => {
    // What stands there is kept together where it has an OR.
    const old = /\bor\b/i.test(filter.text) ? `(${filter.text})` : filter.text;
    filter.input.value = old ? `${old} AND ${condition}` : condition;
    again();
  };
  const values = facets({ collection: name, text: () => filter.text, choose: narrow, signal });
  size.addEventListener("change", again);
  const byId = h("input", { class: "mono", placeholder: "7 or a UUID", spellcheck: "false", autocomplete: "off", "aria-label": "Id" });
  const open = (event) => {
    event.preventDefault();
    try {
      byId.setCustomValidity("");
      openPoint(name, readId(byId.value));
    } catch (err) {
      byId.setCustomValidity(err.message);
      byId.reportValidity();
    }
  };
  byId.addEventListener("input", () => byId.setCustomValidity(""));
  load();
  return h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "row spread" },
      h("form", { class: "row grow", onsubmit: again }, filter.part, h("div", { class: "field fixed" }, h("span", { class: "label unseen" }, "Page"), size), h("button", { class: "main" }, "Filter")),
      h("form", { class: "row byid", onsubmit: open }, h("div", { class: "field" }, h("span", { class: "label" }, "Open by id"), byId), h("button", {}, "Open")),
    ),
    values.part,
    list,
  );
}

function shown(name, reply, count, before, first, turn) {
  const rows = reply.points ?? [];
  const total = Number(count.count ?? 0);
  if (!rows.length) return h("section", { class: "panel empty" }, h("h2", {}, total ? "No more points" : "No point matches"), h("p", {}, "Nothing is left out: the filter was asked of every point."));
  const range = `${whole(before + 1)}–${whole(before + rows.length)} of ${whole(total)}`;
  const back = h("button", { type: "button", disabled: first, onclick: () => turn(null) }, "Previous");
  const next = h("button", { type: "button", disabled: !reply.next, onclick: () => turn(reply.next) }, "Next");
  const pager = h("span", { class: "row tight" }, h("span", { class: "dim" }, `by id, state ${whole(reply.seq)}`), back, next);
  return panel(range, listed(name, rows.map((point) => ({ point, payload: payloadOf(point) }))), pager);
}

function listed(name, rows) {
  const keys = columnsOf(rows.map((row) => row.payload));
  const open = (point) => h("button", { type: "button", class: "link mono", onclick: () => openPoint(name, point.id) }, showId(point.id));
  const row = ({ point, payload }) => {
    const rest = Object.fromEntries(Object.entries(payload).filter(([key]) => !keys.includes(key)));
    const others = Object.keys(rest).length ? short(JSON.stringify(rest), 400) : "";
    return h("tr", { class: "live" }, h("th", { scope: "row" }, open(point)), keys.map((key) => cell(payload[key])), h("td", { class: "clip dim" }, others));
  };
  const head = ["Id", ...keys, "Other payload"].map((title) => h("th", { scope: "col" }, title));
  const body = h("tbody", {}, rows.map(row));
  const attributes = { class: "scroll points", tabindex: 0, role: "group", "aria-label": "Points" };
  return h("div", attributes, h("table", {}, h("caption", { class: "unseen" }, "Points"), h("thead", {}, h("tr", {}, head)), body));
}

function cell(value) {
  if (value === undefined) return h("td", { class: "dim" }, "–");
  if (typeof value === "number" || value instanceof Exact) return h("td", { class: "number" }, String(value));
  return h("td", { class: "words" }, short(typeof value === "string" ? value : JSON.stringify(value), 90));
}

/** The keys that most points have and that say something short; long texts come last. */
function columnsOf(payloads) {
  const seen = new Map();
  for (const payload of payloads) {
    for (const [key, value] of Object.entries(payload)) {
      const length = value === null || (typeof value === "object" && !(value instanceof Exact)) ? 200 : String(value).length;
      const old = seen.get(key) ?? { count: 0, length: 0, at: seen.size };
      seen.set(key, { ...old, count: old.count + 1, length: old.length + length });
    }
  }
  const told = [...seen].map(([key, { count, length, at }]) => ({ key, count, mean: length / count, at }));
  const useful = told.filter((one) => one.count * 2 >= payloads.length && one.mean <= (TITLES.includes(one.key) ? 200 : 60));
  const place = (key) => (TITLES.includes(key) ? TITLES.indexOf(key) : TITLES.length);
  useful.sort((a, b) => place(a.key) - place(b.key) || a.at - b.at);
  return useful.slice(0, COLUMNS_MAX).map((one) => one.key);
}
