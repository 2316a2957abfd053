// Learning curves: a line per point, colored by one setting, in panels by another.

const MOST_LINES = 48;
const MOST_PANELS = 9;
const MOST_COLORED = 24;
const MOST_LETTERS = 18; // of a line's label
const SPLITS = ["train", "validation", "test"];
const SPLIT_NAMES = { train: "training", validation: "validation", test: "test" };

/** The quantities with curves: single columns, and several splits of the data together. */
function quantitiesOf(run) {
  const skipped = ["step", "epoch", "train_seconds"];
  const isCurve = (name) =>
    run.trials.point.some((_, trial) => {
      let count = 0;
      const first = run.starts[trial];
      for (let i = first; i < first + run.records.counts[trial] && count < 2; i++) {
        if (Number.isFinite(run.recorded[name][i])) count++;
      }
      return count > 1;
    });
  const names = Object.keys(run.recorded).filter((name) => !skipped.includes(name) && isCurve(name));
  const options = names.map((name) => ({ key: name, label: run.labelOf(name), columns: [name] }));
  for (const kind of ["loss", "accuracy"]) {
    const columns = SPLITS.map((split) => `${split}_${kind}`).filter((name) => names.includes(name));
    if (columns.length > 1) {
      const splits = columns.map((name) => SPLIT_NAMES[name.split("_")[0]]);
      options.push({ key: `all_${kind}`, label: `${kind}: ${splits.join(" and ")}`, columns });
    }
  }
  return options;
}

/** Choose which points to draw: all if they are few; else the selected, the best, and a few of each rank. */
function chosenPoints(run) {
  const all = Array.from({ length: run.size }, (_, point) => point).filter((point) => run.trialsOf[point].length);
  if (all.length <= MOST_LINES) return { points: all, total: all.length };
  const best = all.slice(0, MOST_LINES / 2);
  const spread = Array.from({ length: MOST_LINES / 2 }, (_, i) => all[Math.floor(((i + 1) * (all.length - 1)) / (MOST_LINES / 2))]);
  const points = [...new Set([...selection.of(run), ...best, ...spread])];
  return { points: points.filter((point) => run.trialsOf[point].length), total: all.length };
}

