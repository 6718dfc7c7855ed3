// Which page is shown, and what the frame around it does.

import { key } from "./api.js";
import { askForKey } from "./access.js";
import { collections } from "./collections.js";
import { collection, TABS } from "./collection.js";
import { create } from "./create.js";
import { h, put, say } from "./dom.js";
import { server } from "./server.js";
import { listen, showShortcuts } from "./shortcuts.js";

const place = document.getElementById("page");
/** Ends what the page that is shown does in the background. */
let leaving = new AbortController();

/** `#/c/NAME/TAB?like=7` in its parts. */
export function where() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const [kind = "", name = "", tab = "overview"] = path.split("/").filter(Boolean).map(plain);
  return { kind, name, tab, query: new URLSearchParams(query) };
}

/** A part of the address as it was before it became one; what is no such part is left as it is. */
function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function pageOf({ kind, name, tab, query }, signal) {
  if (kind === "") return ["Collections", collections(signal)];
  if (kind === "new") return ["New collection", create()];
  if (kind === "server") return ["Server", server(signal)];
  if (kind === "c" && name && TABS.some(([known]) => known === tab)) return [name, collection(name, tab, query, signal)];
  return ["Not found", h("div", { class: "empty" }, h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "#/" }, "All collections")))];
}

let shown = "";

function show() {
  leaving.abort();
  leaving = new AbortController();
  const at = where();
  const [title, content] = pageOf(at, leaving.signal);
  document.title = `${title} · nigh`;
  put(place, content);
  for (const link of document.querySelectorAll("[data-place]")) {
    const here = link.dataset.place === (at.kind === "server" ? "server" : "collections");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // A new page is read from its beginning; the first one is where the browser puts it.
  if (shown && shown !== location.hash) place.focus({ preventScroll: true });
  if (shown !== location.hash) scrollTo(0, 0);
  shown = location.hash || "#/";
}

const THEMES = { auto: "light", light: "dark", dark: "auto" };

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function labelTheme(button) {
  button.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[theme()];
  button.setAttribute("aria-label", `Colours: ${button.textContent}. Change`);
}

function nextTheme(button) {
  const next = THEMES[theme()];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  localStorage.setItem("nigh.theme", next);
  labelTheme(button);
  dispatchEvent(new Event("nigh:theme"));
}

function labelKey(button) {
  button.dataset.set = String(Boolean(key.get()));
  button.textContent = key.get() ? "Key set" : "Key";
}

function frame() {
  const [themes, keys, help] = ["theme", "key", "help"].map((id) => document.getElementById(id));
  labelTheme(themes);
  labelKey(keys);
  themes.addEventListener("click", () => nextTheme(themes));
  let wanted = false;
  const changed = () => {
    wanted = false;
    labelKey(keys);
    show();
  };
  keys.addEventListener("click", () => askForKey("", changed));
  help.addEventListener("click", showShortcuts);
  addEventListener("nigh:key-wanted", () => {
    // Once: pages look again every few seconds.
    if (!wanted) askForKey(key.get() ? "The server does not know this key." : "The server wants a key.", changed);
    wanted = true;
  });
  addEventListener("hashchange", show);
  listen({
    places: { c: "#/", s: "#/server" },
    theme: () => { nextTheme(themes); say(`Colours: ${themes.textContent.toLowerCase()}`); },
    tabs: () => (where().kind === "c" ? TABS.map(([tab]) => `#/c/${encodeURIComponent(where().name)}/${tab}`) : []),
    tab: () => TABS.findIndex(([tab]) => tab === where().tab),
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    // The hash says which page is shown: this link only moves the focus.
    event.preventDefault();
    place.focus();
  });
}

frame();
show();
