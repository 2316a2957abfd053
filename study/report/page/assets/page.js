// Put the page together.

function switchTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const name = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    button.textContent = isDark() ? "Light" : "Dark";
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  prefersDark.addEventListener("change", name);
  name();
}

/** A figure whose numbers were computed by the study's analysis, in one or several variants. */
function declaredFigure(host, run, figure) {
  const parts = frame(host, { id: `${figure.id}-${run.index + 1}`, title: figure.title, note: figure.note });
  const state = { variant: 0, scale: "auto" };
  const number = (value) => (value === null ? NaN : value);
  const spec = () => {
    const { x, y, panels } = figure.variants[state.variant];
    const all = panels.flatMap(({ series }) => series);
    const names = [...new Set(all.filter((s) => !s.plain).map((s) => s.name))];
    const look = (s) => {
      const i = names.indexOf(s.name);
      if (s.plain) return { color: "var(--ink-soft)", marker: null, dash: "" };
      return { color: paint(i, names.length), marker: MARKERS[i % MARKERS.length], dash: s.mode === "points" ? "" : DASHES[i % DASHES.length] };
    };
    const values = all.flatMap((s) => s.y).filter((v) => v !== null);
    const log = y.percent ? "error" : "log";
    const automatic = y.kind || fittingScale(y.percent, values);
    const kind = state.scale === "auto" ? automatic : state.scale === "log" ? log : "linear";
    const unique = [...new Map(all.map((s) => [s.name, s])).values()];
    return {
      x: { ...x, kind: x.kind || "linear" },
      y: { ...y, kind },
      panels: panels.map(({ title, series }) => ({
        title,
        series: series.map((s) => ({
          ...s, ...look(s), x: s.x.map(number), y: s.y.map(number), low: s.low && s.low.map(number), high: s.high && s.high.map(number),
        })),
      })),
      legend: unique.length > 1 ? unique.map((s) => entry(s.name, { ...look(s), line: s.mode !== "points" })) : [],
      notes: [figure.note],
      source: `Measured: ${run.provenance}.`,
      summary: figure.note,
    };
  };
  const plot = new Plot(parts, spec);
  const change = (name, read) => (value) => {
    state[name] = read(value);
    plot.setZoom(null);
  };
  const variants = figure.variants.map(({ label }, i) => [String(i), label]);
  parts.controls.prepend(
    ...(variants.length > 1 ? [select("show", variants, "0", change("variant", Number))] : []),
    select("scale", [["auto", "automatic"], ["linear", "linear"], ["log", "logarithmic"]], "auto", change("scale", String)),
  );
}

/** Reload the page of a run that is training, and keep what the reader had selected. */
function keepLive(board, runs) {
  const progress = document.getElementById("progress");
  if (!progress) return;
  const pause = document.getElementById("pause");
  // By name: the rank of a point, which is its index, changes while the run trains.
  const saved = new Set(JSON.parse(sessionStorage.getItem(location.pathname) || "[]"));
  for (const run of runs) {
    for (let point = 0; point < run.size; point++) {
      if (saved.has(run.nameOf(point))) selection.toggle(run, point, true);
    }
  }
  const save = () => {
    const names = runs.flatMap((run) => selection.of(run).map((point) => run.nameOf(point)));
    sessionStorage.setItem(location.pathname, JSON.stringify(names));
  };
  selection.listeners.push(save);
  setInterval(() => {
    if (!pause.checked && !(board && board.contains(document.activeElement))) location.reload();
  }, 1000 * Number(progress.dataset.seconds));
}

async function start() {
  document.body.append(tip);
  const runs = JSON.parse(document.getElementById("data").textContent).map((run, i) => new Run(run, i));
  switchTheme();
  filterClaims();
  await Promise.all(runs.map((run) => run.load()));
  const ranked = runs.filter((run) => run.columns.rank);
  const board = document.getElementById("board");
  if (board && ranked.length) new Leaderboard(board, ranked);
  for (const run of runs) {
    const host = document.getElementById(`figures-${run.index + 1}`);
    curveFigure(host, run);
    if (run.columns.rank) {
      finalFigure(host, run);
      heatFigure(host, run);
    }
    run.figures.forEach((figure) => declaredFigure(host, run, figure));
  }
  window.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
  window.addEventListener("scroll", hideTip, { passive: true });
  keepLive(board, runs);
  // Milliseconds until all charts have been painted.
  const painted = () => (document.documentElement.dataset.ready = Math.round(performance.now()));
  requestAnimationFrame(() => requestAnimationFrame(painted));
}

start();
