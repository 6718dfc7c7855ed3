// A new collection: a name and its fields.

import { call } from "./api.js";
import { field, h, put, say, select } from "./dom.js";

const METRICS = ["cosine", "dot", "euclid", "manhattan"];
const ANALYZERS = ["standard", "english", "german", "french", "spanish", "italian", "portuguese", "dutch", "russian", "chinese", "japanese"];

/** The page. */
export function create() {
  const name = h("input", { autocomplete: "off", spellcheck: "false", required: true, placeholder: "passages", "data-first": true });
  const vectors = group("Vector", vectorRow);
  const texts = group("Text", textRow);
  vectors.add();
  const wrong = h("div", { class: "wrong", role: "alert" });
  const make = h("button", { class: "main" }, "Create");
  const send = async (event) => {
    event.preventDefault();
    make.disabled = true;
    put(wrong);
    try {
      const spec = { vectors: vectors.read(), texts: texts.read() };
      await call("Collections/Create", { collection: name.value.trim(), spec });
      say(`“${name.value.trim()}” is there`);
      location.hash = `#/c/${encodeURIComponent(name.value.trim())}/import`;
    } catch (err) {
      put(wrong, err.message);
    }
    make.disabled = false;
  };
  const form = h(
    "form",
    { class: "inside", onsubmit: send },
    field("Name", name, "Letters, digits, “.”, “_” and “-”."),
    vectors.part,
    texts.part,
    h("p", { class: "dim small" }, "Payload fields need no declaration: scalars are indexed as they come. Sparse fields, several vectors a point, and the settings of an index are made through the API or with “nigh import --create”."),
    wrong,
    h("div", { class: "row" }, make, h("a", { class: "button", href: "#/" }, "Cancel")),
  );
  const trail = [h("a", { class: "trail", href: "#/" }, "Collections"), h("span", { class: "trail" }, " / ")];
  return h("div", { class: "page-narrow" }, h("div", { class: "head" }, h("h1", {}, trail, "New collection")), h("section", { class: "panel" }, form));
}

/** Fields of one kind: rows that come and go. */
function group(kind, make) {
  const rows = h("div", { class: "stack tight" });
  const add = () => {
    const row = make();
    const remove = h("button", { type: "button", class: "quiet", onclick: () => row.part.remove() }, "Remove");
    row.part.append(remove);
    row.part.read = row.read;
    rows.append(row.part);
    return row;
  };
  const more = h("button", { type: "button", onclick: () => add().part.querySelector("input").focus() }, `Add a ${kind.toLowerCase()} field`);
  const part = h("fieldset", {}, h("legend", {}, `${kind} fields`), rows, h("div", {}, more));
  return { part, add, read: () => [...rows.children].map((row) => row.read()) };
}

function vectorRow() {
  const name = h("input", { value: "embedding", required: true, spellcheck: "false" });
  const size = h("input", { type: "number", min: 1, max: 65536, value: 384, required: true });
  const metric = select(METRICS, "cosine");
  const kind = select([["hnsw", "HNSW graph"], ["ivf", "IVF lists"]], "hnsw");
  const part = h("div", { class: "row" }, field("Name", name), field("Numbers", size), field("Metric", metric), field("Index", kind));
  const read = () => ({ name: name.value.trim(), size: Number(size.value), metric: `METRIC_${metric.value.toUpperCase()}`, [kind.value]: {} });
  return { part, read };
}

function textRow() {
  const name = h("input", { value: "text", required: true, spellcheck: "false" });
  const paths = h("input", { placeholder: "title, text", spellcheck: "false" });
  const analyzer = h("input", { value: "standard", list: "analyzers", spellcheck: "false" });
  const known = h("datalist", { id: "analyzers" }, ANALYZERS.map((one) => h("option", { value: one })));
  const part = h("div", { class: "row" }, field("Name", name), field("Payload paths", paths), field("Analyzer", analyzer), known);
  const list = () => paths.value.split(",").map((path) => path.trim()).filter(Boolean);
  return { part, read: () => ({ name: name.value.trim(), analyzer: analyzer.value.trim(), paths: list() }) };
}
