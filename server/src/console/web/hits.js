// What a query found: every hit with its rank in every retriever.

import { h } from "./dom.js";
import { Exact } from "./exact.js";
import { micros, score, short, whole } from "./format.js";
import { openPoint, payloadOf, showId, summary } from "./point.js";

/** Colours of retrievers, in their order; the style sheet has them. */
export const SERIES = ["one", "two", "three", "four", "five", "six", "seven", "eight"];

/** The list, under a line that says what ran. */
export function hits(collection, reply, tookMs) {
  const list = reply.hits ?? [];
  if (!list.length) return h("section", { class: "panel empty" }, h("h2", {}, "Nothing was found"), h("p", {}, "The filter leaves no point, or none of the words is there."));
  const names = [...new Set(list.flatMap((hit) => (hit.placings ?? []).map((one) => one.retriever)))];
  const inside = micros(reply.explanation?.total_us ?? 0);
  const told = `${whole(list.length)} hits in ${inside} (${micros(tookMs * 1000)} with the way), state ${whole(reply.seq)}`;
  const plans = (reply.plans ?? []).map((plan) => `${plan.retriever}: ${(plan.routes ?? []).join(" + ")}${plan.ef ? `, ef ${plan.ef}` : ""}`);
  const line = h("p", { class: "inside small dim", role: "status" }, told, plans.length ? ` · ${plans.join(" · ")}` : "");
  const one = (hit, at) => item(collection, hit, at, names);
  return h("section", { class: "panel", "aria-label": "Hits" }, line, h("ol", { class: "hits" }, list.map(one)));
}

function item(collection, hit, at, names) {
  const payload = payloadOf(hit);
  const title = short(summary(payload), 110);
  const open = h("button", { type: "button", class: "link", onclick: () => openPoint(collection, hit.id) }, title);
  return h(
    "li",
    {},
    h("span", { class: "place", "aria-hidden": "true" }, at + 1),
    h("div", { class: "what" }, h("div", { class: "title" }, open, h("span", { class: "dim mono" }, showId(hit.id))), excerpt(hit, payload, title), facts(payload)),
    h("div", { class: "ranks" }, h("span", { class: "score" }, score(hit.score)), names.length > 1 && ranks(hit, names)),
  );
}

/** Its rank in every retriever, each in its own colour. */
function ranks(hit, names) {
  const badge = (name, at) => {
    const placing = (hit.placings ?? []).find((one) => one.retriever === name);
    const rank = placing?.rank ? `#${placing.rank}` : "–";
    const told = placing?.rank ? `${name}: rank ${placing.rank}, score ${score(placing.score)}` : `${name}: not found there`;
    return h("span", { class: `rank ${SERIES[at % SERIES.length]}`, title: told, "aria-label": told, role: "img" }, name, " ", h("b", {}, rank));
  };
  return h("span", { class: "placings" }, names.map(badge));
}

/** The pieces of text with the words that were found; else the longest string. */
function excerpt(hit, payload, title) {
  const pieces = hit.highlights ?? [];
  if (pieces.length) return h("div", { class: "excerpt" }, pieces.slice(0, 2).map((piece) => h("p", {}, marked(piece))));
  const strings = Object.values(payload).filter((value) => typeof value === "string");
  const longest = strings.sort((a, b) => b.length - a.length)[0] ?? "";
  return short(longest, 110) === title ? null : h("p", { class: "excerpt" }, short(longest, 240));
}

/** Words stand at places in bytes of the text's UTF-8. */
function marked(piece) {
  const all = new TextEncoder().encode(piece.text ?? "");
  const text = (from, to) => new TextDecoder().decode(all.subarray(from, to));
  const out = [];
  let at = 0;
  for (const { from = 0, to = 0 } of piece.words ?? []) {
    out.push(text(at, from), h("mark", {}, text(from, to)));
    at = to;
  }
  return [...out, text(at, all.length)];
}

/** Short values of the payload, for context. */
function facts(payload) {
  const told = Object.entries(payload).filter(([, value]) => ["number", "boolean"].includes(typeof value) || value instanceof Exact || (typeof value === "string" && value.length <= 24));
  return told.length ? h("div", { class: "facts dim" }, told.slice(0, 6).map(([name, value]) => h("span", {}, `${name}: ${value}`))) : null;
}
