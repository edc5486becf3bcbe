"use strict";
// One page for three places: an MCP App in a chat client, the server's own address, and a file that was mailed.
// In each it is one more client of the tools; what differs is only how a call travels.

const FINAL = new Set(["completed", "failed", "stopped"]);
const POLL_MS = 2000;
const SCORES = ["val_balanced_accuracy", "val_accuracy", "val_f1", "val_r2", "val_rmse"];
const STYLES = [["--a", ""], ["--b", "7 4"], ["--c", "2 3"], ["--d", "10 3 2 3"], ["--e", "4 2"], ["--f", "14 4"]];
const SYMBOLS = { completed: "✓", failed: "✗", stopped: "■", running: "▶", queued: "…", retrying: "↻" };
const view = document.getElementById("view");

// ---- how a call travels

function fromFile(given) {
  const answers = new Map(given.runs.map((run) => [run.run, run]));
  return {
    live: false,
    ask: async (tool, { run } = {}) => (tool === "list_runs" ? { runs: given.runs.map(rowOf) } : answers.get(run)),
  };
}

function fromServer() {
  let id = 0;
  const version = "2026-07-28";
  const token = new URLSearchParams(location.search).get("token") ?? sessionStorage.getItem("token");
  if (token) {
    sessionStorage.setItem("token", token);  // and out of the address, which is copied and logged
    history.replaceState(null, "", location.pathname + location.hash);
  }
  const envelope = {
    "io.modelcontextprotocol/protocolVersion": version,
    "io.modelcontextprotocol/clientInfo": { name: "trainwell-page", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  async function ask(name, args = {}) {
    const reply = await fetch("mcp", {
      method: "POST",
      headers: {
        "Content-Type": "application/json", Accept: "application/json, text/event-stream",
        "MCP-Protocol-Version": version, "Mcp-Method": "tools/call", "Mcp-Name": name,
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
      },
      body: JSON.stringify({
        jsonrpc: "2.0", id: ++id, method: "tools/call", params: { name, arguments: args, _meta: envelope },
      }),
    });
    if (reply.status === 401) throw new Error("This server wants a token: add ?token=… to the address.");
    const text = await reply.text();
    const events = (reply.headers.get("Content-Type") ?? "").includes("event-stream");
    const data = events ? text.split("\n").filter((line) => line.startsWith("data:")).pop().slice(5) : text;
    const message = JSON.parse(data);
    if (message.error) throw new Error(message.error.message);
    return structured(message.result);
  }
  return { live: true, ask };
}

function fromHost() {
  let id = 0;
  const waiting = new Map();
  const post = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  const request = (method, params) =>
    new Promise((resolve, reject) => {
      waiting.set(++id, { resolve, reject });
      post({ id, method, params });
    });
  addEventListener("message", ({ source, data: message }) => {
    if (source !== parent || message?.jsonrpc !== "2.0") return;
    if ("result" in message || "error" in message) {
      const { resolve, reject } = waiting.get(message.id) ?? {};
      waiting.delete(message.id);
      if (message.error) reject?.(new Error(message.error.message));
      else resolve?.(message.result);
    } else if (message.method === "ui/notifications/tool-result") {
      const run = message.params?.structuredContent?.run;
      if (run) go(`#${run}`);
    } else if (message.method === "ui/resource-teardown") {
      clearTimeout(timer);
      post({ id: message.id, result: {} });
    } else if (message.method === "ping") {
      post({ id: message.id, result: {} });
    }
  });
  const ready = request("ui/initialize", {
    protocolVersion: "2026-01-26", appInfo: { name: "trainwell", version: "1" }, appCapabilities: {},
  }).then(() => {
    post({ method: "ui/notifications/initialized", params: {} });
    new ResizeObserver(() => {
      const { scrollWidth: width, scrollHeight: height } = document.documentElement;
      post({ method: "ui/notifications/size-changed", params: { width, height } });
    }).observe(document.body);
  });
  const ask = async (name, args = {}) =>
    structured(await ready.then(() => request("tools/call", { name, arguments: args })));
  return { live: true, ask };
}

function structured(result) {
  if (result.isError) throw new Error(result.structuredContent?.error?.message ?? result.content?.[0]?.text ?? "refused");
  return result.structuredContent;
}

const given = JSON.parse(document.getElementById("given").textContent);
const server = given ? fromFile(given) : parent !== window ? fromHost() : fromServer();

// ---- pieces of the page; text is only ever set as text

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

function svg(tag, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text != null) made.textContent = text;
  return made;
}

const short = (value) => {
  if (typeof value !== "number") return value == null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(2).replace(/\.?0*e/, "e") : String(Number(value.toPrecision(4)));
};

const duration = (seconds) => {
  if (seconds == null) return "–";
  if (seconds < 60) return `${Number(seconds.toPrecision(2))} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
};

const state = (word) => el("span", { class: "state" }, `${SYMBOLS[word] ?? "•"} ${word}`);

function table(names, rows) {
  const cell = (value) => el("td", {}, value instanceof Node ? value : short(value));
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell))))));
}

const pairs = (object) => Object.entries(object ?? {}).map(([name, value]) => [name, value]);

// ---- curves

const SIZE = { width: 460, height: 230, left: 46, right: 104, top: 14, bottom: 26 };

/** A figure of curves over epochs. `curves`: [{name, x, y}]; `marks`: [{x, name}]. Null without a point to draw. */
function chart(title, curves, marks = []) {
  curves = curves.map(({ name, x, y }) => ({ name, points: x.map((at, i) => [at, y[i]]).filter((p) => Number.isFinite(p[1])) }))
    .filter((curve) => curve.points.length);
  if (!curves.length) return null;
  const all = curves.flatMap((curve) => curve.points);
  const [x0, x1] = range(all.map((p) => p[0])), [low, high] = range(all.map((p) => p[1]));
  const logarithmic = low > 0 && high / low > 100;
  const scale = logarithmic ? Math.log10 : (value) => value;
  const y0 = scale(low), y1 = scale(high);
  const px = (x) => SIZE.left + ((x - x0) / (x1 - x0 || 1)) * (SIZE.width - SIZE.left - SIZE.right);
  const py = (y) => SIZE.height - SIZE.bottom - ((scale(y) - y0) / (y1 - y0 || 1)) * (SIZE.height - SIZE.top - SIZE.bottom);
  const drawing = svg("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img", tabindex: 0,
    "aria-label": `${title}: ${curves.map((c) => `${c.name} from ${short(c.points[0][1])} to ${short(c.points.at(-1)[1])}`).join("; ")}` });
  grid(drawing, low, high, logarithmic, x0, x1, px, py);
  marks.forEach(({ x, name }) => {
    drawing.append(svg("line", { class: "mark", x1: px(x), x2: px(x), y1: SIZE.top, y2: SIZE.height - SIZE.bottom }),
      svg("text", { class: "mark-name", x: px(x) + 3, y: SIZE.top + 9 }, name));
  });
  let free = -Infinity;
  curves.map((curve, i) => ({ ...curve, style: STYLES[i % STYLES.length], end: py(curve.points.at(-1)[1]) }))
    .sort((a, b) => a.end - b.end).forEach((curve) => {
      const [colour, dash] = curve.style;
      const path = curve.points.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("");
      drawing.append(svg("path", { class: "curve", d: path, stroke: `var(${colour})`, "stroke-dasharray": dash }));
      if (curve.points.length === 1) {
        drawing.append(svg("circle", { cx: px(curve.points[0][0]), cy: curve.end, r: 3, fill: `var(${colour})` }));
      }
      free = Math.max(curve.end + 4, free + 13);  // names do not lie over each other
      const x = SIZE.width - SIZE.right + 6;
      drawing.append(svg("line", { x1: x, x2: x + 16, y1: free - 4, y2: free - 4, stroke: `var(${colour})`, "stroke-width": 2,
        "stroke-dasharray": dash }), svg("text", { class: "name", x: x + 19, y: free }, clip(curve.name, 12)));
    });
  const caption = el("figcaption", {}, logarithmic ? `${title} (logarithmic scale)` : title);
  follow(drawing, caption, caption.textContent, curves, px);
  return el("figure", {}, drawing, caption);
}

const range = (values) => [Math.min(...values), Math.max(...values)];
const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function grid(drawing, low, high, logarithmic, x0, x1, px, py) {
  const ticks = logarithmic
    ? Array.from({ length: 12 }, (_, i) => 10 ** (Math.ceil(Math.log10(low)) + i)).filter((v) => v <= high)
    : steps(low, high, 4);
  for (const value of ticks.length ? ticks : [low, high]) {
    drawing.append(svg("line", { class: "grid", x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: py(value), y2: py(value) }),
      svg("text", { x: SIZE.left - 5, y: py(value) + 4, "text-anchor": "end" }, short(value)));
  }
  for (const value of steps(x0, x1, 5).filter(Number.isInteger)) {
    drawing.append(svg("text", { x: px(value), y: SIZE.height - 8, "text-anchor": "middle" }, value));
  }
  drawing.append(svg("text", { x: SIZE.width - 4, y: SIZE.height - 8, "text-anchor": "end" }, "epoch"));
}

function steps(low, high, count) {
  if (low === high) return [low];
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
  return Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 },
    (_, i) => Number(((Math.ceil(low / step) + i) * step).toPrecision(6)));
}

/** The numbers under the pointer, or under the arrow keys. */
function follow(drawing, caption, title, curves, px) {
  const epochs = [...new Set(curves.flatMap((curve) => curve.points.map((p) => p[0])))].sort((a, b) => a - b);
  const line = svg("line", { class: "here", y1: SIZE.top, y2: SIZE.height - SIZE.bottom, visibility: "hidden" });
  let at = epochs.length - 1;
  const tell = (index) => {
    at = Math.max(0, Math.min(epochs.length - 1, index));
    const values = curves.map((curve) => [curve.name, curve.points.find((p) => p[0] === epochs[at])?.[1]]);
    caption.textContent = `Epoch ${epochs[at]}: ${values.filter((v) => v[1] != null).map(([n, v]) => `${n} ${short(v)}`).join(", ")}`;
    line.setAttribute("x1", px(epochs[at]));
    line.setAttribute("x2", px(epochs[at]));
    line.setAttribute("visibility", "visible");
  };
  const leave = () => { caption.textContent = title; line.setAttribute("visibility", "hidden"); };
  drawing.append(line);
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect(), x = ((event.clientX - box.left) / box.width) * SIZE.width;
    tell(epochs.reduce((best, epoch, i) => (Math.abs(px(epoch) - x) < Math.abs(px(epochs[best]) - x) ? i : best), 0));
  });
  drawing.addEventListener("pointerleave", leave);
  drawing.addEventListener("blur", leave);
  drawing.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) { tell(at + move); event.preventDefault(); }
  });
}

// ---- what is shown

const rowOf = (run) => ({ run: run.run, name: run.full?.arguments?.name ?? run.run, state: run.state, epoch: run.epoch,
  score: scoreOf(run), data: run.full?.data, finding: run.findings?.[0] });
const scoreOf = (run) => SCORES.map((name) => run.best?.[name]).find((value) => value != null) ?? null;
const chosen = new Set();

async function showList() {
  const { runs } = await server.ask("list_runs", server.live ? { limit: 50 } : {});
  const pick = (run) => el("input", { type: "checkbox", "aria-label": `compare ${run}`, checked: chosen.has(run),
    onchange: (event) => { event.target.checked ? chosen.add(run) : chosen.delete(run); compare.disabled = chosen.size < 2; } });
  const compare = el("button", { disabled: chosen.size < 2, onclick: () => go(`#compare=${[...chosen].slice(0, STYLES.length)}`) },
    "Compare the chosen runs");
  view.replaceChildren(el("h1", {}, "Runs"),
    runs.length ? table(["", "run", "state", "epoch", "score", "data", "finding"], runs.map((row) => [
      pick(row.run), el("a", { href: `#${row.run}` }, row.name || row.run), state(row.state), row.epoch, row.score, row.data,
      row.finding ? `${row.finding.severity}: ${row.finding.code}` : "–"])) : el("p", {}, "No run yet."),
    runs.length > 1 ? el("p", {}, compare) : "");
  return runs.some((row) => !FINAL.has(row.state));
}

