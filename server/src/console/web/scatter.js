// Points on a plane: drawn on a canvas, reached by mouse and by arrow keys.

import { h } from "./dom.js";

const MARGIN = 18;
const RADIUS = 3.2;
/** The pointer is at a point within this many pixels. */
const NEAR = 14;

/**
 * `points` have `{x, y, series, title}`; `series` is the name of a colour. `open(at)` is called for the one that is chosen,
 * `tell(at)` for the one that is looked at (-1: none).
 */
export function scatter(points, { open, tell, signal }) {
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "map of points", "aria-label": `${points.length} points. The arrow keys go from one to the next, Enter opens it.` });
  const bounds = boundsOf(points);
  let places = [];
  let at = -1;
  const draw = () => {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    const scale = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * scale, height * scale];
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    places = points.map((point) => placed(point, bounds, width, height));
    paint(pen, points, places, at);
  };
  const look = (next) => {
    if (next === at) return;
    at = next;
    tell(at, places[at]);
    draw();
  };
  const under = (event) => nearest(places, event.offsetX, event.offsetY);
  canvas.addEventListener("pointermove", (event) => look(under(event)));
  canvas.addEventListener("pointerleave", () => document.activeElement !== canvas && look(-1));
  canvas.addEventListener("click", (event) => under(event) >= 0 && open(under(event)));
  canvas.addEventListener("blur", () => look(-1));
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    // A key may come before the first picture: it is made then, or there is no room yet and nothing to look at.
    if (way && !places.length) draw();
    if (way && !places.length) return;
    if (way) look(at < 0 ? middle(places, canvas) : onward(places, at, way));
    else if (event.key === "Enter" && at >= 0) open(at);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(canvas);
  addEventListener("nigh:theme", draw, { signal });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw, { signal });
  return canvas;
}

function boundsOf(points) {
  const [xs, ys] = [points.map((point) => point.x), points.map((point) => point.y)];
  const span = (values) => ({ low: Math.min(...values), wide: Math.max(...values) - Math.min(...values) || 1 });
  return { x: span(xs), y: span(ys) };
}

/** One scale for both axes: distances on the picture are distances on the plane. */
function placed(point, { x, y }, width, height) {
  const scale = Math.min((width - 2 * MARGIN) / x.wide, (height - 2 * MARGIN) / y.wide);
  return [(point.x - x.low - x.wide / 2) * scale + width / 2, height / 2 - (point.y - y.low - y.wide / 2) * scale];
}

function paint(pen, points, places, chosen) {
  const style = getComputedStyle(document.documentElement);
  const colours = new Map();
  const colour = (name) => colours.get(name) ?? colours.set(name, style.getPropertyValue(`--${name}`).trim()).get(name);
  pen.globalAlpha = 0.75;
  places.forEach(([x, y], at) => {
    pen.fillStyle = colour(points[at].series);
    pen.beginPath();
    pen.arc(x, y, RADIUS, 0, 2 * Math.PI);
    pen.fill();
  });
  if (chosen < 0) return;
  const [x, y] = places[chosen];
  pen.globalAlpha = 1;
  pen.strokeStyle = colour("text");
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(x, y, RADIUS + 4, 0, 2 * Math.PI);
  pen.stroke();
}

function nearest(places, x, y) {
  let [best, least] = [-1, NEAR * NEAR];
  places.forEach(([px, py], at) => {
    const away = (px - x) ** 2 + (py - y) ** 2;
    if (away < least) [best, least] = [at, away];
  });
  return best;
}

function middle(places, canvas) {
  let [best, least] = [0, Infinity];
  places.forEach(([x, y], at) => {
    const away = (x - canvas.clientWidth / 2) ** 2 + (y - canvas.clientHeight / 2) ** 2;
    if (away < least) [best, least] = [at, away];
  });
  return best;
}

/** The nearest point that way: what lies to the side counts as farther. */
function onward(places, from, [wx, wy]) {
  const [x, y] = places[from];
  let [best, least] = [from, Infinity];
  places.forEach(([px, py], at) => {
    const ahead = (px - x) * wx + (py - y) * wy;
    const aside = Math.abs((px - x) * wy) + Math.abs((py - y) * wx);
    const cost = ahead + 3 * aside;
    if (at !== from && ahead > 0.5 && cost < least) [best, least] = [at, cost];
  });
  return best;
}
