// Final values: a row per point with its seeds and interval, and a heat map over two settings.

const MOST_FINAL = 30;
const ROW = 22;
const MOST_CELLS = 24;

/** The text, or as much of its beginning as fits into `width` pixels. */
function shortened(text, width) {
  if (textWidth(text) <= width) return text;
  let length = text.length;
  while (length > 1 && textWidth(`${text.slice(0, length)}…`) > width) length--;
  return `${text.slice(0, length)}…`;
}

function finalSummary(run, point) {
  const name = run.objective;
  const seeds = run.columns.seeds[point];
  const diverged = run.columns.diverged[point] ? `, ${run.columns.diverged[point]} diverged` : "";
  return [`${run.label} ${withInterval(run, name, point)}${isPercent(name) ? " %" : ""}`, `rank ${run.columns.rank[point]}, ${seeds} ${seeds === 1 ? "seed" : "seeds"}${diverged}`];
}

function finalFigure(host, run) {
  const title = `Final ${run.label}`;
  const parts = frame(host, { id: `final-${run.index + 1}`, title });
  const name = run.objective;
  const percent = isPercent(name);
  const ranked = () => {
    const points = Array.from({ length: run.size }, (_, point) => point).filter((p) => run.columns.rank[p] !== null);
    const chosen = selection.of(run).filter((point) => points.includes(point) && point >= MOST_FINAL);
    return [points, [...points.slice(0, MOST_FINAL), ...chosen]];
  };
  const state = { scale: "auto" };
  let width = 0;
  const draw = () => {
    if (!width) return;
    const [points, shown] = ranked();
    const group = run.varied.find(({ name: key }) => run.valuesOf(key).every((v) => typeof v === "string") && run.valuesOf(key).length <= MARKERS.length);
    const kinds = group ? run.valuesOf(group.name) : [null];
    const rows = shown.map((point) => ({
      point, mean: run.columns[name][point], low: run.columns[`${name}_low`][point], high: run.columns[`${name}_high`][point],
      seeds: run.finals(point, name), kind: group ? kinds.indexOf(run.columns[group.name][point]) : 0,
    }));
    const values = rows.flatMap((row) => [...row.seeds.map(({ value }) => value), row.mean]).filter((v) => v !== null);
    const kind = state.scale === "auto" ? fittingScale(percent, values, run.isBounded(name)) : state.scale === "log" ? (percent ? "error" : "log") : "linear";
    const without = run.varied.length > 5 ? run.varied.slice(5).map((s) => s.name) : [];
    const texts = rows.map(({ point }) => run.nameOf(point, without));
    const narrow = width < 560;
    const left = narrow ? 8 : Math.min(0.5 * width, 14 + 1.2 * Math.max(...texts.map(textWidth)));
    const height = rows.length * (narrow ? ROW + 14 : ROW) + 52;
    const rowHeight = narrow ? ROW + 14 : ROW;
    const transform = transformOf(kind, values);
    const ends = rows.flatMap(({ low, high }) => (low === null ? [] : [low, high]));
    const domain = widened(domainOf(transform, values, percent) || [0, 1], transform, ends, percent);
    const scale = axisScale(transform, domain, [left + 10, width - 14]);
    const chart = svg("svg", {
      viewBox: `0 0 ${width} ${height}`, class: "chart", tabindex: 0, role: "application", "aria-roledescription": "chart",
      "aria-label": `${title}: ${rows.length} points, best first. Arrow keys read the values, Enter selects a point.`,
    });
    const axes = svg("g", { class: "axes", "aria-hidden": "true" });
    const bottom = rows.length * rowHeight + 6;
    let free = -Infinity;
    for (const tick of ticksOf(scale, (width - left) / 80)) {
      const at = scale.at(tick);
      axes.append(svg("line", { x1: at, x2: at, y1: 4, y2: bottom }));
      if (at - 14 < free) continue;
      free = at + 20;
      const text = svg("text", { x: at, y: bottom + 15, "text-anchor": "middle" });
      text.textContent = tickText(tick, percent);
      axes.append(text);
    }
    const axisName = svg("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle", class: "axis-name" });
    axisName.textContent = run.label + (percent ? " (%)" : "") + ({ log: ", log", error: ", log of error", linear: "" })[kind];
    axes.append(axisName);
    chart.append(axes);
    const marks = rows.map((row, i) => {
      const y = i * rowHeight + (narrow ? 27 : 16);
      const g = svg("g", { class: `series${selection.has(run, row.point) ? " strong" : ""}`, style: `--color:${paint(row.kind, kinds.length)}` });
      const text = svg("text", { x: narrow ? 8 : left, y: narrow ? y - 11 : y + 4, "text-anchor": narrow ? "start" : "end", class: "row-label" });
      text.textContent = shortened(texts[i], (narrow ? width : left) - 12);
      g.append(text);
      if (row.seeds.length > 1) {
        for (const { value } of row.seeds) {
          if (scale.holds(value)) g.append(svg("circle", { class: "seed", cx: scale.at(value), cy: y, r: 2.6 }));
        }
      }
      const edge = (value) => Math.max(left + 4, Math.min(width - 6, scale.at(value)));
      if (row.low !== null) g.append(svg("path", { class: "interval", d: `M${edge(row.low)},${y}H${edge(row.high)}` }));
      const x = row.mean === null || !scale.holds(row.mean) ? left + 12 : scale.at(row.mean);
      g.append(svg("path", { class: "mark", d: markerPath(row.mean === null ? "cross" : MARKERS[row.kind], 4), transform: `translate(${x},${y})` }));
      chart.append(g);
      return { x, y, row: i, column: 0, point: row.point, lines: () => [run.nameOf(row.point), ...finalSummary(run, row.point)] };
    });
    inspect(chart, { marks: () => marks, pick: (point) => selection.toggle(run, point) });
    parts.panels.replaceChildren(chart);
    const legend = group ? kinds.map((value, i) => entry(run.settingText(group.name, value), { color: paint(i, kinds.length), marker: MARKERS[i], line: false })) : [];
    if (rows.some((row) => row.seeds.length > 1)) legend.push(entry("one seed", { color: "var(--ink-faint)", marker: "circle", line: false }));
    if (rows.some((row) => row.low !== null)) legend.push(entry("mean and 95% interval", { color: "var(--ink-soft)", marker: "circle" }));
    if (rows.some((row) => row.mean === null)) legend.push(entry("all seeds diverged", { color: "var(--ink-soft)", marker: "cross", line: false }));
    parts.legend.replaceChildren(...legend);
    const some = points.length > shown.length ? `The best ${MOST_FINAL} of ${points.length.toLocaleString("en-US")} points, and those you select.` : "";
    const isCut = ends.some((end) => scale.holds(end) && (scale.at(end) < left + 9.5 || scale.at(end) > width - 13.5));
    const cut = `Intervals need two seeds.${isCut ? " The frame cuts off those that reach far beyond all seeds." : ""}`;
    const notes = [some, cut, unplacedNote(kind, [...values, ...ends]), `Measured: ${run.provenance}.`];
    parts.caption.textContent = notes.filter(Boolean).join(" ");
  };
  parts.data = () => {
    const [points] = ranked();
    const columns = ["rank", ...run.varied.map(({ label }) => label), run.label, "low", "high", "seeds", "diverged"];
    const rows = points.map((point) => [
      run.columns.rank[point], ...run.varied.map((s) => run.settingText(s.name, run.columns[s.name][point])),
      ...["", "_low", "_high"].map((end) => run.columns[name + end][point]), run.columns.seeds[point], run.columns.diverged[point],
    ]);
    return { columns, rows };
  };
  parts.controls.append(select("scale", [["auto", "automatic"], ["linear", "linear"], ["log", "logarithmic"]], state.scale, (value) => {
    state.scale = value;
    draw();
  }));
  new ResizeObserver(() => {
    if (parts.panels.clientWidth === width) return;
    width = parts.panels.clientWidth;
    draw();
  }).observe(parts.panels);
  selection.listeners.push(draw);
}

