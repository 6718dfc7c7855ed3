// Recall and time of a collection, measured here and now.

import { showError } from "./api.js";
import { field, h, panel, put, select, table } from "./dom.js";
import { filterLine, filterOf } from "./filter.js";
import { micros, recall, whole } from "./format.js";
import { plot } from "./plot.js";
import { drawn, sweep } from "./sweep.js";

/** The page. */
export function recalls({ name, spec, signal }) {
  const fields = (spec.vectors ?? []).map((one) => one.name);
  if (!fields.length) return h("div", { class: "panel empty" }, "This collection has no dense vector field.");
  const chosen = select(fields, fields[0]);
  const count = select([["20", "20"], ["50", "50"], ["100", "100"], ["200", "200"]], "50");
  const k = h("input", { type: "number", min: 1, max: 100, value: 10 });
  const filter = filterLine(name, "", true);
  const button = h("button", { class: "main" }, "Measure");
  const stop = h("button", { type: "button", hidden: true }, "Stop");
  const outcome = h("div", { class: "stack" }, idle());
  const run = async (event) => {
    event.preventDefault();
    filter.clear();
    const own = new AbortController();
    signal.addEventListener("abort", () => own.abort());
    stop.onclick = () => own.abort();
    [button.disabled, stop.hidden] = [true, false];
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Measuring" });
    const told = h("span", { class: "dim small" });
    put(outcome, h("section", { class: "panel" }, h("div", { class: "inside stack tight" }, bar, told)));
    const progress = (done, all) => {
      [bar.max, bar.value] = [all, done];
      told.textContent = `${whole(done)} of ${whole(all)} queries`;
    };
    const asked = { collection: name, field: chosen.value, k: Number(k.value), filter: filterOf(filter.text), signal: own.signal, progress };
    try {
      const ids = await drawn(name, asked.field, Number(count.value), asked.filter, own.signal);
      if (ids.length) show(outcome, await sweep({ ...asked, ids }), ids.length, asked);
      else put(outcome, h("div", { class: "note warn" }, "No point that matches has a vector of this field."));
    } catch (err) {
      if (err.name === "AbortError") put(outcome, idle());
      else if (!filter.show(err)) showError(outcome, err);
    }
    [button.disabled, stop.hidden] = [false, true];
  };
  const form = h(
    "form",
    { class: "inside", onsubmit: run },
    h("div", { class: "row" }, filter.part, fields.length > 1 && field("Vector field", chosen), field("Questions", count), field("Hits", k), button, stop),
  );
  return h("div", { class: "stack" }, h("section", { class: "panel" }, form), outcome);
}

function idle() {
  return h("div", { class: "panel empty" }, h("h2", {}, "How good are the answers?"), h("p", {}, "Points drawn by chance are asked for their neighbours: exactly, at several efforts, and for several recalls. Stored points are easier questions than new ones: take the curve as its upper edge."));
}

function show(place, outcomes, questions, { k }) {
  const of = (kind) => outcomes.filter((one) => one.kind === kind);
  const point = (one, label) => ({ x: one.recall, y: one.p50, name: label, label: `${label}: recall ${recall(one.recall)}, median ${micros(one.p50)}` });
  const series = [
    { name: "By effort", colour: "one", points: of("effort").map((one) => point(one, `ef ${one.setting}`)) },
    { name: "By recall", colour: "two", points: of("target").map((one) => point(one, `for ${one.setting}`)) },
    { name: "Exact", colour: "eight", points: of("exact").map((one) => point(one, "exact")) },
  ];
  const canvas = h("div", { class: "inside" });
  const draw = () => put(canvas, plot(series, Math.max(280, canvas.clientWidth - 32), 360));
  const key = series.map((one) => h("li", {}, h("i", { class: one.colour, "aria-hidden": "true" }), one.name));
  put(place, panel(`Recall@${k} and median time of ${whole(questions)} questions`, canvas, h("ul", { class: "legend" }, key)), panel("Numbers", numbers(outcomes)));
  new ResizeObserver(draw).observe(canvas);
}

function numbers(outcomes) {
  const names = { exact: "exact", effort: "ef", target: "recall ≥" };
  const columns = [["Setting"], ["Recall", "number"], ["Median", "number"], ["p95", "number"], ["Route"]];
  const row = (one) => [one.kind === "exact" ? "exact" : `${names[one.kind]} ${one.setting}`, recall(one.recall), micros(one.p50), micros(one.p95), one.routes.join(" + ")];
  return table("Outcomes", columns, outcomes.map(row));
}
