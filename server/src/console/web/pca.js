// The two directions in which vectors differ most.

/** Enough rounds: the plane that is found is then the same to a pixel. */
const ROUNDS = 60;

/**
 * Projects rows on their first two principal components, by orthogonal iteration.
 *
 * Gives `{places: [[x, y], ..], explained}`: the share of the variance that the plane holds.
 */
export function plane(rows) {
  const size = rows[0].length;
  const mean = new Float64Array(size);
  for (const row of rows) for (let at = 0; at < size; at += 1) mean[at] += row[at] / rows.length;
  const centred = rows.map((row) => Float64Array.from(row, (value, at) => value - mean[at]));
  const axes = [start(size, 1), start(size, 2)];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const axis of axes) turn(axis, centred);
    unit(axes[0]);
    const along = dot(axes[0], axes[1]);
    for (let at = 0; at < size; at += 1) axes[1][at] -= along * axes[0][at];
    unit(axes[1]);
  }
  const places = centred.map((row) => axes.map((axis) => dot(row, axis)));
  const all = centred.reduce((sum, row) => sum + dot(row, row), 0);
  const held = places.reduce((sum, [x, y]) => sum + x * x + y * y, 0);
  return { places, explained: all > 0 ? held / all : 1 };
}

/** Where the search begins: any direction will do, but the same one each time. */
function start(size, seed) {
  let state = seed * 2654435761;
  return Float64Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

/** The axis, multiplied by the covariance. */
function turn(axis, rows) {
  const next = new Float64Array(axis.length);
  for (const row of rows) {
    const along = dot(row, axis);
    for (let at = 0; at < next.length; at += 1) next[at] += along * row[at];
  }
  axis.set(next);
  unit(axis);
}

function dot(a, b) {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += a[at] * b[at];
  return sum;
}

function unit(axis) {
  const length = Math.sqrt(dot(axis, axis));
  if (length > 0) for (let at = 0; at < axis.length; at += 1) axis[at] /= length;
}
