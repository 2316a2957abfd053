// The data of the page: points, trials and records of each run. Columns of records are float32,
// grouped by byte and deflated (study/report/page/columns.py); `null` and NaN are missing values.

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const grouped = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = grouped.length / 4;
  const whole = new Uint8Array(grouped.length);
  for (let byte = 0; byte < 4; byte++) {
    for (let i = 0; i < count; i++) whole[4 * i + byte] = grouped[byte * count + i];
  }
  return new Float32Array(whole.buffer);
}

function isPercent(name) {
  return name.endsWith("accuracy");
}

/** A number as text: percents with two decimals, others with four significant digits. */
function formatNumber(value, percent = false) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (percent) return `${(100 * value).toFixed(2)} %`;
  const size = Math.abs(value);
  if (size >= 1000 && size < 1e9) return Math.round(value).toLocaleString("en-US");
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) {
    return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  }
  return String(Number(value.toPrecision(4)));
}

function formatSetting(value) {
  if (value === null || value === undefined) return "default";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return String(value);
  const short = Number(value.toPrecision(4)) === value ? value : Number(value.toPrecision(3));
  return Math.abs(short) < 1e-4 ? short.toExponential().replace(/e-(\d)$/, "e-0$1") : String(short);
}

class Run {
  constructor(described, index) {
    Object.assign(this, described);
    this.index = index;
    this.size = (Object.values(this.columns)[0] || []).length;
    this.trialsOf = Array.from({ length: this.size }, () => []);
    this.trials.point.forEach((point, trial) => this.trialsOf[point].push(trial));
    this.starts = [];
    let start = 0;
    for (const count of this.records.counts) {
      this.starts.push(start);
      start += count;
    }
    this.varied = this.settings.filter(({ name }) => this.valuesOf(name).length > 1);
  }

  /** Decode the records; nothing that draws curves works before. */
  async load() {
    const names = Object.keys(this.records.packed);
    const columns = await Promise.all(names.map((name) => unpack(this.records.packed[name])));
    this.recorded = Object.fromEntries(names.map((name, i) => [name, columns[i]]));
    delete this.records.packed;
  }

  labelOf(name) {
    const found = [...this.settings, ...this.records.columns].find((c) => c.name === name);
    if (found) return found.label;
    const words = name.replaceAll("_", " ");
    return { train_seconds: "training seconds", train_loss: "training loss" }[name] || words;
  }

  /** The value of a setting as text; a missing one says what leaving it out means. */
  settingText(name, value) {
    const setting = this.settings.find((each) => each.name === name);
    return value === null && setting ? setting.unset : formatSetting(value);
  }

  /** Whether a quantity has a lowest and a highest value. */
  isBounded(name) {
    return this.records.columns.some((column) => column.name === name && column.isBounded);
  }

  /** The values of a setting: unset first, then in order. */
  valuesOf(name) {
    const values = [...new Set(this.columns[name] || [])];
    return values.sort((a, b) => {
      if (a === null || b === null) return a === null ? -1 : 1;
      return typeof a === "number" && typeof b === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0;
    });
  }

  /** Name a point by the settings that vary. */
  nameOf(point, without = []) {
    const words = this.varied
      .filter(({ name }) => !without.includes(name) && this.columns[name][point] !== null)
      .map(({ name, label }) => {
        const value = this.columns[name][point];
        return typeof value === "string" ? value : `${label} ${formatSetting(value)}`;
      });
    return words.join(", ") || "all trials";
  }

  /** The last measured value of each seed that did not diverge. */
  finals(point, column) {
    const values = this.recorded[column];
    if (!values) return [];
    return this.trialsOf[point]
      .filter((trial) => this.trials.status[trial] !== "diverged")
      .map((trial) => {
        const first = this.starts[trial];
        for (let i = first + this.records.counts[trial] - 1; i >= first; i--) {
          if (Number.isFinite(values[i])) return { seed: this.trials.seed[trial], value: values[i] };
        }
        return null;
      })
      .filter(Boolean);
  }

  /**
   * The curve of a point: mean and range over the seeds that did not diverge, at each step at which
   * all of them were measured. If all diverged, what they measured until then.
   */
  curve(point, column, xName) {
    const values = this.recorded[column];
    const all = this.trialsOf[point];
    const converged = all.filter((trial) => this.trials.status[trial] !== "diverged");
    const used = converged.length ? converged : all;
    const at = new Map();
    for (const trial of used) {
      const first = this.starts[trial];
      for (let i = first; i < first + this.records.counts[trial]; i++) {
        const value = values[i];
        if (!Number.isFinite(value)) continue;
        const step = this.recorded.step[i];
        const here = at.get(step);
        if (here) {
          here.sum += value;
          here.x += this.recorded[xName][i];
          here.low = Math.min(here.low, value);
          here.high = Math.max(here.high, value);
          here.count += 1;
        } else {
          at.set(step, { sum: value, x: this.recorded[xName][i], low: value, high: value, count: 1 });
        }
      }
    }
    const steps = [...at.keys()].sort((a, b) => a - b);
    const whole = steps.filter((step) => at.get(step).count === used.length);
    const kept = whole.length ? whole : steps;
    const pick = (read) => kept.map((step) => read(at.get(step)));
    return {
      x: pick((here) => here.x / here.count),
      y: pick((here) => here.sum / here.count),
      low: used.length > 1 ? pick((here) => here.low) : null,
      high: used.length > 1 ? pick((here) => here.high) : null,
      seeds: used.length,
      diverged: all.length - converged.length,
    };
  }
}

/** The points that the reader selected, as `run:point`; whoever draws them listens. */
const selection = {
  keys: new Set(),
  listeners: [],
  has(run, point) {
    return this.keys.has(`${run.index}:${point}`);
  },
  of(run) {
    const own = [...this.keys].filter((key) => key.startsWith(`${run.index}:`));
    return own.map((key) => Number(key.split(":")[1]));
  },
  toggle(run, point, on = !this.has(run, point)) {
    this.keys[on ? "add" : "delete"](`${run.index}:${point}`);
    this.changed();
  },
  clear() {
    this.keys.clear();
    this.changed();
  },
  changed() {
    this.listeners.forEach((listener) => listener());
  },
};