/** The two settings with the largest grid of which at least a third was trained; none if no grid is. */
function densestPair(run, dimensions) {
  let [pair, largest] = [null, 0];
  for (const [i, one] of dimensions.entries()) {
    for (const other of dimensions.slice(i + 1)) {
      const cells = run.valuesOf(one.name).length * run.valuesOf(other.name).length;
      const ranked = run.columns.rank.map((rank, point) => (rank === null ? null : point)).filter((p) => p !== null);
      const found = new Set(ranked.map((p) => `${run.columns[one.name][p]}\n${run.columns[other.name][p]}`));
      if (found.size > largest && found.size >= cells / 3) [pair, largest] = [[one, other], found.size];
    }
  }
  return pair && pair.sort((a, b) => run.valuesOf(b.name).length - run.valuesOf(a.name).length);
}

function heatFigure(host, run) {
  // A search trains each sampled value once, and no two settings of it have a grid.
  if (run.settings.some(({ isSampled }) => isSampled)) return;
  const dimensions = run.varied.filter(({ name }) => name !== "dataset" && run.valuesOf(name).length <= MOST_CELLS);
  const pair = densestPair(run, dimensions);
  if (!pair) return;
  const name = run.objective;
  const percent = isPercent(name);
  const state = { columns: pair[0].name, rows: pair[1].name };
  const parts = frame(host, { id: `heat-${run.index + 1}`, title: `Final ${run.label} over two settings` });
  let width = 0;
  const grid = () => {
    const cells = new Map();
    for (let point = 0; point < run.size; point++) {
      if (run.columns.rank[point] === null) continue;
      const key = [run.columns[state.rows][point], run.columns[state.columns][point]].map(String).join("\n");
      if (!cells.has(key)) cells.set(key, point); // points come best first
    }
    return cells;
  };
  const draw = () => {
    if (!width) return;
    const [ys, xs] = [run.valuesOf(state.rows), run.valuesOf(state.columns)];
    const cells = grid();
    const found = [...cells.values()].map((point) => run.columns[name][point]).filter((v) => v !== null);
    const kind = fittingScale(percent, found, run.isBounded(name));
    const shade = axisScale(transformOf(kind, found), [Math.min(...found), Math.max(...found)], run.maximized ? [0, 1] : [1, 0]);
    const left = 28 + Math.max(...ys.map((v) => textWidth(run.settingText(state.rows, v))));
    const cell = Math.min(130, (width - left - 10) / xs.length);
    const cellHeight = Math.min(40, Math.max(22, cell));
    const height = ys.length * cellHeight + 50;
    const chart = svg("svg", {
      viewBox: `0 0 ${width} ${height}`, class: "chart", tabindex: 0, role: "application", "aria-roledescription": "heat map",
      "aria-label": `Final ${run.label} by ${run.labelOf(state.rows)} and ${run.labelOf(state.columns)}. Arrow keys read the cells.`,
    });
    const marks = [];
    ys.forEach((yValue, row) => xs.forEach((xValue, column) => {
      const point = cells.get([yValue, xValue].map(String).join("\n"));
      const [x, y] = [left + column * cell, 6 + (ys.length - 1 - row) * cellHeight];
      if (point === undefined) return;
      const value = run.columns[name][point];
      const share = value === null ? 0 : Math.max(0, Math.min(1, shade.at(value) || 0));
      const g = svg("g", { class: `cell${share > 0.55 ? " dark" : ""}${selection.has(run, point) ? " strong" : ""}${point === 0 ? " best" : ""}${value === null ? " none" : ""}` });
      g.append(svg("rect", { x: x + 1, y: y + 1, width: cell - 2, height: cellHeight - 2, rx: 2,
        style: value === null ? "" : `fill:color-mix(in oklab, var(--heat-high) ${Math.round(100 * share)}%, var(--heat-low))` }));
      if (cell > 44) {
        const text = svg("text", { x: x + cell / 2, y: y + cellHeight / 2 + 4, "text-anchor": "middle" });
        text.textContent = value === null ? "diverged" : percent ? (100 * value).toFixed(2) : formatNumber(value);
        g.append(text);
      }
      chart.append(g);
      marks.push({ x: x + cell / 2, y: y + cellHeight / 2, row: ys.length - 1 - row, column, point,
        lines: () => [run.nameOf(point), ...finalSummary(run, point)] });
    }));
    const axes = svg("g", { class: "axes", "aria-hidden": "true" });
    let free = -Infinity;
    xs.forEach((value, i) => {
      const label = svg("text", { x: left + (i + 0.5) * cell, y: height - 28, "text-anchor": "middle" });
      label.textContent = run.settingText(state.columns, value);
      const half = textWidth(label.textContent) / 2;
      if (left + (i + 0.5) * cell - half < free) return;
      free = left + (i + 0.5) * cell + half + 4;
      axes.append(label);
    });
    ys.forEach((value, i) => {
      const label = svg("text", { x: left - 6, y: 6 + (ys.length - 0.5 - i) * cellHeight + 4, "text-anchor": "end" });
      label.textContent = run.settingText(state.rows, value);
      axes.append(label);
    });
    const across = svg("text", { x: left + (xs.length * cell) / 2, y: height - 8, "text-anchor": "middle", class: "axis-name" });
    across.textContent = run.labelOf(state.columns);
    const up = svg("text", { transform: `translate(11,${6 + (ys.length * cellHeight) / 2}) rotate(-90)`, "text-anchor": "middle", class: "axis-name" });
    up.textContent = run.labelOf(state.rows);
    axes.append(across, up);
    chart.append(axes);
    inspect(chart, { marks: () => marks, pick: (point) => selection.toggle(run, point) });
    parts.panels.replaceChildren(chart);
    const others = run.varied.filter((s) => ![state.rows, state.columns].includes(s.name)).map((s) => s.label);
    const best = others.length ? `Each cell is the best point over ${others.join(", ")}. ` : "";
    parts.caption.textContent = `${best}Means over the seeds that did not diverge; the frame marks the best. Measured: ${run.provenance}.`;
  };
  parts.data = () => ({
    columns: [run.labelOf(state.rows), run.labelOf(state.columns), run.label, "rank"],
    rows: [...grid().values()].map((point) => [
      ...[state.rows, state.columns].map((key) => run.settingText(key, run.columns[key][point])),
      run.columns[name][point], run.columns.rank[point],
    ]),
  });
  const options = dimensions.map(({ name: key, label }) => [key, label]);
  const choose = (which, other) => (value) => {
    if (state[other] === value) state[other] = state[which];
    state[which] = value;
    parts.controls.querySelectorAll("select").forEach((control, i) => (control.value = state[i ? "columns" : "rows"]));
    draw();
    parts.refresh();
  };
  parts.controls.append(
    select("rows", options, state.rows, choose("rows", "columns")),
    select("columns", options, state.columns, choose("columns", "rows")),
  );
  new ResizeObserver(() => {
    if (parts.panels.clientWidth === width) return;
    width = parts.panels.clientWidth;
    draw();
  }).observe(parts.panels);
  selection.listeners.push(draw);
}