async function showRun(handle) {
  const run = await server.ask("get_run", { run: handle, detail: "full" });
  const full = run.full ?? {}, history = full.history ?? {};
  view.replaceChildren(
    ...(parent === window && !(given && given.runs.length === 1) ? [el("p", {}, el("a", { href: "#" }, "All runs"))] : []),
    el("h1", {}, full.arguments?.name ? `${full.arguments.name} (${run.run})` : run.run),
    el("div", { class: "row" }, state(run.state), el("span", {}, `epoch ${run.epoch} of ${run.epochs}`),
      el("span", {}, `worked ${duration(run.seconds)}`),
      run.eta_seconds != null ? el("span", {}, `about ${duration(run.eta_seconds)} to go`) : null, ...controls(run)),
    el("progress", { value: run.progress, max: 1, "aria-label": "progress" }),
    run.reason && run.reason !== run.state ? el("p", {}, run.reason) : "",
    el("div", { class: "charts" }, ...curvesOf(history, marksOf(full.findings ?? []))),
    ...findingsOf(full.findings ?? []),
    el("h2", {}, "Numbers"),
    table(["metric", "last epoch", "best epoch"], [...new Set([...Object.keys(run.metrics), ...Object.keys(run.best ?? {})])]
      .map((name) => [name, run.metrics[name] ?? null, run.best?.[name] ?? null])),
    ...attemptsOf(run), ...settingsOf(run, full));
  return !FINAL.has(run.state);
}

