// Axes: linear, logarithmic, and by error. Accuracies near 100% are a hair's breadth apart on a
// linear axis; the logarithm of their errors, 2% and 0.5%, tells them apart.

const ERROR_TICKS = [0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];
const TRANSFORMS = {
  linear: { to: (v) => v, from: (v) => v },
  log: { to: (v) => Math.log10(v), from: (v) => 10 ** v },
  error: { to: (v) => -Math.log10(Math.max(1 - v, 1e-6)), from: (v) => 1 - 10 ** -v },
};

function axisScale(kind, [low, high], [start, end]) {
  const { to, from } = TRANSFORMS[kind];
  const [a, b] = [to(low), to(high)];
  const unit = (end - start) / (b - a || 1);
  return {
    kind,
    domain: [low, high],
    at: (value) => start + (to(value) - a) * unit,
    invert: (pixel) => from(a + (pixel - start) / unit),
    holds: (value) => Number.isFinite(to(value)),
  };
}

/** The domain that shows all values, with a margin; null if there are none that the axis can show. */
function domainOf(kind, values, percent = false) {
  const { to, from } = TRANSFORMS[kind];
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    const there = to(value);
    if (!Number.isFinite(there)) continue;
    if (there < low) low = there;
    if (there > high) high = there;
  }
  if (low > high) return null;
  const margin = 0.04 * (high - low) || 0.04 * Math.abs(high) || 0.5;
  let [bottom, top] = [low - margin, high + margin];
  if (percent && kind === "linear") [bottom, top] = [Math.max(bottom, -0.01), Math.min(top, 1.01)];
  return [from(bottom), from(top)];
}

/** The scale that shows most of the values: errors of good accuracies, logarithms of wide ranges. */
function fittingScale(percent, values) {
  let [low, high, isNegative] = [Infinity, -Infinity, false];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    isNegative ||= value < 0;
    if (value < low && (percent || value > 0)) low = value;
    if (value > high) high = value;
  }
  if (percent) return high > 0.9 && (1 - low) / Math.max(1 - high, 1e-6) > 3 ? "error" : "linear";
  return !isNegative && high / low > 10 ? "log" : "linear";
}

function linearTicks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) || 10 * power;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

function logTicks(low, high, count) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const within = (digits, every) => {
    const ticks = [];
    for (let power = first; power <= last; power += every) {
      for (const digit of digits) ticks.push(Number((digit * 10 ** power).toPrecision(6)));
    }
    return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  };
  for (const digits of [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]]) {
    const ticks = within(digits, 1);
    if (ticks.length <= Math.max(3, count)) {
      return ticks.length > 1 ? ticks : linearTicks(low, high, Math.min(4, count)).filter((t) => t > 0);
    }
  }
  return within([1], Math.ceil((last - first) / Math.max(2, count)));
}

function ticksOf(scale, count) {
  const [low, high] = scale.domain;
  if (scale.kind === "log") return logTicks(low, high, count);
  if (scale.kind === "error") {
    const ticks = ERROR_TICKS.filter((tick) => tick >= low && tick <= high);
    return ticks.length > 2 ? ticks : linearTicks(low, high, count);
  }
  return linearTicks(low, high, count);
}

function tickText(value, percent) {
  if (!percent) return formatNumber(value);
  return String(Number((100 * value).toPrecision(5)));
}

/** Thin a line to about two samples per pixel: the lowest and the highest of each column stay. */
function decimated(xs, ys, width) {
  const columns = Math.max(50, Math.round(width));
  if (xs.length <= 2 * columns) return xs.map((_, i) => i);
  const kept = [0];
  const size = xs.length / columns;
  for (let column = 0; column < columns; column++) {
    const [from, to] = [Math.floor(column * size), Math.floor((column + 1) * size)];
    let [lowest, highest] = [from, from];
    for (let i = from; i < to; i++) {
      if (ys[i] < ys[lowest]) lowest = i;
      if (ys[i] > ys[highest]) highest = i;
    }
    kept.push(Math.min(lowest, highest), Math.max(lowest, highest));
  }
  kept.push(xs.length - 1);
  return [...new Set(kept)];
}
