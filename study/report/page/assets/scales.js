// Axes: linear, logarithmic, and by error. Accuracies near 100% are a hair's breadth apart on a
// linear axis; the logarithm of their errors, 2% and 0.5%, tells them apart.

const ERROR_TICKS = [0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];
const ROUNDING = 1e-6; // smaller errors come from float32: the accuracy is 100%
const LABEL_GAP = 0.2; // the least distance between the tick at 100% and the next, in powers of ten
const REACH = 0.5;

/**
 * The places of values on an axis. An error of 0 has no logarithm: from the smallest error of
 * `values` down to 0, the scale is linear, as in study/figures/scales.py.
 */
function transformOf(kind, values = []) {
  if (kind === "log") return { kind, to: (v) => Math.log10(v), from: (v) => 10 ** v };
  if (kind !== "error") return { kind, to: (v) => v, from: (v) => v };
  let smallest = 1;
  for (const value of values) {
    const error = 1 - value;
    if (error > ROUNDING && error < smallest) smallest = error;
  }
  const bend = -Math.log10(smallest);
  return {
    kind,
    to: (v) => (1 - v < smallest ? bend + (1 - (1 - v) / smallest) / Math.LN10 : -Math.log10(1 - v)),
    from: (place) => 1 - (place > bend ? smallest * (1 - (place - bend) * Math.LN10) : 10 ** -place),
  };
}

function axisScale(transform, [low, high], [start, end]) {
  const { to, from } = transform;
  const [a, b] = [to(low), to(high)];
  const unit = (end - start) / (b - a || 1);
  return {
    ...transform,
    domain: [low, high],
    at: (value) => start + (to(value) - a) * unit,
    invert: (pixel) => from(a + (pixel - start) / unit),
    holds: (value) => Number.isFinite(to(value)),
  };
}

/** The domain that shows all values, with a margin; null if there are none that the axis can show. */
function domainOf({ kind, to, from }, values, percent = false) {
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
  if (kind === "error") [bottom, top] = [Math.max(bottom, to(0)), Math.min(top, to(1))];
  return [from(bottom), from(top)];
}

/** A domain with as much of the `ends` of intervals or bands as lies within half its range from it. */
function widened(domain, transform, ends, percent) {
  const reached = domainOf(transform, ends, percent);
  if (!reached) return domain;
  const { to, from } = transform;
  const [low, high] = domain.map(to);
  const room = REACH * (high - low);
  return [
    from(Math.max(low - room, Math.min(low, to(reached[0])))),
    from(Math.min(high + room, Math.max(high, to(reached[1])))),
  ];
}

/**
 * The scale that shows most of the values: errors of good accuracies, logarithms of wide ranges. A
 * metric with a lowest and a highest value, and values of 0 or below, have a linear one, as in
 * study/figures/scales.py.
 */
function fittingScale(percent, values, isBounded = false) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (percent) return high > 0.9 && (1 - low) / Math.max(1 - high, 1e-6) > 3 ? "error" : "linear";
  return !isBounded && low > 0 && high / low > 10 ? "log" : "linear";
}

/** What to say below a figure whose axis has no place for some of the values. */
function unplacedNote(kind, values) {
  if (kind !== "log" || !values.some((value) => value !== null && value <= 0)) return "";
  return "A logarithmic axis has no place for 0 and below: such values are not drawn, and bands and intervals that reach there end at the frame.";
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
    let ticks = ERROR_TICKS.filter((tick) => tick >= low && tick <= high);
    if (high > 1 - ROUNDING) {
      const gap = Math.max(LABEL_GAP, 0.07 * (scale.to(1) - scale.to(low)));
      ticks = [...ticks.filter((tick) => scale.to(1) - scale.to(tick) > gap), 1];
    }
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
