// The leaderboard, which sorts, filters, pages and selects, and the filter of the claims.

const PAGE = 25;
const MOST_CHOICES = 12;

function boardColumns(runs) {
  const columns = runs.length > 1 ? [{ key: "run", label: "run", text: true, of: (run) => run.name }] : [];
  columns.push({ key: "rank", label: "rank", of: (run, p) => run.columns.rank[p] });
  const settings = new Map();
  for (const run of runs) {
    for (const { name, label } of run.settings) {
      const values = new Set(runs.flatMap((each) => each.columns[name] || [undefined]));
      if (values.size > 1 || ["optimizer", "lr"].includes(name)) settings.set(name, label);
    }
  }
  for (const [key, label] of settings) columns.push({ key, label, setting: true, of: (run, p) => (run.columns[key] || [])[p] });
  const measured = new Set(runs.flatMap((run) => Object.keys(run.columns).filter((name) => `${name}_low` in run.columns)));
  for (const key of measured) {
    columns.push({
      key, label: runs[0].labelOf(key), measured: true, of: (run, p) => (run.columns[key] || [])[p],
      text: (run, p) => withInterval(run, key, p),
    });
  }
  for (const key of ["seeds", "diverged", "stopped", "train_seconds"]) {
    const any = runs.some((run) => (run.columns[key] || []).some((value) => value));
    if (any) columns.push({ key, label: key === "train_seconds" ? "seconds" : key, of: (run, p) => (run.columns[key] || [])[p] });
  }
  return columns;
}

/** The mean with its interval, as the terminal and the answer write it. */
function withInterval(run, key, point) {
  return (run.means[key] || [])[point] ?? "–";
}