function controls(run) {
  if (!server.live) return [];
  const act = (word, tool) => el("button", { onclick: async (event) => {
    event.target.disabled = true;
    const answer = await told(() => server.ask(tool, { run: run.run }));
    if (answer) { said(answer.summary); go(`#${answer.run ?? run.run}`); }
  } }, word);
  if (!FINAL.has(run.state)) return [act("Stop", "stop_run")];
  return run.state === "completed" ? [] : [act("Resume", "resume_run")];
}

function curvesOf(history, marks) {
  const of = (...names) => names.filter((name) => history[name]).map((name) => ({ name, x: history.epoch, y: history[name] }));
  const score = SCORES.find((name) => history[name]);
  return [chart("Loss", of("train_loss", "val_loss"), marks), score ? chart(score, of(score), marks) : null,
    chart("Learning rate", of("lr")), chart("Gradient norm", of("grad_norm"))].filter(Boolean);
}

const epochOf = (finding) => finding.evidence?.epoch ?? finding.evidence?.at_epoch ?? finding.evidence?.best_epoch;
const marksOf = (findings) => findings.map((finding, i) => ({ x: epochOf(finding), name: String(i + 1) }))
  .filter((mark) => Number.isFinite(mark.x));

function findingsOf(findings) {
  if (!findings.length) return [el("h2", {}, "Findings"), el("p", {}, "None: the rules see nothing wrong.")];
  return [el("h2", {}, "Findings"), el("ol", { class: "findings" }, findings.map((finding) => el("li", {},
    el("p", {}, el("span", { class: finding.severity === "critical" ? "bad" : "" }, `${finding.severity}: ${finding.code}`),
      ` (${Math.round(100 * finding.confidence)} %)`),
    el("p", {}, finding.symptom), el("p", { class: "faint" }, finding.cause),
    ...finding.fixes.slice(0, 3).map((fix) => el("p", {}, `Fix: ${fix.reason} `, el("code", {}, JSON.stringify(fix.patch)))))))];
}

