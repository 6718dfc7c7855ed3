// Before anything is drawn: dark or light, as was chosen, or as the system has it.
"use strict";
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("nigh.theme");
  } catch {
    // A browser that keeps nothing has the system's.
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
