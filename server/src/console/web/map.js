// A sample of a collection on a plane.

import { call, showError } from "./api.js";
import { field, h, panel, put, select } from "./dom.js";
import { filterLine, filterOf } from "./filter.js";
import { percent, short, whole } from "./format.js";
import { SERIES } from "./hits.js";
import { plane } from "./pca.js";
import { openPoint, payloadOf, showId, summary } from "./point.js";
import { scatter } from "./scatter.js";

/** So many values have a colour; the others share the last one. */
const VALUES_MAX = SERIES.length - 1;
const OTHERS = SERIES.at(-1);
/** What tells points apart best comes first. */
const KINDS = ["string", "boolean", "number"];

/** The page. */
export function map({ name, spec, signal }) {
  const fields = (spec.vectors ?? []).map((one) => one.name);
  if (!fields.length) return h("div", { class: "panel empty" }, "This collection has no dense vector field.");
  const chosen = select(fields, fields[0]);
  const count = select([["250", "250"], ["500", "500"], ["1000", "1,000"], ["2000", "2,000"]], "500");
  const colours = h("select", {}, h("option", { value: "" }, "nothing"));
  const filter = filterLine(name, "", true);
  const place = h("div", { class: "stack" }, h("p", { class: "dim" }, "Drawing…"));
  let sample = [];
  const draw = () => sample.length && put(place, drawn(name, sample, colours.value, signal));
  const load = async (event) => {
    event?.preventDefault();
    filter.clear();
    try {
      sample = await sampled(name, chosen.value, Number(count.value), filterOf(filter.text), signal);
      offer(colours, sample);
      if (sample.length) draw();
      else put(place, h("div", { class: "panel empty" }, "No point that matches has a vector of this field."));
    } catch (err) {
      if (!filter.show(err)) showError(place, err);
    }
  };
  colours.addEventListener("change", draw);
  for (const control of [chosen, count]) control.addEventListener("change", load);
  load();
  const form = h("form", { class: "inside", onsubmit: load }, h("div", { class: "row" }, filter.part, fields.length > 1 && field("Vector field", chosen), field("Points", count), field("Colours by", colours), h("button", { class: "main" }, "Draw")));
  return h("div", { class: "stack" }, h("section", { class: "panel" }, form), place);
}

/** Points drawn by chance, on the plane of their two principal components. */
async function sampled(collection, name, count, filter, signal) {
  const retrievers = [{ sample: { seed: "7" }, filter: { must: [{ has_vector: name }] } }];
  const asked = { collection, retrievers, filter, limit: count, payload: { all: true }, vectors: { include: { names: [name] } } };
  const reply = await call("Points/Query", asked, { signal });
  const hits = (reply.hits ?? []).filter((hit) => hit.vectors?.[name]);
  if (!hits.length) return [];
  const { places, explained } = plane(hits.map((hit) => hit.vectors[name].values));
  const points = hits.map((hit, at) => ({ id: hit.id, payload: payloadOf(hit), x: places[at][0], y: places[at][1] }));
  return Object.assign(points, { explained });
}

/** Payload keys that tell points apart: few values, and most points have one. */
function offer(colours, sample) {
  const old = colours.value;
  const values = new Map();
  for (const { payload } of sample) {
    for (const [key, value] of Object.entries(payload)) {
      if (value === null || typeof value === "object") continue;
      const seen = values.get(key) ?? values.set(key, { different: new Set(), count: 0, kind: typeof value }).get(key);
      seen.different.add(value);
      seen.count += 1;
    }
  }
  const useful = ([, seen]) => seen.count * 2 >= sample.length && seen.different.size > 1 && (seen.kind === "number" || seen.different.size <= 40);
  const keys = [...values].filter(useful).sort(([, a], [, b]) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || Math.abs(a.different.size - VALUES_MAX) - Math.abs(b.different.size - VALUES_MAX));
  put(colours, h("option", { value: "" }, "nothing"), keys.map(([key]) => h("option", { value: key }, key)));
  colours.value = keys.some(([key]) => key === old) ? old : (keys[0]?.[0] ?? "");
}

/** Each point's series, and what the series are called. */
function coloured(sample, key) {
  if (!key) return { of: () => SERIES[0], legend: [] };
  const values = sample.map((point) => point.payload[key]).filter((value) => value !== undefined && value !== null);
  if (values.every((value) => typeof value === "number") && new Set(values).size > VALUES_MAX) return byRange(sample, key, values);
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const named = [...counts].sort((a, b) => b[1] - a[1]).slice(0, VALUES_MAX).map(([value]) => value);
  const legend = named.map((value, at) => [SERIES[at], String(value)]);
  if (counts.size > named.length || values.length < sample.length) legend.push([OTHERS, "others"]);
  return { of: (point) => SERIES[named.indexOf(point.payload[key])] ?? OTHERS, legend };
}

/** Numbers in four ranges of as many points each. */
function byRange(sample, key, values) {
  const sorted = Float64Array.from(values).sort();
  const ends = [0.25, 0.5, 0.75].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
  const names = [`≤ ${ends[0]}`, `≤ ${ends[1]}`, `≤ ${ends[2]}`, `> ${ends[2]}`];
  const of = (point) => {
    const value = point.payload[key];
    if (typeof value !== "number") return OTHERS;
    const range = ends.findIndex((end) => value <= end);
    return SERIES[range < 0 ? 3 : range];
  };
  return { of, legend: names.map((name, at) => [SERIES[at], name]) };
}

function drawn(name, sample, key, signal) {
  const { of, legend } = coloured(sample, key);
  const points = sample.map((point) => ({ ...point, series: of(point), title: summary(point.payload) }));
  const tip = h("div", { class: "tip", role: "status" });
  const tell = (at, place) => {
    tip.hidden = at < 0;
    if (at < 0) return put(tip);
    const point = points[at];
    put(tip, h("strong", {}, short(point.title, 80)), h("div", { class: "dim" }, `${showId(point.id)}${key ? ` · ${key}: ${point.payload[key] ?? "–"}` : ""}`));
    const right = place[0] > canvas.clientWidth / 2;
    Object.assign(tip.style, { left: right ? "" : `${place[0] + 14}px`, right: right ? `${canvas.clientWidth - place[0] + 14}px` : "", top: `${Math.max(0, place[1] - 20)}px` });
    return tip;
  };
  const canvas = scatter(points, { open: (at) => openPoint(name, points[at].id), tell, signal });
  tip.hidden = true;
  const told = `${whole(points.length)} points drawn by chance`;
  const keys = h("ul", { class: "legend" }, legend.map(([colour, text]) => h("li", {}, h("i", { class: colour, "aria-hidden": "true" }), short(text, 28))));
  const why = h("p", { class: "inside small dim" }, `The plane holds ${percent(sample.explained, 1)} of the variance (principal components): points that are near here need not be near in full, and the other way round. The arrow keys go from point to point, Enter opens one.`);
  return panel(told, [h("div", { class: "map" }, canvas, tip), why], keys);
}