function attemptsOf(run) {
  if (!run.attempts.length) return [];
  return [el("h2", {}, "Attempts"), table(["#", "outcome", "cause", "changed", "lost"], run.attempts.map((one) =>
    [one.number, one.outcome ?? "goes on", one.cause ?? "–", Object.keys(one.changes).length ? one.changes : "–",
      duration(one.lost_seconds)]))];
}

function settingsOf(run, full) {
  const { decisions, ...plan } = full.plan ?? {};
  return [el("h2", {}, "Settings"), table(["argument", "value"], pairs(full.arguments)),
    el("details", {}, el("summary", {}, "Plan and decisions"), table(["plan", "value"], pairs(plan)),
      el("ul", {}, (decisions ?? []).map((one) => el("li", {}, one)))),
    ...(given?.environment ? [el("h2", {}, "Environment"), table(["what", "which"], pairs(given.environment))] : []),
    ...(run.notes.length ? [el("h2", {}, "Notes"), el("ul", {}, run.notes.map((one) => el("li", {}, one)))] : [])];
}

async function showComparison(handles) {
  const runs = await Promise.all(handles.map((run) => server.ask("get_run", { run, detail: "full" })));
  const name = (run) => run.full.arguments?.name ?? run.run;
  const curves = (metric) => runs.filter((run) => run.full.history?.[metric])
    .map((run) => ({ name: name(run), x: run.full.history.epoch, y: run.full.history[metric] }));
  const score = SCORES.find((one) => curves(one).length === runs.length) ?? SCORES.find((one) => curves(one).length);
  const settings = runs.map((run) => ({ data: run.data ?? run.full.data, model: run.full.model, ...run.full.arguments }));
  const differing = [...new Set(settings.flatMap(Object.keys))].filter((key) => key !== "name"
    && new Set(settings.map((one) => JSON.stringify(one[key]))).size > 1);
  view.replaceChildren(el("p", {}, el("a", { href: "#" }, "All runs")), el("h1", {}, "Comparison"),
    el("div", { class: "charts" }, ...[score ? chart(score, curves(score)) : null, chart("val_loss", curves("val_loss")),
      chart("train_loss", curves("train_loss"))].filter(Boolean)),
    el("h2", {}, "Results"), table(["", ...runs.map(name)], [["state", ...runs.map((run) => run.state)],
      ["best score", ...runs.map(scoreOf)], ["best epoch", ...runs.map((run) => run.best?.epoch)],
      ["seconds", ...runs.map((run) => run.seconds)]]),
    el("h2", {}, "What differs"), differing.length
      ? table(["argument", ...runs.map(name)], differing.map((key) => [key, ...settings.map((one) => one[key])]))
      : el("p", {}, "Nothing but chance: all arguments are the same."));
  return runs.some((run) => !FINAL.has(run.state));
}

// ---- the way through it

let timer = 0, turn = 0, hash = location.hash;

function go(where) {
  hash = where;
  if (location.hash !== where && !location.href.startsWith("about:")) location.hash = where;
  else show();
}

async function told(work) {
  try { return await work(); } catch (error) { said(`${error.message}`); return null; }
}

function said(text) {
  document.getElementById("said").textContent = text;
}

async function show() {
  clearTimeout(timer);
  const mine = ++turn, where = decodeURIComponent(hash.slice(1));
  const goesOn = await told(() => where.startsWith("compare=") ? showComparison(where.slice(8).split(","))
    : where ? showRun(where) : given?.runs.length === 1 ? showRun(given.runs[0].run) : showList());
  if (server.live && mine === turn && goesOn !== false) timer = setTimeout(refresh, goesOn === null ? 5 * POLL_MS : POLL_MS);
}

/** Not while nobody looks, nor under somebody's fingers. */
function refresh() {
  const busy = document.hidden || view.querySelector("svg:focus, svg:hover, button:focus:active");
  if (busy) timer = setTimeout(refresh, POLL_MS);
  else show();
}

addEventListener("hashchange", () => { hash = location.hash; said(""); show(); });
if (parent === window || given) show();
