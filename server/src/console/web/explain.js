// How an answer came about: the tree of retrievers, what each did in every part, and where the time went.

import { h } from "./dom.js";
import { counted, micros, recall, whole } from "./format.js";
import { SERIES } from "./hits.js";

const NOTES = {
  floor: "the least effort gives more recall than was asked for",
  beyond_effort: "no effort is known to reach the recall, so all that matches was compared",
};

/** The time of an answer without the wait for a free core, in microseconds. */
export function workOf(explanation) {
  const queue = explanation?.stages?.find((stage) => stage.name === "queue");
  return Number(explanation?.total_us ?? 0) - Number(queue?.took_us ?? 0);
}

/** All of it. */
export function explained(reply) {
  const all = reply.explanation ?? {};
  const runs = all.retrievers ?? [];
  const total = Number(all.total_us ?? 0);
  const scanned = all.scanned_fields ?? [];
  return h(
    "section",
    { class: "panel", "aria-label": "Explain" },
    h("header", {}, h("h2", {}, `${micros(total)} in all`), h("span", { class: "push dim small" }, `state ${whole(reply.seq)}`)),
    stages(all.stages ?? [], total),
    scanned.length ? h("p", { class: "inside" }, h("span", { class: "badge warn" }, "scanned"), ` without an index: ${scanned.join(", ")}`) : null,
    runs.length ? h("ul", { class: "tree", "aria-label": "Retrievers" }, branch(all, 0, workOf(all))) : h("p", { class: "inside dim" }, "No retriever ran."),
  );
}

/** Where the time went, one stage after the other. */
function stages(list, total) {
  if (!list.length) return null;
  const all = Math.max(total, list.reduce((sum, one) => sum + Number(one.took_us ?? 0), 0), 1);
  const piece = (one, at) => {
    const span = h("span", { class: SERIES[at % SERIES.length], title: `${one.name} ${micros(one.took_us)}` });
    span.style.width = `${(100 * Number(one.took_us ?? 0)) / all}%`;
    return span;
  };
  const told = (one, at) => h("li", {}, h("i", { class: SERIES[at % SERIES.length], "aria-hidden": "true" }), `${one.name} ${micros(one.took_us)}`);
  return h("div", { class: "inside" }, h("div", { class: "stages", "aria-hidden": "true" }, list.map(piece)), h("ul", { class: "legend" }, list.map(told)));
}

/** The retriever at this place, with its parts and the retrievers that it ranks. */
function branch(all, place, total) {
  const runs = all.retrievers;
  const own = runs[place];
  const depth = Number(own.depth ?? 0);
  const below = [];
  for (let at = place + 1; at < runs.length && Number(runs[at].depth ?? 0) > depth; at += 1) {
    if (Number(runs[at].depth) === depth + 1) below.push(at);
  }
  const parts = (all.parts ?? []).filter((part) => Number(part.place ?? 0) === place);
  const name = own.retriever || own.kind;
  const kind = name.includes(own.kind) ? null : h("span", { class: "badge" }, own.kind);
  const found = `${whole(own.found)} of ${counted(own.matching ?? 0, "point")}`;
  const line = h("div", { class: "node" }, h("strong", {}, name), kind, h("span", {}, found), time(own.took_us, total));
  const inside = [...parts.map((one) => h("li", {}, part(one, total))), ...below.map((at) => branch(all, at, total))];
  return h("li", {}, line, inside.length ? h("ul", {}, inside) : null);
}

function time(us, total) {
  const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
  bar.firstChild.style.width = `${Math.min(100, (100 * Number(us ?? 0)) / Math.max(total, 1))}%`;
  return h("span", { class: "time" }, bar, micros(us));
}

function part(one, total) {
  const place = Number(one.segment ?? 0) ? `segment ${one.segment}` : "live rows";
  const work = [
    ["ef", one.ef],
    ["full distances", one.distances_full],
    ["coded distances", one.distances_coded],
    ["nodes", one.expanded],
    ["postings", one.postings],
  ].filter(([, count]) => Number(count ?? 0) > 0);
  const told = work.map(([what, count]) => (what === "ef" ? `ef ${count}` : `${whole(count)} ${what}`));
  return [
    h("div", { class: "node part" }, h("span", {}, place), h("span", { class: "badge accent" }, one.route), h("span", {}, `${whole(one.matching)} of ${counted(one.rows ?? 0, "row")}`), time(one.took_us, total)),
    h("div", { class: "small dim" }, told.join(" · "), facts(one)),
    weighed(one),
  ];
}

function facts(one) {
  const told = [];
  if (one.recall !== undefined) told.push(`recall ${recall(one.recall)} when the segment was built`);
  if (one.measured) told.push(`${counted(one.measured.queries ?? 0, "query", "queries")} like it came to ${recall(one.measured.recall)} (${recall(one.measured.low)} to ${recall(one.measured.high)})`);
  if (NOTES[one.note]) told.push(NOTES[one.note]);
  return told.map((text) => h("span", {}, ` · ${text}`));
}

/** The plans that were weighed, the chosen one first by its mark. */
function weighed(one) {
  const plans = one.considered ?? [];
  if (plans.length < 2) return null;
  const told = (plan) => h("span", { class: plan.route === one.route ? "chosen" : null }, `${plan.route} ${micros(plan.cost_us)}`, plan.route === one.route && " ✓");
  return h("div", { class: "small dim weighed" }, "estimated: ", plans.map((plan, at) => [at ? ", " : null, told(plan)]));
}
