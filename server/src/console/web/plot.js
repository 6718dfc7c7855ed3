// A plot of recall against time: lines with points that can be reached and read.

import { svg } from "./dom.js";
import { micros } from "./format.js";

const MARGIN = { left: 64, right: 24, top: 16, bottom: 44 };

/**
 * Draws series of `{name, colour, points: [{x, y, label}]}`: x is a recall, y a time in microseconds, on a scale of
 * tenfolds. `width` is in the units of the page, so that letters keep their size.
 */
export function plot(series, width, height) {
  const all = series.flatMap((one) => one.points);
  const low = Math.min(0.95, Math.floor(Math.min(...all.map((point) => point.x)) * 20) / 20);
  const [least, most] = around(all.map((point) => point.y));
  const x = (value) => MARGIN.left + ((value - low) / (1 - low || 1)) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => height - MARGIN.bottom - (Math.log(value / least) / Math.log(most / least)) * (height - MARGIN.top - MARGIN.bottom);
  const told = series.map((one) => `${one.name}: ${one.points.map((point) => point.label).join("; ")}`).join(". ");
  return svg(
    "svg",
    { class: "plot", viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": `Recall and time. ${told}` },
    acrossLines(low, x, width, height),
    upLines(least, most, y, width),
    series.map((one) => drawn(one, x, y, width)),
  );
}

/** Ends of the scale of times: a little below and above. */
function around(times) {
  const known = times.filter((time) => time > 0);
  return [Math.min(...known) / 1.5, Math.max(...known) * 1.5];
}

function acrossLines(low, x, width, height) {
  const step = 1 - low > 0.3 ? 0.1 : 1 - low > 0.12 ? 0.05 : 0.01;
  const marks = [];
  for (let at = 1; at >= low - 1e-9; at -= step) marks.push(at);
  const bottom = height - MARGIN.bottom;
  return svg(
    "g",
    { "aria-hidden": "true" },
    marks.map((value) => [
      svg("line", { class: "grid", x1: x(value), x2: x(value), y1: MARGIN.top, y2: bottom }),
      svg("text", { x: x(value), y: bottom + 18, "text-anchor": "middle" }, value.toFixed(2)),
    ]),
    svg("text", { class: "axis", x: (MARGIN.left + width - MARGIN.right) / 2, y: height - 6, "text-anchor": "middle" }, "recall, against exact answers"),
  );
}

function upLines(least, most, y, width) {
  const marks = [];
  // A short scale has more marks between its tenfolds.
  const parts = most / least < 8 ? [1, 1.5, 2, 3, 4, 5, 7] : [1, 2, 5];
  for (let ten = 10 ** Math.floor(Math.log10(least)); ten <= most; ten *= 10) {
    marks.push(...parts.map((part) => part * ten).filter((value) => value >= least && value <= most));
  }
  return svg(
    "g",
    { "aria-hidden": "true" },
    marks.map((value) => [
      svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, micros(value)),
    ]),
  );
}

function drawn({ name, colour, points }, x, y, width) {
  const line = points.map((point, at) => `${at ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`).join("");
  const mark = (point) => {
    const label = svg("title", {}, `${name}: ${point.label}`);
    return svg("circle", { cx: x(point.x), cy: y(point.y), r: 5, tabindex: 0, role: "img", "aria-label": `${name}: ${point.label}` }, label);
  };
  // Points come close to each other on the right: the first one alone is named, the others say it when they are reached.
  const names = points.slice(0, 1).map((point) => {
    const end = x(point.x) > width - 150;
    return svg("text", { class: "name", x: x(point.x) + (end ? -9 : 9), y: y(point.y) - 8, "text-anchor": end ? "end" : "start", "aria-hidden": "true" }, point.name);
  });
  return svg("g", { class: `series ${colour}` }, points.length > 1 && svg("path", { d: line }), points.map(mark), names);
}