class Leaderboard {
  constructor(host, runs) {
    this.runs = runs;
    this.columns = boardColumns(runs);
    this.rows = runs.flatMap((run) => Array.from({ length: run.size }, (_, point) => ({ run, point })).filter(
      ({ point }) => run.columns.rank && (run.columns.rank[point] !== null || run.trialsOf[point].length)));
    this.sort = { key: "rank", up: true };
    this.page = 0;
    this.filters = {};
    this.words = "";
    this.onlySelected = false;
    this.count = html("p", { class: "count", role: "status" });
    this.table = html("table", { class: "board" });
    this.pager = html("nav", { class: "pager", "aria-label": "Pages of the leaderboard" });
    host.append(this.controls(), this.count, html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Leaderboard" }, [this.table]), this.pager);
    selection.listeners.push(() => this.draw());
    this.draw();
  }

  controls() {
    const search = html("input", { type: "search", placeholder: "adam 0.01", oninput: () => {
      this.words = search.value.toLowerCase();
      this.page = 0;
      this.draw();
    } });
    const controls = html("div", { class: "controls" }, [html("label", { class: "control" }, [html("span", {}, "filter"), search])]);
    for (const column of this.columns.filter((c) => c.setting || c.key === "run")) {
      const values = column.key === "run" ? this.runs.map((run) => run.name) : [...new Set(this.runs.flatMap((run) => run.valuesOf(column.key)))];
      if (values.length < 2 || values.length > MOST_CHOICES) continue;
      const owner = this.runs.find((run) => run.columns[column.key]);
      const settingText = (value) => (owner ? owner.settingText(column.key, value) : formatSetting(value));
      const options = [["", "all"], ...values.map((value, i) => [String(i), settingText(value)])];
      controls.append(select(column.label, options, "", (i) => {
        this.filters[column.key] = i === "" ? undefined : { value: values[Number(i)] };
        this.page = 0;
        this.draw();
      }));
    }
    const only = html("input", { type: "checkbox", onchange: () => {
      this.onlySelected = only.checked;
      this.page = 0;
      this.draw();
    } });
    this.only = only;
    controls.append(
      html("label", { class: "control check" }, [only, html("span", {}, "selected only")]),
      html("button", { type: "button", onclick: () => selection.clear() }, "Clear selection"),
      html("button", { type: "button", class: "csv", onclick: () => this.save() }, "Download CSV"),
    );
    return controls;
  }

  text(column, { run, point }) {
    if (typeof column.text === "function") return column.text(run, point);
    const value = column.of(run, point);
    if (column.key === "rank") return value === null ? "–" : String(value);
    if (column.setting || column.key === "run") return value === undefined ? "–" : run.settingText(column.key, value);
    return column.key === "train_seconds" && Number.isFinite(value) ? value.toFixed(1) : formatNumber(value);
  }

  get found() {
    const words = this.words.split(/\s+/).filter(Boolean);
    const column = this.columns.find(({ key }) => key === this.sort.key);
    const rows = this.rows.filter((row) => {
      if (this.onlySelected && !selection.has(row.run, row.point)) return false;
      for (const c of this.columns) {
        const filter = this.filters[c.key];
        if (filter && c.of(row.run, row.point) !== filter.value) return false;
      }
      if (!words.length) return true;
      const texts = this.columns.filter((c) => c.setting || c.key === "run").map((c) => this.text(c, row).toLowerCase());
      return words.every((word) => texts.some((text) => (Number.isNaN(Number(word)) ? text.includes(word) : text === word)));
    });
    const sign = this.sort.up ? 1 : -1;
    const isMissing = (value) => value === null || value === undefined;
    const dataset = ({ run, point }) => (run.columns.dataset || [])[point];
    const datasets = [...new Set(this.rows.map(dataset))];
    const place = (row) => datasets.indexOf(dataset(row));
    return rows.sort((a, b) => {
      // Each data set of each run has its own ranks.
      const apart = column.key === "rank" ? place(a) - place(b) || a.run.index - b.run.index : 0;
      if (apart) return apart;
      const [one, other] = [column.of(a.run, a.point), column.of(b.run, b.point)];
      if (isMissing(one) || isMissing(other)) return isMissing(one) - isMissing(other);
      return sign * (typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other)));
    });
  }

  draw() {
    const rows = this.found;
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    this.page = Math.min(this.page, pages - 1);
    const shown = rows.slice(this.page * PAGE, (this.page + 1) * PAGE);
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : null;
    const head = this.columns.map((column) => {
      const isSorted = this.sort.key === column.key;
      const mark = isSorted ? (this.sort.up ? "▲" : "▼") : "";
      const button = html("button", { type: "button", "data-key": `sort-${column.key}`, onclick: () => {
        const up = isSorted ? !this.sort.up : !(column.measured && this.runs[0].maximized);
        this.sort = { key: column.key, up };
        this.page = 0;
        this.draw();
      } }, [column.measured && isPercent(column.key) ? column.label.replace(" accuracy", " %") : column.label, html("span", { "aria-hidden": "true" }, ` ${mark}`)]);
      const isNumber = !column.setting && column.key !== "run";
      return html("th", { scope: "col", "aria-sort": isSorted ? (this.sort.up ? "ascending" : "descending") : "none", class: isNumber ? "number" : null }, [button]);
    });
    const body = shown.map((row) => {
      const on = selection.has(row.run, row.point);
      const box = html("input", { type: "checkbox", checked: on, "data-key": `row-${row.run.index}-${row.point}`,
        "aria-label": `select ${row.run.nameOf(row.point)}`, onchange: () => selection.toggle(row.run, row.point, box.checked) });
      return html("tr", { class: on ? "selected" : null }, [
        html("td", {}, [box]),
        ...this.columns.map((column) => {
          const isCurrent = row.run.columns.rank[row.point] === null && column.key === row.run.objective;
          const isNumber = !column.setting && column.key !== "run";
          const text = isCurrent ? this.current(row) : this.text(column, row);
          return html("td", { class: isNumber ? "number" : null }, text);
        }),
      ]);
    });
    this.table.replaceChildren(
      html("thead", {}, html("tr", {}, [html("th", { scope: "col" }, html("span", { class: "hidden" }, "select")), ...head])),
      html("tbody", {}, body),
    );
    const number = (n) => n.toLocaleString("en-US");
    const chosen = selection.keys.size ? ` ${number(selection.keys.size)} selected: their curves are highlighted.` : " Select points to highlight their curves.";
    this.count.textContent = `${number(rows.length)} of ${number(this.rows.length)} points.${chosen}`;
    const step = (text, name, to, key) => html("button", { type: "button", "aria-label": name, "data-key": key, disabled: to < 0 || to >= pages, onclick: () => {
      this.page = to;
      this.draw();
    } }, text);
    this.pager.hidden = pages === 1;
    this.pager.replaceChildren(step("‹", "previous page", this.page - 1, "previous"), html("span", {}, `${this.page + 1} / ${pages}`), step("›", "next page", this.page + 1, "next"));
    if (focused) {
      const again = document.querySelector(`[data-key="${CSS.escape(focused)}"]`);
      if (again) again.focus({ preventScroll: true });
    }
  }

  /** What the trials of a point that has no result yet have measured so far. */
  current({ run, point }) {
    const values = run.finals(point, run.objective).map(({ value }) => value);
    if (!values.length) return "running";
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return `${isPercent(run.objective) ? (100 * mean).toFixed(2) : formatNumber(mean)} so far`;
  }

  save() {
    const columns = [...this.columns.map(({ key }) => key)];
    for (const column of this.columns.filter((c) => c.measured)) columns.push(`${column.key}_low`, `${column.key}_high`);
    const rows = this.found.map(({ run, point }) => columns.map((key) => (key === "run" ? run.name : (run.columns[key] || [])[point] ?? "")));
    download("leaderboard.csv", csvOf(columns, rows));
  }
}

function filterClaims() {
  const buttons = [...document.querySelectorAll(".verdicts button")];
  const claims = [...document.querySelectorAll(".claim")];
  const folds = [...document.querySelectorAll(".fold")];
  const shown = document.getElementById("claims-shown");
  const apply = (verdict) => {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict)));
    const excludes = (element) => Boolean(verdict) && element.dataset.verdict !== verdict;
    [...claims, ...folds].forEach((element) => (element.hidden = excludes(element)));
    const found = claims.filter((claim) => !claim.hidden);
    shown.textContent = `${found.length} of ${claims.length} claims.`;
  };
  buttons.forEach((button) => button.addEventListener("click", () => apply(button.dataset.verdict)));
  if (claims.length) apply("");
}
