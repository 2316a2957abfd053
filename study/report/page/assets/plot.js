// Charts of lines and points in panels that share their axes and their zoom.

const MARKERS = ["circle", "square", "diamond", "triangle", "down", "plus", "cross"];
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
const COLORS = 7;
const MOST_LABELS = 6;
const HEIGHT = 270;

function markerPath(shape, r) {
  const paths = {
    circle: `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
    square: `M${-r},${-r}H${r}V${r}H${-r}Z`,
    diamond: `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0Z`,
    triangle: `M0,${-1.2 * r}L${1.2 * r},${r}L${-1.2 * r},${r}Z`,
    down: `M0,${1.2 * r}L${1.2 * r},${-r}L${-1.2 * r},${-r}Z`,
    plus: `M${-r},0H${r}M0,${-r}V${r}`,
    cross: `M${-r},${-r}L${r},${r}M${-r},${r}L${r},${-r}`,
  };
  return paths[shape];
}

/** The color of the value `index` of `count`: a palette, or a ramp if many values have an order. */
function paint(index, count, ordered = false) {
  if (count <= COLORS || !ordered) return `var(--c${index % COLORS})`;
  const share = (2 * index) / (count - 1);
  const [from, to] = share < 1 ? ["low", "middle"] : ["middle", "high"];
  const part = Math.round(100 * (share < 1 ? share : share - 1));
  return `color-mix(in oklab, var(--ramp-${to}) ${part}%, var(--ramp-${from}))`;
}

/** The dashes of a name, which tell apart two names of the same color. */
function dashOf(index) {
  return DASHES[Math.floor(index / COLORS) % DASHES.length];
}

const measuring = document.createElement("canvas").getContext("2d");

/** The width in pixels of a text in a chart. */
function textWidth(text) {
  measuring.font = `11.5px ${getComputedStyle(document.body).fontFamily}`;
  return measuring.measureText(text).width;
}

function swatch({ color, marker, dash, line = true }) {
  const icon = svg("svg", { class: "swatch", viewBox: "0 0 26 12", width: 26, height: 12, "aria-hidden": "true" });
  if (line) icon.append(svg("path", { d: "M1,6H25", class: "line", "stroke-dasharray": dash || "", style: `stroke:${color}` }));
  if (marker) {
    icon.append(svg("path", { d: markerPath(marker, 3.4), class: "mark", transform: "translate(13,6)",
      style: `fill:${color};stroke:${color}` }));
  }
  return icon;
}

function entry(text, look) {
  return html("li", {}, [swatch(look), text]);
}

/** The legend of many ordered values: the ramp of their colors between the first and the last. */
function rampEntry(first, last) {
  return html("li", {}, [first, html("span", { class: "ramp", "aria-hidden": "true" }), last]);
}

/** Where the end of a band or an interval lies: below the frame if the axis has no place for it. */
function endAt(scale, end, box, otherwise) {
  if (scale.holds(end)) return scale.at(end);
  return scale.kind === "log" && end <= 0 ? box.bottom + 20 : otherwise;
}

/**
 * A chart. `spec()` returns what to draw now:
 *   x, y: { label, kind (linear, log, error), percent, ticks: [[value, text]] };
 *   panels: [{ title, series, marks }]; legend: elements; summary: text for screen readers;
 *   notes: sentences to read below the title; source: where the numbers come from, after them.
 * A series has name, x, y, and maybe low, high, color, dash, marker, mode (line, points, step),
 * point (to select), faint (drawn behind, cannot be inspected), and texts for each sample.
 */
class Plot {
  constructor(parts, spec, { run = null } = {}) {
    Object.assign(this, { parts, spec, run });
    this.zoomed = null;
    const button = (text, name, action) =>
      html("button", { type: "button", class: "tool", "aria-label": name, title: name, onclick: action }, text);
    this.zoom = {
      by: (factor, mark) => this.zoomBy(factor, mark),
      reset: () => this.setZoom(null),
    };
    const title = parts.heading.textContent;
    parts.controls.append(
      html("span", { class: "tools" }, [
        button("+", `Zoom in: ${title}`, () => this.zoomBy(0.5)),
        button("−", `Zoom out: ${title}`, () => this.zoomBy(2)),
        button("⟲", `Show all: ${title}`, () => this.setZoom(null)),
      ]),
    );
    parts.data = () => this.data();
    new ResizeObserver(() => this.resized()).observe(parts.panels);
  }

  resized() {
    const width = this.parts.panels.clientWidth;
    if (width && width !== this.width) {
      this.width = width;
      this.draw();
    }
  }

  setZoom(zoomed) {
    this.zoomed = zoomed;
    this.draw();
  }

  zoomBy(factor, mark) {
    const { to, from } = this.transforms.x;
    const [low, high] = (this.zoomed ? this.zoomed.x : this.full.x).map(to);
    const center = mark ? to(mark.value) : (low + high) / 2;
    const [least, most] = this.full.x.map(to);
    const range = [Math.max(least, center - (center - low) * factor), Math.min(most, center + (high - center) * factor)];
    const isAll = range[0] <= least && range[1] >= most;
    this.setZoom(isAll || range[1] <= range[0] ? null : { x: range.map(from) });
  }

  data() {
    const { panels, x, y } = this.drawn;
    const all = panels.flatMap((panel) => panel.series.map((s) => [panel, s]));
    const hasRange = all.some(([, s]) => s.low);
    const columns = ["panel", "series", x.label, y.label, ...(hasRange ? ["low", "high"] : [])];
    const rows = all.flatMap(([panel, s]) =>
      Array.from(s.x, (value, i) => [
        panel.title || "", s.name, value, s.y[i], ...(hasRange ? [s.low ? s.low[i] : null, s.high ? s.high[i] : null] : []),
      ]),
    );
    return { columns, rows };
  }

  /** The vertical range of all series inside the horizontal one, with as much of their bands as has room. */
  rangeOfY(panels, y, [left, right]) {
    const [values, ends] = [[], []];
    for (const { series } of panels) {
      for (const s of series) {
        for (let i = 0; i < s.x.length; i++) {
          if (s.x[i] < left || s.x[i] > right) continue;
          values.push(s.y[i]);
          if (s.low) ends.push(s.low[i], s.high[i]);
        }
      }
    }
    const domain = domainOf(this.transforms.y, values, y.percent);
    if (!domain) return [0.1, 1];
    const wide = widened(domain, this.transforms.y, ends, y.percent);
    return y.zero && y.kind === "linear" ? [Math.min(0, wide[0]), wide[1]] : wide;
  }

  draw() {
    if (!this.width) return;
    const drawn = (this.drawn = this.spec());
    const { x, y, panels } = drawn;
    const [xs, ys] = ["x", "y"].map((which) => panels.flatMap(({ series }) => series.flatMap((s) => Array.from(s[which]))));
    this.transforms = { x: transformOf(x.kind, xs), y: transformOf(y.kind, ys) };
    this.full = { x: x.domain || domainOf(this.transforms.x, xs) || [0, 1] };
    this.axes = { x, y };
    const xRange = this.zoomed ? this.zoomed.x : this.full.x;
    const count = panels.length;
    const most = Math.max(1, Math.min(count, Math.floor((this.width + 16) / 340)));
    const columns = Math.ceil(count / Math.ceil(count / most));
    const width = Math.floor((this.width - 16 * (columns - 1)) / columns);
    this.parts.panels.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const yRange = this.zoomed && this.zoomed.y ? this.zoomed.y : this.rangeOfY(panels, y, xRange);
    const labels = panels.flatMap(({ series }) => series.map((s) => s.label || ""));
    const longest = Math.max(0, ...labels.map(textWidth));
    this.right = longest ? Math.min(0.34 * width, 16 + longest) : 10;
    const yTicks = ticksOf(axisScale(this.transforms.y, yRange, [0, 1]), 5).map((tick) => tickText(tick, y.percent));
    this.left = 30 + Math.max(20, ...yTicks.map(textWidth));
    this.parts.panels.style.setProperty("--left", `${this.left}px`);
    this.parts.panels.replaceChildren(
      ...panels.map((panel) => this.panel(panel, width, xRange, yRange)),
    );
    this.parts.legend.replaceChildren(...(drawn.legend || []));
    const ends = panels.flatMap(({ series }) => series.flatMap((s) => (s.low ? [...s.low, ...s.high] : [])));
    const frame = axisScale(this.transforms.y, yRange, [0, 1]);
    const isCut = !this.zoomed && ends.some((end) => frame.holds(end) && (frame.at(end) < -1e-3 || frame.at(end) > 1.001));
    const cut = isCut ? "The frame cuts off bands and intervals that reach far beyond all lines and marks." : "";
    const notes = [...drawn.notes, cut, unplacedNote(y.kind, [...ys, ...ends]), drawn.source];
    this.parts.caption.textContent = notes.filter(Boolean).join(" ");
    this.parts.figure.classList.toggle("zoomed", Boolean(this.zoomed));
    this.parts.refresh();
  }

  panel(panel, width, xRange, yRange) {
    const { x, y } = this.axes;
    const box = { left: this.left, right: width - this.right, top: 10, bottom: HEIGHT - 40 };
    const xScale = axisScale(this.transforms.x, xRange, [box.left, box.right]);
    const yScale = axisScale(this.transforms.y, yRange, [box.bottom, box.top]);
    const chart = svg("svg", {
      viewBox: `0 0 ${width} ${HEIGHT}`, class: "chart", tabindex: 0, role: "application",
      "aria-roledescription": "chart",
      "aria-label": `${this.parts.heading.textContent}${panel.title ? `, ${panel.title}` : ""}. ${
        this.drawn.summary || ""} Arrow keys read the values, plus and minus zoom, 0 shows all.`,
    });
    const clip = `clip-${this.parts.figure.id}-${this.drawn.panels.indexOf(panel)}`;
    chart.append(svg("clipPath", { id: clip }, [
      svg("rect", { x: box.left - 5, y: box.top - 5, width: box.right - box.left + 10, height: box.bottom - box.top + 10 }),
    ]));
    this.grid(chart, box, xScale, yScale);
    const inside = svg("g", { "clip-path": `url(#${clip})` });
    chart.append(inside);
    const marks = [];
    panel.series.forEach((s, row) => this.series(inside, s, row, box, xScale, yScale, marks, panel));
    this.labels(chart, panel.series, box, yScale, xRange);
    const brush = svg("rect", { class: "brush", visibility: "hidden" });
    chart.append(brush);
    const groups = [...inside.querySelectorAll("[data-row]")];
    inspect(chart, {
      marks: () => marks,
      zoom: this.zoom,
      pick: this.run ? (point) => selection.toggle(this.run, point) : null,
      focus: (mark) => {
        inside.classList.toggle("reading", Boolean(mark));
        groups.forEach((g) => g.classList.toggle("read", Boolean(mark) && Number(g.dataset.row) === mark.row));
      },
    });
    this.brushing(chart, brush, box, xScale, yScale);
    const heading = panel.title ? [html("h4", {}, panel.title)] : [];
    return html("div", { class: "panel" }, [...heading, chart]);
  }

  grid(chart, box, xScale, yScale) {
    const { x, y } = this.axes;
    const g = svg("g", { class: "axes", "aria-hidden": "true" });
    const xTicks = x.ticks || ticksOf(xScale, Math.max(2, (box.right - box.left) / 70)).map((v) => [v, tickText(v, x.percent)]);
    let free = -Infinity;
    for (const [value, text] of xTicks) {
      const at = xScale.at(value);
      if (!(at >= box.left - 1 && at <= box.right + 1)) continue;
      g.append(svg("line", { x1: at, x2: at, y1: box.top, y2: box.bottom }));
      const half = textWidth(text) / 2;
      if (at - half < free) continue;
      free = at + half + 6;
      const label = svg("text", { x: at, y: box.bottom + 16, "text-anchor": "middle" });
      label.textContent = text;
      g.append(label);
    }
    free = Infinity;
    for (const value of ticksOf(yScale, 5)) {
      const at = yScale.at(value);
      if (!(at >= box.top - 1 && at <= box.bottom + 1)) continue;
      g.append(svg("line", { x1: box.left, x2: box.right, y1: at, y2: at }));
      if (at > free - 13) continue;
      free = at;
      const label = svg("text", { x: box.left - 7, y: at + 4, "text-anchor": "end" });
      label.textContent = tickText(value, y.percent);
      g.append(label);
    }
    const name = svg("text", { x: (box.left + box.right) / 2, y: HEIGHT - 6, "text-anchor": "middle", class: "axis-name" });
    name.textContent = x.label + (x.kind === "log" ? ", log" : "");
    const up = svg("text", { x: 0, y: 0, transform: `translate(11,${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle", class: "axis-name" });
    const kind = { log: ", log", error: ", log of error", linear: "" }[y.kind];
    up.textContent = y.label + (y.percent ? " (%)" : "") + kind;
    g.append(name, up);
    chart.append(g);
  }

  series(host, s, row, box, xScale, yScale, marks, panel) {
    const g = svg("g", { class: `series${s.faint ? " faint" : ""}${s.strong ? " strong" : ""}`, "data-row": row,
      style: s.color ? `--color:${s.color}` : "" });
    const good = Array.from(s.x, (v, i) => i).filter((i) => xScale.holds(s.x[i]) && yScale.holds(s.y[i]));
    const xs = good.map((i) => xScale.at(s.x[i]));
    const ys = good.map((i) => yScale.at(s.y[i]));
    const visible = good.map((_, k) => k).filter((k) => xs[k] >= box.left - 2 && xs[k] <= box.right + 2);
    if (!visible.length) return;
    const [first, last] = [Math.max(0, visible[0] - 1), Math.min(good.length, visible.at(-1) + 2)];
    const window = good.slice(first, last);
    const [wx, wy] = [xs.slice(first, last), ys.slice(first, last)];
    const drawn = decimated(wx, wy, box.right - box.left);
    const point = (v) => v.toFixed(1);
    if (s.low && s.high && s.mode !== "points") {
      const edge = (ends) => drawn.map((k) => `${point(wx[k])},${point(endAt(yScale, ends[window[k]], box, wy[k]))}`);
      g.append(svg("path", { class: "band", d: `M${edge(s.low).join("L")}L${edge(s.high).reverse().join("L")}Z` }));
    }
    if (s.mode !== "points") {
      const step = s.mode === "step";
      const d = drawn.map((k, n) => (n === 0 ? "M" : step ? `H${point(wx[k])}V` : "L") +
        (n && step ? point(wy[k]) : `${point(wx[k])},${point(wy[k])}`)).join("");
      g.append(svg("path", { class: "line", d, "stroke-dasharray": s.dash || "" }));
    }
    const isSparse = drawn.length <= 30;
    if (s.marker && (s.mode === "points" || isSparse)) {
      for (const k of drawn) {
        if (s.mode === "points" && s.low && Number.isFinite(s.low[window[k]])) {
          const [low, high] = [s.low, s.high].map((ends) => point(endAt(yScale, ends[window[k]], box, wy[k])));
          g.append(svg("path", { class: "interval", d: `M${point(wx[k])},${low}V${high}` }));
        }
        g.append(svg("path", { class: "mark", d: markerPath(s.marker, s.mode === "points" ? 3.6 : 2.8),
          transform: `translate(${point(wx[k])},${point(wy[k])})` }));
      }
    }
    if (s.ended) {
      g.append(svg("path", { class: "ended", d: markerPath("cross", 5), transform: `translate(${point(wx.at(-1))},${point(wy.at(-1))})` }));
    }
    host.append(g);
    if (s.faint) return;
    const { x, y } = this.axes;
    for (const k of drawn) {
      if (wx[k] < box.left - 2 || wx[k] > box.right + 2 || wy[k] < box.top - 6 || wy[k] > box.bottom + 6) continue;
      const i = window[k];
      marks.push({
        x: wx[k], y: wy[k], row, column: i, value: s.x[i], point: s.point,
        lines: () => {
          const range = s.low && Number.isFinite(s.low[i])
            ? ` [${formatNumber(s.low[i], y.percent)}, ${formatNumber(s.high[i], y.percent)}]` : "";
          const where = panel.title && !s.name.includes(panel.title) ? [panel.title] : [];
          const at = s.texts ? [s.texts[i]] : [`${x.label} ${x.ticks ? (x.ticks.find(([v]) => v === s.x[i]) || [0, formatNumber(s.x[i])])[1] : formatNumber(s.x[i], x.percent)}`];
          return [s.name, ...where, ...at, `${y.label} ${formatNumber(s.y[i], y.percent)}${range}`];
        },
      });
    }
  }

  /** Name each line at its end, from top to bottom without overlaps. */
  labels(chart, series, box, yScale, [, right]) {
    const ends = series.filter((s) => s.label && s.y.length).map((s) => {
      let i = s.x.length - 1;
      while (i > 0 && s.x[i] > right) i--;
      return { s, y: yScale.holds(s.y[i]) ? yScale.at(s.y[i]) : box.top };
    });
    ends.forEach((end) => (end.y = Math.max(box.top, Math.min(box.bottom, end.y))));
    ends.sort((a, b) => a.y - b.y);
    for (let pass = 0; pass < 20; pass++) {
      for (let i = 1; i < ends.length; i++) {
        const overlap = 13 - (ends[i].y - ends[i - 1].y);
        if (overlap > 0) {
          ends[i - 1].y -= overlap / 2;
          ends[i].y += overlap / 2;
        }
      }
      const over = ends.length ? ends.at(-1).y - box.bottom : 0;
      if (over > 0) ends.at(-1).y -= over;
      if (ends.length) ends[0].y = Math.max(ends[0].y, box.top);
    }
    for (const { s, y } of ends) {
      const label = svg("text", { x: box.right + 8, y: y + 4, class: "line-label", style: `fill:${s.color}` });
      label.textContent = s.label;
      chart.append(label);
    }
  }

  brushing(chart, brush, box, xScale, yScale) {
    let from = null;
    const at = (event) => {
      const rect = chart.getBoundingClientRect();
      const unit = chart.viewBox.baseVal.width / rect.width;
      return [
        Math.max(box.left, Math.min(box.right, (event.clientX - rect.left) * unit)),
        Math.max(box.top, Math.min(box.bottom, (event.clientY - rect.top) * unit)),
      ];
    };
    const corners = (to) => {
      const [x1, x2] = [from[0], to[0]].sort((a, b) => a - b);
      const [y1, y2] = [from[1], to[1]].sort((a, b) => a - b);
      const isTall = y2 - y1 > 0.2 * (box.bottom - box.top);
      return isTall ? [x1, y1, x2, y2, true] : [x1, box.top, x2, box.bottom, false];
    };
    chart.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType === "touch") return;
      from = at(event);
      chart.setPointerCapture(event.pointerId);
    });
    chart.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [x1, y1, x2, y2] = corners(at(event));
      if (x2 - x1 < 8) return;
      hideTip();
      for (const [key, value] of Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1, visibility: "visible" })) {
        brush.setAttribute(key, value);
      }
    });
    chart.addEventListener("pointerup", (event) => {
      if (!from) return;
      const [x1, y1, x2, y2, isTall] = corners(at(event));
      from = null;
      brush.setAttribute("visibility", "hidden");
      if (x2 - x1 < 8) return;
      this.setZoom({ x: [xScale.invert(x1), xScale.invert(x2)], y: isTall ? [yScale.invert(y2), yScale.invert(y1)] : null });
    });
    chart.addEventListener("dblclick", () => this.setZoom(null));
  }
}
