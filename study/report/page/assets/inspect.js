// What all charts share: elements, the frame around a chart, its data as a table and CSV, and
// reading values with the pointer or with the arrow keys.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, children = []) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, attributes = {}, children = []) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null) element.setAttribute(key, value);
  }
  element.append(...[children].flat());
  return element;
}

function csvOf(columns, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  html("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function select(labelText, options, value, onchange) {
  const control = html("select", { onchange: () => onchange(control.value) });
  for (const [key, text] of options) {
    control.append(html("option", { value: key, selected: key === value }, text));
  }
  return html("label", { class: "control" }, [html("span", {}, labelText), control]);
}

const MOST_ROWS = 200;

/** A figure with a title, room for controls, legend and panels, and its data one click away. */
function frame(host, { id, title, note }) {
  const parts = {
    controls: html("div", { class: "controls" }),
    legend: html("ul", { class: "legend", "aria-label": "Legend" }),
    panels: html("div", { class: "panels" }),
    caption: html("p", { class: "note" }, note || ""),
    heading: html("h3", { id: `${id}-title` }, title),
  };
  const body = html("div", { class: "data-body" });
  const details = html("details", { class: "data" }, [html("summary", {}, "Data"), body]);
  details.addEventListener("toggle", () => {
    if (details.open) fill();
  });
  const fill = () => {
    const { columns, rows } = parts.data();
    const shown = rows.slice(0, MOST_ROWS);
    const cells = (row) => row.map((v) => html("td", {}, typeof v === "number" ? formatNumber(v) : v ?? ""));
    const count = rows.length > MOST_ROWS ? `first ${MOST_ROWS} of ` : "";
    body.replaceChildren(
      html("p", {}, [
        `${count}${rows.length.toLocaleString("en-US")} rows. `,
        html("button", { type: "button", class: "csv", onclick: () => download(`${id}.csv`, csvOf(columns, rows)) },
          "Download CSV"),
      ]),
      html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Data of ${title}` }, [
        html("table", {}, [
          html("thead", {}, html("tr", {}, columns.map((c) => html("th", { scope: "col" }, c)))),
          html("tbody", {}, shown.map((row) => html("tr", {}, cells(row)))),
        ]),
      ]),
    );
  };
  parts.refresh = () => {
    if (details.open) fill();
  };
  parts.figure = html("figure", { class: "figure", id, "aria-labelledby": `${id}-title` }, [
    html("figcaption", {}, [parts.heading, parts.caption]),
    parts.controls,
    parts.legend,
    parts.panels,
    details,
  ]);
  host.append(parts.figure);
  return parts;
}

const tip = html("div", { id: "tip", role: "status", "aria-live": "polite", hidden: true });

function showTip(lines, x, y) {
  tip.replaceChildren(...lines.map((line, i) => html(i ? "span" : "strong", {}, line)));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(x + 14, document.documentElement.clientWidth - width - 6);
  const above = y - height - 12;
  tip.style.left = `${Math.max(6, left)}px`;
  tip.style.top = `${above > 6 ? above : y + 16}px`;
}

function hideTip() {
  tip.hidden = true;
}

/**
 * Read the marks of a chart: the nearest one under the pointer, or one after the other with the
 * arrow keys. A mark has pixels `x` and `y`, the `row` and `column` of its place in the order, the
 * `lines` to show, and maybe a `point` to select with Enter or a click.
 */
function inspect(chart, { marks, zoom, pick, focus }) {
  let current = null;
  const cursor = svg("circle", { class: "cursor", r: 6, visibility: "hidden" });
  chart.append(cursor);
  const show = (mark) => {
    current = mark;
    if (!mark) {
      cursor.setAttribute("visibility", "hidden");
      hideTip();
      if (focus) focus(null);
      return;
    }
    cursor.setAttribute("cx", mark.x);
    cursor.setAttribute("cy", mark.y);
    cursor.setAttribute("visibility", "visible");
    if (focus) focus(mark);
    const box = chart.getBoundingClientRect();
    const unit = box.width / chart.viewBox.baseVal.width;
    showTip(mark.lines(), box.left + mark.x * unit, box.top + mark.y * unit);
  };
  const nearest = (x, y, reach, among = marks()) => {
    let [best, least] = [null, reach * reach];
    for (const mark of among) {
      const distance = (mark.x - x) ** 2 + (mark.y - y) ** 2;
      if (distance < least) [best, least] = [mark, distance];
    }
    return best;
  };
  const place = (event) => {
    const box = chart.getBoundingClientRect();
    const unit = chart.viewBox.baseVal.width / box.width;
    return [(event.clientX - box.left) * unit, (event.clientY - box.top) * unit];
  };
  chart.addEventListener("pointermove", (event) => {
    if (event.buttons === 0) show(nearest(...place(event), 40));
  });
  chart.addEventListener("pointerleave", () => show(null));
  chart.addEventListener("click", (event) => {
    const mark = nearest(...place(event), 12);
    if (mark && pick && mark.point !== undefined) pick(mark.point);
  });
  chart.addEventListener("focus", () => {
    if (chart.matches(":focus-visible")) show(current || marks()[0] || null);
  });
  chart.addEventListener("blur", () => show(null));
  chart.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const all = marks();
    const from = current || all[0];
    const rows = [...new Set(all.map((mark) => mark.row))].sort((a, b) => a - b);
    const move = (byRow, byColumn) => {
      if (!from) return;
      const row = rows[(rows.indexOf(from.row) + byRow + rows.length) % rows.length];
      const inside = all.filter((mark) => mark.row === row).sort((a, b) => a.column - b.column);
      const columns = inside.map((mark) => mark.column);
      const aim = from.column;
      let i = columns.findIndex((column) => column >= aim);
      if (i < 0) i = columns.length - 1;
      show(inside[Math.max(0, Math.min(inside.length - 1, i + byColumn))]);
    };
    const keys = {
      ArrowLeft: () => move(0, -1),
      ArrowRight: () => move(0, 1),
      ArrowUp: () => move(-1, 0),
      ArrowDown: () => move(1, 0),
      Enter: () => current && pick && current.point !== undefined && pick(current.point),
      Escape: () => show(null),
      "+": () => zoom && zoom.by(0.5, current),
      "=": () => zoom && zoom.by(0.5, current),
      "-": () => zoom && zoom.by(2, current),
      0: () => zoom && zoom.reset(),
    };
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });
}
