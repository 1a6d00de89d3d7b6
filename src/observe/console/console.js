// Asks for the counters once a second while the page can be seen, and draws their differences.

const POLL = 1000;
const WINDOWS = [60_000, 120_000, 300_000]; // what a plot shows: the first that holds all points, at most the last
const RECENT = 10 * 1000; // what percentiles and the tiles are taken over
const GAP = 5000; // a line is broken where nothing was heard for this long
const SVG = "http://www.w3.org/2000/svg";

const $ = (id) => document.getElementById(id);
let seen = []; // { at, status }, oldest first
let points = []; // { at, ...rates }, one for each pair of neighbours in `seen`
let paused = false;
let failures = 0;

// --- numbers

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const count = (n) => whole.format(n);
const rate = (n) => (n === null ? "–" : n >= 10_000 ? short.format(n) : n >= 10 || n === 0 ? whole.format(n) : n.toPrecision(2));
const percent = (n) => (n === null ? "–" : `${(n * 100).toFixed(n > 0 && n < 0.1 ? 1 : 0)} %`);
const bytes = (n) => {
  if (n === null || n === undefined) return "–";
  const unit = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; n >= 1024 && at < unit.length - 1; at++) n /= 1024;
  return `${n >= 10 || at === 0 ? Math.round(n) : n.toFixed(1)} ${unit[at]}`;
};
const time = (s) => {
  if (s === null) return "–";
  const [n, unit] = s < 1e-3 ? [s * 1e6, "µs"] : s < 1 ? [s * 1e3, "ms"] : [s, "s"];
  return `${n >= 10 ? Math.round(n) : Number(n.toPrecision(2))} ${unit}`;
};
const span = (s) => {
  if (s < 1) return "0 s";
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => s >= size);
  const parts = units.slice(first, first + 2).map(([size, unit], at) => [Math.floor((at ? s % units[first][0] : s) / size), unit]);
  return parts.filter(([n]) => n > 0).map((part) => part.join(" ")).join(" ");
};

// How many commands each limit refused (0) or delayed (1).
const overLimit = (status, which) => Object.fromEntries(Object.entries(status.limited).map(([limit, both]) => [limit, both[which]]));
const total = (table) => Object.values(table).reduce((sum, n) => sum + n, 0);
const both = ([ok, error] = [0, 0]) => ok + error;
const ofClass = (status, name) => Object.values(status.commands[name] ?? {}).reduce((sum, pair) => sum + both(pair), 0);
const ofWays = (status, ways) =>
  Object.values(status.commands).reduce((sum, found) => sum + ways.reduce((n, way) => n + both(found[way]), 0), 0);
const answered = (status) => Object.keys(status.commands).reduce((sum, name) => sum + ofClass(status, name), 0);

// A quantile of what came between two states: linear within its bucket; null if nothing came.
function quantile(before, after, part, q) {
  const counts = after.latency[part].counts.map((n, at) => n - before.latency[part].counts[at]);
  const wanted = total(counts) * q;
  if (wanted === 0) return null;
  let up = 0;
  for (let at = 0; at < counts.length; at++) {
    if (counts[at] > 0 && up + counts[at] >= wanted) {
      const low = at === 0 ? 0 : after.bounds[at - 1];
      const high = after.bounds[at] ?? low;
      return low + ((high - low) * (wanted - up)) / counts[at];
    }
    up += counts[at];
  }
  return null;
}

// The last state that is at least this old, or the oldest.
const since = (age) => seen.findLast(({ at }) => at <= seen.at(-1).at - age) ?? seen[0];

function between(a, b) {
  const seconds = (b.at - a.at) / 1000;
  const of = (which) => (which(b.status) - which(a.status)) / seconds;
  const encrypted = of((s) => ofWays(s, ["sealed", "emulated"]));
  const passed = of((s) => ofWays(s, ["raw"]));
  const commands = of(answered);
  const upstream = of((s) => s.upstream_commands);
  return {
    commands,
    classes: Object.fromEntries(Object.keys(b.status.commands).map((name) => [name, of((s) => ofClass(s, name))])),
    share: encrypted + passed > 0 ? encrypted / (encrypted + passed) : null,
    refused: of((s) => total(s.refused)),
    limited: of((s) => total(overLimit(s, 0)) + total(overLimit(s, 1))),
    failed: of((s) => total(s.open_failures)),
    perCommand: commands > 0 ? upstream / commands : null,
    cpu: b.status.process.cpu === null ? null : of((s) => s.process.cpu),
    p99: Object.fromEntries(PARTS.map(([part]) => [part, quantile(a.status, b.status, part, 0.99)])),
  };
}

