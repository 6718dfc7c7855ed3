// What a collection holds: its fields, and what they are called here.

import { h, table } from "./dom.js";
import { whole } from "./format.js";

/** "cosine" out of "METRIC_COSINE". */
export function metricOf(field) {
  return (field.metric ?? "").replace("METRIC_", "").toLowerCase();
}

function indexOf(field) {
  if (field.ivf) {
    const parts = [field.ivf.lists && `${whole(field.ivf.lists)} lists`, field.ivf.code || "pq4", field.ivf.rerank && `rerank ${field.ivf.rerank}`];
    return `IVF: ${parts.filter(Boolean).join(", ")}`;
  }
  const parts = [field.hnsw?.m && `m ${field.hnsw.m}`, field.hnsw?.ef_construct && `ef_construct ${field.hnsw.ef_construct}`].filter(Boolean);
  return `HNSW${parts.length ? `: ${parts.join(", ")}` : ""}`;
}

/** All fields as a table. */
export function schemaOf(spec) {
  const dense = (spec.vectors ?? []).map((field) => [field.name, "dense", `${whole(field.size)} numbers, ${metricOf(field)}`, indexOf(field)]);
  const sparse = (spec.sparse ?? []).map((field) => [field.name, "sparse", field.idf ? "dot, with rarity" : "dot", "inverted lists"]);
  const multi = (spec.multi ?? []).map((field) => [field.name, "several", `${whole(field.size)} numbers each, ${metricOf(field)}`, "compared exactly"]);
  const texts = (spec.texts ?? []).map((field) => {
    const paths = field.paths?.length ? field.paths : [field.name];
    const weights = [field.k1 !== undefined && `k1 ${field.k1}`, field.b !== undefined && `b ${field.b}`].filter(Boolean);
    return [field.name, "text", `${field.analyzer || "standard"} over ${paths.join(", ")}`, ["BM25", ...weights].join(", ")];
  });
  const rows = [...dense, ...sparse, ...multi, ...texts];
  const payload = spec.no_auto_index ? "Payload fields are not indexed." : "Scalar payload fields are indexed by themselves.";
  const fields = rows.length ? table("Fields", [["Name"], ["Kind"], ["Holds"], ["Index"]], rows) : h("p", { class: "inside dim" }, "None: points are payloads alone.");
  return h("div", {}, fields, h("p", { class: "inside dim small" }, payload));
}