function curveFigure(host, run) {
  const quantities = quantitiesOf(run);
  if (!quantities.length) return null;
  const id = `curves-${run.index + 1}`;
  const parts = frame(host, { id, title: "Learning curves", note: "" });
  const bySize = [...run.varied].sort((a, b) => run.valuesOf(b.name).length - run.valuesOf(a.name).length);
  const names = bySize.map(({ name }) => name);
  const count = (name) => run.valuesOf(name).length;
  const preferred = ["lr", "workers", "optimizer"]
    .filter((name) => names.includes(name) && count(name) <= MOST_COLORED)
    .sort((a, b) => count(b) - count(a))[0];
  const color = preferred || names[0] || "";
  // No two trials share a sampled number: each panel would have one line.
  const choices = run.varied.filter((setting) => !setting.isSampled).map(({ name }) => name);
  const panel = ["optimizer", "width", "batch_size", ...names].find(
    (name) => choices.includes(name) && name !== color && run.valuesOf(name).length <= MOST_PANELS,
  ) || "";
  const start = quantities.find(({ key }) => key === run.objective) || quantities.find(({ key }) => key.endsWith("loss")) || quantities[0];
  const state = { quantity: start.key, color, panel: run.size > 200 ? "" : panel, x: "epoch", scale: "auto" };
  if (!run.recorded.epoch) state.x = "step";

  const spec = () => {
    const quantity = quantities.find(({ key }) => key === state.quantity);
    const percent = isPercent(quantity.columns[0]);
    const { points, total } = chosenPoints(run);
    const chosen = new Set(selection.of(run));
    const isOrdered = state.color && run.valuesOf(state.color).every((value) => typeof value !== "string");
    const colors = state.color ? run.valuesOf(state.color) : [null];
    const third = run.varied.find(({ name, isSampled }) => !isSampled && ![state.color, state.panel].includes(name) && run.valuesOf(name).length <= MARKERS.length);
    const thirds = third ? run.valuesOf(third.name) : [];
    const facets = state.panel ? run.valuesOf(state.panel) : [null];
    const panels = facets.map((value) => ({
      title: state.panel ? (typeof value === "string" ? value : `${run.labelOf(state.panel)} ${run.settingText(state.panel, value)}`) : "",
      series: [],
    }));
    for (const point of points) {
      const target = state.panel ? panels[facets.indexOf(run.columns[state.panel][point])] : panels[0];
      const value = state.color ? colors.indexOf(run.columns[state.color][point]) : 0;
      quantity.columns.forEach((column, part) => {
        const curve = run.curve(point, column, state.x);
        if (!curve.x.length) return;
        const split = quantity.columns.length > 1 ? `, ${SPLIT_NAMES[column.split("_")[0]]}` : "";
        target.series.push({
          ...curve,
          name: run.nameOf(point) + split,
          point,
          color: paint(value, colors.length, isOrdered),
          dash: quantity.columns.length > 1 || isOrdered ? DASHES[part] : dashOf(value),
          marker: third ? MARKERS[thirds.indexOf(run.columns[third.name][point])] : curve.x.length === 1 ? "circle" : null,
          faint: chosen.size > 0 && !chosen.has(point),
          strong: chosen.has(point),
          ended: curve.diverged > 0 && part === 0,
        });
      });
    }
    panels.forEach(({ series }) => series.sort((a, b) => Number(a.strong) - Number(b.strong)));
    const labeled = panels.map(({ series }) => series.filter((s) => !s.faint)).filter((named) => named.length && named.length <= MOST_LABELS);
    const without = state.panel ? [state.panel] : [];
    const isLabeledByColor = labelLines(run, quantity.columns.length === 1 && total <= MOST_LINES ? labeled : [], without, state.color);
    const shown = panels.filter(({ series }) => series.length);
    const values = shown.flatMap(({ series }) => series.flatMap((s) => s.y));
    const isBounded = quantity.columns.some((column) => run.isBounded(column));
    const kind = state.scale === "auto" ? fittingScale(percent, values, isBounded) : state.scale === "log" ? (percent ? "error" : "log") : "linear";
    const isNamed = shown.every(({ series }) => series.every((s) => s.faint || s.label));
    const legend = isLabeledByColor && isNamed ? [html("li", { class: "legend-title" }, `labels at the lines: ${run.labelOf(state.color)}`)] : [];
    if (state.color && !isNamed) {
      legend.push(html("li", { class: "legend-title" }, run.labelOf(state.color)));
      if (isOrdered && colors.length > COLORS) legend.push(rampEntry(...[colors[0], colors.at(-1)].map((value) => run.settingText(state.color, value))));
      else colors.forEach((value, i) => legend.push(entry(run.settingText(state.color, value), { color: paint(i, colors.length), dash: isOrdered ? "" : dashOf(i) })));
    }
    if (third && thirds.length > 1 && (!isNamed || isLabeledByColor)) {
      legend.push(html("li", { class: "legend-title" }, third.label));
      thirds.forEach((value, i) => legend.push(entry(run.settingText(third.name, value), { color: "var(--ink-soft)", marker: MARKERS[i], line: false })));
    }
    if (quantity.columns.length > 1) {
      quantity.columns.forEach((column, i) => legend.push(entry(SPLIT_NAMES[column.split("_")[0]], { color: "var(--ink-soft)", dash: DASHES[i] })));
    }
    if (values.length && shown.some(({ series }) => series.some((s) => s.ended))) {
      legend.push(entry("diverged seeds", { color: "var(--ink-soft)", marker: "cross", line: false }));
    }
    const seeds = Math.max(1, ...shown.flatMap(({ series }) => series.map((s) => s.seeds)));
    const drawn = points.length < total
      ? `${points.length} of ${total.toLocaleString("en-US")} points are drawn: the best, some of every rank, and those you select in the leaderboard.` : "";
    const bands = seeds > 1 ? "Lines are means over seeds; bands reach from the lowest to the highest seed." : "";
    const xLabel = { epoch: "epoch", step: "step", train_seconds: "training seconds" }[state.x];
    return {
      x: { label: xLabel, kind: "linear" },
      y: { label: quantity.label, kind, percent },
      panels: shown.length ? shown : [{ title: "", series: [] }],
      legend,
      notes: [drawn, bands],
      source: `Measured: ${run.provenance}.`,
      summary: `${points.length} lines of ${quantity.label} by ${xLabel}.`,
    };
  };
  const plot = new Plot(parts, spec, { run });
  const change = (name, resets = false) => (value) => {
    state[name] = value;
    if (resets) plot.zoomed = null;
    plot.draw();
  };
  const settings = run.varied.map(({ name, label }) => [name, label]);
  const few = settings.filter(([name]) => run.valuesOf(name).length <= MOST_PANELS);
  const times = [["epoch", "epoch"], ["step", "step"], ["train_seconds", "training seconds"]];
  parts.controls.prepend(
    select("show", quantities.map(({ key, label }) => [key, label]), state.quantity, change("quantity", true)),
    ...(settings.length ? [select("color", [["", "none"], ...settings], state.color, change("color"))] : []),
    ...(few.length ? [select("panels", [["", "one"], ...few], state.panel, change("panel"))] : []),
    select("along", times.filter(([name]) => run.recorded[name]), state.x, change("x", true)),
    select("scale", [["auto", "automatic"], ["linear", "linear"], ["log", "logarithmic"]], state.scale, change("scale", true)),
  );
  selection.listeners.push(() => plot.draw());
  return plot;
}

/**
 * Label the lines of panels, where no two would have the same label: all by their settings, or, if
 * one name is too long, all by the setting that gives the color. Return whether it is the latter.
 */
function labelLines(run, panels, without, colorName) {
  const names = panels.map((named) => named.map((s) => run.nameOf(s.point, without)));
  const areShort = names.flat().every((name) => name.length <= MOST_LETTERS);
  const textOf = (s, name) => {
    if (areShort) return name;
    return colorName ? run.settingText(colorName, run.columns[colorName][s.point]) : `${name.slice(0, MOST_LETTERS - 1)}…`;
  };
  panels.forEach((named, panel) => {
    const labels = named.map((s, i) => textOf(s, names[panel][i]));
    if (new Set(labels).size === labels.length) named.forEach((s, i) => (s.label = labels[i]));
  });
  return !areShort && Boolean(colorName);
}