const PARTS = [
  ["queue", "Queue", "waiting for the connection to the database"],
  ["crypto", "Encryption", "sealing the request, opening the reply"],
  ["upstream", "Database", "from sending until the reply is here"],
];

// --- building blocks

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// A table of texts; columns that begin with # hold numbers. Left alone while nothing in it has changed, so that a
// selection or a screen reader's place in it lasts.
function fill(table, columns, rows, empty) {
  const state = JSON.stringify([columns, rows]);
  if (table.dataset.state === state) return;
  table.dataset.state = state;
  const numeric = columns.map((name) => name.startsWith("#"));
  const cell = (tag, at, text, more) => element(tag, { ...(numeric[at] && { class: "number" }), ...more }, text);
  const head = columns.map((name, at) => cell("th", at, name.replace("#", ""), { scope: "col" }));
  const body = rows.map((row) =>
    element("tr", {}, ...row.map((text, at) => (at ? cell("td", at, text) : cell("th", at, text, { scope: "row" })))));
  if (rows.length === 0) body.push(element("tr", {}, element("td", { colspan: columns.length, class: "empty" }, empty)));
  table.replaceChildren(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
}

// --- plots

// Rounded up to a number that reads well.
function nice(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= n * 0.999);
}

const shownTime = () => WINDOWS.find((time) => points.at(-1).at - points[0].at <= time) ?? WINDOWS.at(-1);

class Plot {
  // `series`: [name, style, value of a point]; `scale`: linear from 0, or log in seconds.
  constructor(id, { series, format, log = false, top = 0 }) {
    Object.assign(this, { host: $(id), title: $(`${id}-title`).textContent, series, format, log, top, at: null });
    this.svg = shape("svg", { role: "img" });
    this.legend = element("ul", { class: "legend", "aria-hidden": "true" });
    this.table = element("table");
    this.details = element("details", {}, element("summary", {}, "As a table"), this.table);
    this.host.append(this.svg, this.legend, this.details);
    this.details.addEventListener("toggle", () => this.tell());
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.point(null));
  }

  point(event) {
    this.at = null;
    if (event && points.length > 0) {
      const end = points.at(-1).at;
      const box = this.svg.getBoundingClientRect();
      const wanted = end - (1 - (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)) * shownTime();
      const near = points.reduce((best, one) => (Math.abs(one.at - wanted) < Math.abs(best.at - wanted) ? one : best));
      this.at = near.at;
    }
    this.draw();
  }

  shown() {
    const some = this.series.filter(([, , value]) => points.some((point) => value(point) > 0));
    return some.length > 0 ? some : this.series.slice(0, 1);
  }

  draw() {
    const width = this.svg.clientWidth, height = this.svg.clientHeight;
    if (width === 0 || points.length === 0) return;
    const shown = this.shown();
    const values = shown.flatMap(([, , value]) => points.map(value)).filter((n) => n > 0);
    const high = Math.max(this.top, values.length > 0 ? Math.max(...values) : 0) || 1;
    const [from, to] = this.log ? [Math.min(1e-6, ...values), 10 ** Math.ceil(Math.log10(high))] : [0, this.top || nice(high)];
    const marks = this.log
      ? Array.from({ length: Math.round(Math.log10(to / 1e-6)) + 1 }, (_, at) => to / 10 ** at)
      : [to, to / 2, 0];
    const low = this.log ? 1e-6 : from;
    const part = (n) => (this.log ? Math.log10(Math.max(n, low) / low) / Math.log10(to / low) : n / to);
    const y = (n) => TOP + (1 - part(n)) * (height - TOP - BOTTOM);
    const end = points.at(-1).at;
    const window = shownTime();
    const x = (at) => LEFT + (1 - (end - at) / window) * (width - LEFT - RIGHT);

    const parts = [];
    for (const mark of marks) {
      const place = Math.round(y(mark)) + 0.5;
      parts.push(shape("line", { x1: LEFT, x2: width - RIGHT, y1: place, y2: place }));
      parts.push(shape("text", { x: LEFT - 6, y: place + 4, "text-anchor": "end" }, this.format(mark)));
    }
    for (const [share, anchor] of [[1, "start"], [0.5, "middle"], [0, "end"]]) {
      if (share === 0.5 && width < 400) continue;
      const text = share === 0 ? "now" : `${span((window * share) / 1000)} ago`;
      parts.push(shape("text", { x: x(end - window * share), y: height - 4, "text-anchor": anchor }, text));
    }
    if (this.at !== null) parts.push(shape("line", { class: "cross", x1: x(this.at), x2: x(this.at), y1: TOP, y2: height - BOTTOM }));
    for (const [, style, value] of shown) {
      let path = "";
      let last = -Infinity;
      for (const point of points) {
        const n = value(point);
        if (n === null) continue;
        path += `${point.at - last > GAP ? "M" : "L"}${x(point.at).toFixed(1)} ${y(n).toFixed(1)}`;
        last = point.at;
      }
      parts.push(shape("path", { class: style, d: path }));
    }
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("aria-label", `${this.title}. ${this.words(shown)}`);
    this.svg.replaceChildren(...parts);

    const at = points.find((point) => point.at === this.at) ?? points.at(-1);
    this.legend.replaceChildren(...shown.map(([name, style, value]) => {
      const line = shape("svg", { viewBox: "0 0 28 12" });
      line.append(shape("path", { class: style, d: "M0 6H28" }));
      return element("li", {}, line, `${name} ${this.format(value(at))}`);
    }));
    this.tell();
  }

  words(shown) {
    return shown.map(([name, , value]) => {
      const known = points.map(value).filter((n) => n !== null);
      return `${name}: now ${this.format(value(points.at(-1)))}, highest ${this.format(known.length ? Math.max(...known) : null)}`;
    }).join("; ");
  }

  // The table for who cannot see the plot: a row for every 30 seconds.
  tell() {
    if (!this.details.open || points.length === 0) return;
    const shown = this.shown();
    const end = points.at(-1).at;
    const rows = [];
    for (let ago = 0; ago * 1000 < WINDOWS.at(-1); ago += 30) {
      const some = points.filter(({ at }) => at <= end - ago * 1000 && at > end - (ago + 30) * 1000);
      if (some.length === 0) continue;
      const highest = ([, , value]) => {
        const known = some.map(value).filter((n) => n !== null);
        return this.format(known.length ? Math.max(...known) : null);
      };
      rows.push([ago === 0 ? "last 30 s" : `${ago} to ${ago + 30} s ago`, ...shown.map(highest)]);
    }
    fill(this.table, ["Highest in", ...shown.map(([name]) => `#${name}`)], rows, "Nothing yet.");
  }
}

