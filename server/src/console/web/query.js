// The workbench: a query by meaning, by words, or by both.

import { call, showError } from "./api.js";
import { curl } from "./curl.js";
import { explained } from "./explain.js";
import { field, h, panel, put, segments, select } from "./dom.js";
import { filterLine, filterOf } from "./filter.js";
import { hits } from "./hits.js";
import { readId } from "./point.js";

const RECALLS = [["0", "Default"], ["0.9", "0.90"], ["0.95", "0.95"], ["0.99", "0.99"], ["exact", "Exact"]];
const FUSIONS = [["ranks", "By ranks (RRF)"], ["scores", "By scores (min–max)"], ["spread", "By scores (distribution)"]];

/** The page. */
export function query({ name, spec, query: given, signal }) {
  const dense = (spec.vectors ?? []).map((one) => one.name);
  const texts = (spec.texts ?? []).map((one) => one.name);
  if (!dense.length && !texts.length) return h("div", { class: "panel empty" }, "This collection has neither a dense vector field nor a text field to ask.");
  const like = given.get("like") ?? "";
  const start = !dense.length || (texts.length && !like) ? "words" : "meaning";
  const asked = workbench(name, { dense, texts, like, start });
  const answer = h("div", { class: "stack", "aria-live": "off" });
  const run = async (event) => {
    event?.preventDefault();
    await ask(asked, name, answer, signal);
  };
  asked.form.addEventListener("submit", run);
  asked.form.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && run(event));
  if (like) run();
  else put(answer, h("section", { class: "panel empty" }, h("h2", {}, "Ask something"), h("p", {}, "By words, by a vector, or like a point that is there. Every answer shows the plan that ran.")));
  return h("div", { class: "bench" }, h("section", { class: "panel" }, asked.form), answer);
}

async function ask(asked, name, answer, signal) {
  asked.filter.clear();
  put(asked.wrong);
  let request;
  try {
    request = { collection: name, ...asked.read(), payload: { all: true }, explain: true };
  } catch (err) {
    put(asked.wrong, err.message);
    return;
  }
  asked.button.disabled = true;
  try {
    const begun = performance.now();
    const reply = await call("Points/Query", request, { signal });
    put(answer, answered(name, request, reply, performance.now() - begun));
    // Where the page is narrow the answer stands below the form.
    if (answer.getBoundingClientRect().top > innerHeight * 0.6) answer.scrollIntoView();
  } catch (err) {
    if (!asked.filter.show(err)) showError(answer, err);
  }
  asked.button.disabled = false;
}

function answered(name, request, reply, tookMs) {
  const views = {
    hits: () => hits(name, reply, tookMs),
    explain: () => explained(reply),
    request: () => curl("Points/Query", request),
  };
  const place = h("div");
  const show = (view) => put(place, views[view]());
  const choice = segments("What is shown", [["hits", "Hits"], ["explain", "Explain"], ["request", "Request"]], "hits", show);
  show("hits");
  return h("div", { class: "stack" }, h("div", {}, choice), place);
}

/** The form; `read` makes the retrievers and all else of a request, or says what is missing. */
function workbench(name, { dense, texts, like, start }) {
  const meaning = meaningPart(dense, like);
  const words = wordsPart(texts);
  const fusion = select(FUSIONS, "ranks");
  const fusing = field("Fusion", fusion);
  let mode = start;
  const change = (chosen) => {
    mode = chosen;
    meaning.part.hidden = mode === "words";
    words.part.hidden = mode === "meaning";
    fusing.hidden = mode !== "both";
  };
  const modes = [dense.length && ["meaning", "Meaning"], texts.length && ["words", "Words"], dense.length && texts.length && ["both", "Both"]].filter(Boolean);
  const filter = filterLine(name);
  const limit = h("input", { type: "number", min: 1, max: 1000, value: 10 });
  const target = select(RECALLS, "0");
  const wrong = h("div", { class: "wrong", role: "alert" });
  const button = h("button", { class: "main" }, "Search");
  const form = h(
    "form",
    { class: "inside" },
    segments("Find by", modes, start, change),
    words.part,
    meaning.part,
    filter.part,
    h("div", { class: "row" }, field("Hits", limit), field("Recall", target), fusing),
    wrong,
    h("div", { class: "row" }, button, h("span", { class: "dim small" }, h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Enter"))),
  );
  change(start);
  const read = () => {
    const params = target.value === "exact" ? { exact: true } : { recall: Number(target.value) };
    const retrievers = [mode !== "words" && { name: "meaning", dense: { ...meaning.read(), params } }, mode !== "meaning" && { name: "words", text: words.read() }].filter(Boolean);
    const scale = fusion.value === "scores" ? "SCALE_MIN_MAX" : "SCALE_DISTRIBUTION";
    const scores = mode === "both" && fusion.value !== "ranks" ? { scores: { scale } } : undefined;
    return { retrievers, filter: filterOf(filter.text), limit: Number(limit.value), fusion: scores };
  };
  return { form, read, filter, wrong, button };
}

function meaningPart(fields, like) {
  const chosen = select(fields, fields[0]);
  const point = h("input", { class: "mono", value: like, placeholder: "7 or a UUID", spellcheck: "false", autocomplete: "off" });
  const vector = h("textarea", { class: "mono", rows: 3, placeholder: "[0.12, -0.4, …]", spellcheck: "false" });
  const parts = { point: field("Like the point with the id", point), vector: field("Vector, as JSON", vector) };
  let by = "point";
  const change = (kind) => {
    by = kind;
    for (const [name, part] of Object.entries(parts)) part.hidden = name !== kind;
  };
  const choice = segments("The vector is", [["point", "A point’s"], ["vector", "Pasted"]], by, change);
  const part = h("fieldset", {}, h("legend", { class: "unseen" }, "Meaning"), h("div", { class: "row" }, fields.length > 1 && field("Vector field", chosen), h("div", {}, choice)), parts.point, parts.vector);
  change(by);
  const read = () => (by === "point" ? { field: chosen.value, point: readId(point.value) } : { field: chosen.value, vector: { values: readVector(vector.value) } });
  return { part, read };
}

/** Numbers in brackets or not, between commas or blanks. */
function readVector(text) {
  const numbers = text.replace(/[[\],;]/g, " ").trim().split(/\s+/).filter(Boolean).map(Number);
  if (!numbers.length) throw new Error("The vector has no numbers yet.");
  const wrong = numbers.findIndex((number) => !Number.isFinite(number));
  if (wrong >= 0) throw new Error(`Number ${wrong + 1} of the vector cannot be read.`);
  return numbers;
}

function wordsPart(fields) {
  const chosen = select(fields, fields[0]);
  const text = h("input", { placeholder: "constitutional amendment", autocomplete: "off", "data-first": true });
  const syntax = h("input", { type: "checkbox" });
  const signs = h("label", { class: "check small" }, syntax, h("span", {}, "Read ", h("code", {}, "+must -not \"a phrase\" begin*")));
  const part = h("fieldset", {}, h("legend", { class: "unseen" }, "Words"), fields.length > 1 && field("Text field", chosen), field("Words", text), signs);
  const read = () => {
    if (!text.value.trim()) throw new Error("There are no words yet.");
    return { field: chosen.value, query: text.value, syntax: syntax.checked, highlight: {} };
  };
  return { part, read };
}