const LEFT = 56, RIGHT = 8, TOP = 10, BOTTOM = 20;
const CLASSES = ["read", "write", "script", "pubsub", "transaction", "connection", "admin", "unknown"];
const plots = [
  new Plot("traffic", { series: CLASSES.map((name, at) => [name, `s${at}`, (p) => p.classes[name] ?? 0]), format: rate }),
  new Plot("latency", { series: PARTS.map(([part, name], at) => [name, `s${at}`, (p) => p.p99[part]]), format: time, log: true, top: 1e-3 }),
  new Plot("share", { series: [["encrypted", "s0", (p) => p.share]], format: percent, top: 1 }),
  new Plot("refusals", {
    series: [["refused", "s0", (p) => p.refused], ["over a limit", "s1", (p) => p.limited], ["did not open", "s2", (p) => p.failed]],
    format: rate,
  }),
];

// --- the page

function tiles(status) {
  const recent = seen.length > 1 ? between(since(RECENT), seen.at(-1)) : null;
  const of = (format, value) => (recent ? format(value(recent)) : "–");
  const known = [
    ["commands per second", of(rate, (r) => r.commands)],
    ["on encrypted keys", of(percent, (r) => r.share)],
    ["refused per second", of(rate, (r) => r.refused)],
    ["database commands per command", of((n) => (n === null ? "–" : n.toFixed(2)), (r) => r.perCommand)],
    ["clients", count(status.connections.open)],
    ["waiting for clients", bytes(status.bytes.buffered)],
    ["CPU", of(percent, (r) => r.cpu)],
    ["memory", bytes(status.process.memory)],
  ];
  $("tiles").replaceChildren(...known.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function tables(status) {
  const first = since(RECENT).status;
  fill($("split"), ["Part", "#median", "#99 of 100"],
    PARTS.map(([part, name, about]) => [`${name}: ${about}`, ...[0.5, 0.99].map((q) => time(quantile(first, status, part, q)))]), "");
  const spaced = (name) => name.replaceAll("_", " ");
  const counts = (table, kind) => Object.entries(table).filter(([, n]) => n > 0).map(([name, n]) => [spaced(name), kind, count(n)]);
  fill($("reasons"), ["Reason", "Kind", "#Count"],
    [...counts(status.refused, "refused"), ...counts(overLimit(status, 0), "over the limit"), ...counts(overLimit(status, 1), "delayed"), ...counts(status.open_failures, "did not open")],
    "Nothing was refused.");
  const made = ({ created }) => created.slice(0, 10).replaceAll("-", "\u2011"); // hyphens that do not break
  fill($("keys"), ["Key", "State", "#Opened"],
    status.keys.map((key) => [`${key.id} ${key.role === "keys" ? "values" : key.role}`, `${key.state}, made ${made(key)}`, count(key.opened)]),
    "There is no keyring.");
  const lanes = Object.entries(status.lanes).map(([name, n]) => [`to the database, ${name}`, count(n)]);
  const closed = Object.entries(status.connections.closed).filter(([, n]) => n > 0);
  fill($("lanes"), ["Connections", "#Number"], [
    ["from clients", count(status.connections.open)],
    ...lanes,
    ["to the database, made since the start", count(status.dials.ok)],
    ["to the database, failed since the start", count(status.dials.error)],
    ["from clients, since the start", count(status.connections.accepted)],
    ...closed.map(([name, n]) => [`from clients, ended: ${spaced(name)}`, count(n)]),
  ], "");
}

function alerts(list) {
  const state = JSON.stringify(list);
  const host = $("alerts");
  if (host.dataset.state === state) return;
  host.dataset.state = state;
  const items = list.map(({ at, text }) => element("li", {}, at ? `${at}: ${text}` : text));
  host.replaceChildren(items.length > 0 ? element("ul", {}, ...items) : element("p", {}, "None."));
}

// Changes a text only if it is another, so that a screen reader says it once.
function say(id, text, style = "") {
  const host = $(id);
  if (host.textContent !== text) host.textContent = text;
  host.className = style;
}

function draw(status) {
  say("state", status.ready ? "Ready" : `Not ready: ${status.why}`, status.ready ? "good" : "bad");
  say("version", status.version);
  if (status.started !== null) $("uptime").textContent = `up ${span(Date.now() / 1000 - status.started)}`;
  const levels = $("levels");
  if (document.activeElement !== levels && levels.dataset.shown !== status.log) {
    levels.value = levels.dataset.shown = status.log;
  }
  tiles(status);
  tables(status);
  alerts(status.alerts);
  for (const plot of plots) plot.draw();
}

function take(status) {
  const at = performance.now();
  // Another process: its counters began anew.
  if (seen.length > 0 && seen.at(-1).status.started !== status.started) [seen, points] = [[], []];
  seen.push({ at, status });
  if (seen.length > 1 && at - seen.at(-2).at < GAP) {
    points.push({ at, ...between(seen.at(-2), seen.at(-1)) });
  }
  const old = (one) => at - one.at > WINDOWS.at(-1);
  while (points.length > 0 && old(points[0])) points.shift();
  // Older states are needed for the recent ones only.
  while (seen.length > 2 && at - seen[1].at > RECENT) seen.shift();
  draw(status);
}

async function poll() {
  if (!paused && document.visibilityState === "visible") {
    try {
      const answer = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      take(await answer.json());
      failures = 0;
    } catch {
      failures += 1;
      // One may be a connection that was closed in that moment.
      if (failures > 1) say("state", "No answer from the sidecar; trying again", "bad");
    }
  }
  setTimeout(poll, POLL);
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
});

$("log").addEventListener("submit", async (event) => {
  event.preventDefault();
  say("log-answer", "");
  try {
    const answer = await fetch("/log", { method: "PUT", body: $("levels").value });
    const text = (await answer.text()).trim();
    say("log-answer", answer.ok ? `Set to ${text}.` : `Not changed: ${text}`, answer.ok ? "good" : "bad");
  } catch {
    say("log-answer", "Not changed: the sidecar does not answer.", "bad");
  }
});

addEventListener("resize", () => plots.forEach((plot) => plot.draw()));
poll();
