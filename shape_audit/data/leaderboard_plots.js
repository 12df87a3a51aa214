// The plots: plotly.js, from the table's own rows. Each is drawn when it comes near the window, again when the colour
// scheme changes, and before printing. Until the first one is, plotly.js is a text that the browser need not parse.

const FORMS = { inside: "diamond", "shallow-wide": "triangle-down", "deep-narrow": "triangle-up" };
const CONFIG = { displayModeBar: false, responsive: true };
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim() || name;
const plot = (name) => document.getElementById(`${name}-plot`);
const note = (name, words) => { document.getElementById(`${name}-note`).textContent = words; };
const lines = (...parts) => parts.filter(Boolean).map(text).join("<br>");

function plotly() {
  if (!globalThis.Plotly) document.head.append(made("script", document.getElementById("plotly").textContent));
  return globalThis.Plotly;
}

// Names of colours in layouts from the board become those of the scheme.
function coloured(part) {
  if (Array.isArray(part)) return part.map(coloured);
  if (part === null || typeof part !== "object") return part;
  return Object.fromEntries(Object.entries(part).map(([key, value]) =>
    [key, /color$/.test(key) && typeof value === "string" ? colour(value) : coloured(value)]));
}

function axis(more = {}) {
  return { gridcolor: colour("line"), linecolor: colour("muted"), zeroline: false, showline: true, ticks: "outside",
    automargin: true, ...more, title: { standoff: 8, ...more.title } };
}

function layout(more) {
  const { xaxis, yaxis, ...rest } = coloured(more);
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, hovermode: "closest", height: 440,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") },
    margin: { l: 56, r: 12, t: 24, b: 48 },
    legend: { orientation: "h", y: -0.2, yanchor: "top", x: 0, xanchor: "left" },
    hoverlabel: { bgcolor: colour("page"), bordercolor: colour("muted"), font: { color: colour("ink") }, align: "left" },
    xaxis: axis(xaxis), yaxis: axis(yaxis), ...rest,
  };
}

function hover(row, score) {
  return lines(row.model, `${row.layers} × ${count(row.width)}, R_D/W ${fixed(row.r, 4)}, ${placement(row)}`,
    score && `${fixed(100 * score.value, 1)} %${score.floor ? ", at or below the chance floor" : ""}`);
}

const none = () => (shownRows().length < data.rows.length ? "No model that the filters leave" : "No model of this board");

function drawShape() {
  const points = shownRows().filter((row) => row.r).flatMap((row) =>
    data.protocols.length ? shown(row, 0).map((score) => ({ row, score })) : []);
  const traces = Object.keys(FORMS).flatMap((side) => ["base", "instruct"].map((kind) => {
    const some = points.filter(({ row }) => row.side === side && (row.kind === "instruct") === (kind === "instruct"));
    return {
      type: "scatter", mode: "markers", name: kind === "base" ? side : `${side}, tuned`,
      x: some.map(({ row }) => row.r), y: some.map(({ score }) => 100 * score.value),
      hovertext: some.map(({ row, score }) => hover(row, score)), hoverinfo: "text",
      marker: { symbol: FORMS[side] + (kind === "base" ? "" : "-open"), size: 9, color: colour(side), opacity: 0.75 },
    };
  })).filter((trace) => trace.x.length);
  const torn = data.protocols.length ? shownRows().filter((row) => row.r && row.cells[0].length > 1) : [];
  if (torn.length) {
    traces.push({ type: "scatter", mode: "lines", name: "scores that disagree", hoverinfo: "skip",
      x: torn.flatMap((row) => [...row.cells[0].map(() => row.r), null]),
      y: torn.flatMap((row) => [...shown(row, 0).map((score) => 100 * score.value), null]),
      line: { color: colour("muted"), width: 1 } });
  }
  const models = new Set(points.map(({ row }) => row.model)).size;
  note("shape", points.length
    ? `${models} models by ${data.protocols[0].label} (${data.protocols[0].id}). Shaded: the interval. Hollow: tuned on instructions.`
    : `${none()} has a score.`);
  plot("shape").hidden = !points.length;
  if (!points.length) return;
  plotly().react(plot("shape"), traces, layout(data.plots.shape.layout), CONFIG);
}

function drawCost() {
  const rows = shownRows().filter((row) => row.r && row.cost !== null);
  const { layout: axes, curve } = data.plots.cost;
  note("cost", rows.length
    ? `${rows.length} models on the law of ${curve.by}, at equal non-embedding parameters and equal tokens; band: its 95 % interval.`
    : `${none()} has a cost.`);
  plot("cost").hidden = !rows.length;
  if (!rows.length) return;
  const band = { type: "scatter", mode: "lines", fill: "toself", fillcolor: colour("band"), line: { width: 0 }, hoverinfo: "skip",
    showlegend: false, x: [...curve.x, ...[...curve.x].reverse()], y: [...curve.high, ...[...curve.low].reverse()] };
  const law = { type: "scatter", mode: "lines", name: "law", x: curve.x, y: curve.y, hoverinfo: "skip",
    line: { color: colour("muted"), width: 1.5 } };
  const traces = Object.keys(FORMS).map((side) => {
    const some = rows.filter((row) => row.side === side);
    return { type: "scatter", mode: "markers", name: side, x: some.map((row) => row.r), y: some.map((row) => 100 * row.cost),
      hovertext: some.map((row) => `${hover(row)}<br>${fixed(100 * row.cost, 2)} % of loss`), hoverinfo: "text",
      marker: { symbol: FORMS[side], size: 9, color: colour(side), opacity: 0.75 } };
  }).filter((trace) => trace.x.length);
  plotly().react(plot("cost"), [band, law, ...traces], layout(axes), CONFIG);
}

function drawPhase() {
  const left = new Set(shownRows());
  const rows = data.plots.phase.rows.map((number) => data.rows[number]).filter((row) => left.has(row));
  const one = (row) => (data.protocols.length && row.cells[0].length === 1 ? shown(row, 0)[0] : null);
  const bars = rows.length <= 80;
  const traces = Object.keys(FORMS).flatMap((side) => [true, false].map((scored) => {
    const some = rows.filter((row) => row.side === side && Boolean(one(row)) === scored);
    const marker = scored
      ? { symbol: FORMS[side], size: 11, color: some.map((row) => 100 * one(row).value), coloraxis: "coloraxis",
          line: { color: colour("ink"), width: 1 } }
      : { symbol: `${FORMS[side]}-open`, size: 10, color: colour("muted") };
    const reach = (end) => some.map(({ measured: m }) => (m.ratio_ci ? Math.abs(m.ratio_ci[end] - m.ratio) : 0));
    return {
      type: "scatter", mode: "markers", name: rows.some(one) ? `${side}, no single score` : side, marker, showlegend: !scored,
      x: some.map((row) => row.measured.normalized), y: some.map((row) => row.measured.ratio),
      error_y: bars ? { type: "data", symmetric: false, array: reach(1), arrayminus: reach(0), width: 0, thickness: 1,
        color: colour("muted") } : undefined,
      hovertext: some.map((row) => hover(row, one(row)) + "<br>" + lines(
        `AOFE-ratio ${fixed(row.measured.ratio, 3)}, AOFE/tr² ${significant(row.measured.normalized)}`,
        row.measured.noise && "below the noise floor")),
      hoverinfo: "text",
    };
  })).filter((trace) => trace.x.length);
  // The legend shows forms; a trace of many colours has none to show there.
  for (const side of new Set(rows.filter(one).map((row) => row.side))) {
    traces.push({ type: "scatter", mode: "markers", name: side, x: [null], y: [null], showlegend: true,
      marker: { symbol: FORMS[side], size: 10, color: colour("muted") } });
  }
  note("phase", data.plots.phase.note);
  plot("phase").hidden = !rows.length;
  if (!rows.length) return;
  plotly().react(plot("phase"), traces, {
    ...layout(data.plots.phase.layout),
    coloraxis: { colorscale: "Cividis", colorbar: { title: { text: "MMLU-Pro, %", side: "right" }, thickness: 12, outlinewidth: 0 } },
  }, CONFIG);
}

// What any two of can be held against each other: its words, its value, and the axis to begin with, linear if none.
const QUANTITIES = {
  score: ["MMLU-Pro, %", (row) => (data.protocols.length && row.cells[0].length ? 100 * shown(row, 0)[0].value : null)],
  params: ["parameters", (row) => row.params, "log"],
  released: ["release date", (row) => row.released, "date"],
  r_dw: ["R_D/W", (row) => row.r, "log"],
  shape_cost: ["cost, % of loss", (row) => (isKnown(row.cost) ? 100 * row.cost : null)],
  layers: ["layers", (row) => row.layers],
  width: ["width", (row) => row.width, "log"],
  bits: ["bits per byte", (row) => ranked(row, "bits")],
  used: ["width used, %", (row) => (isKnown(ranked(row, "used")) ? 100 * ranked(row, "used") : null)],
  functional: ["width that matters, %", (row) => (isKnown(ranked(row, "functional")) ? 100 * ranked(row, "functional") : null)],
  alignment: ["alignment of channels", (row) => ranked(row, "alignment")],
  ratio: ["AOFE-ratio", (row) => ranked(row, "ratio")],
};
const control = (name) => document.getElementById(name);
const known = Object.keys(QUANTITIES).filter((name) => data.rows.some((row) => isKnown(QUANTITIES[name][1](row))));

function axisChosen(name) {
  return (end) => {
    control(`axis-${end}`).value = name;
    control(`log-${end}`).checked = QUANTITIES[name]?.[2] === "log";
  };
}

for (const [end, first] of [["x", "params"], ["y", known.includes("score") ? "score" : "shape_cost"]]) {
  control(`axis-${end}`).append(...known.map((name) => made("option", QUANTITIES[name][0], { value: name })));
  axisChosen(first)(end);
  control(`axis-${end}`).addEventListener("change", ({ target }) => { axisChosen(target.value)(end); drawAny(); });
  control(`log-${end}`).addEventListener("change", drawAny);
}

const said = (value) => (typeof value === "string" ? value : significant(value));

function drawAny() {
  const [x, y] = ["x", "y"].map((end) => QUANTITIES[control(`axis-${end}`).value]);
  const rows = x && y ? shownRows().filter((row) => isKnown(x[1](row)) && isKnown(y[1](row))) : [];
  note("any", rows.length ? `${rows.length} models.` : `${none()} has both.`);
  plot("any").hidden = !rows.length;
  if (!rows.length) return;
  const traces = Object.keys(FORMS).map((side) => {
    const some = rows.filter((row) => row.side === side);
    return { type: "scatter", mode: "markers", name: side, x: some.map(x[1]), y: some.map(y[1]), hoverinfo: "text",
      hovertext: some.map((row) => `${hover(row)}<br>${lines(...[x, y].map(([words, value]) => `${words} ${said(value(row))}`))}`),
      marker: { symbol: FORMS[side], size: 9, color: colour(side), opacity: 0.75 } };
  }).filter((trace) => trace.x.length);
  const scaled = ([words, , first], end) => {
    const log = control(`log-${end}`);
    log.disabled = first === "date";
    return { title: { text: words }, type: log.disabled ? first : log.checked ? "log" : "linear" };
  };
  plotly().react(plot("any"), traces, layout({ xaxis: scaled(x, "x"), yaxis: scaled(y, "y") }), CONFIG);
}

const shorter = (name, most) =>
  name.length <= most ? name : `${name.slice(0, Math.ceil(most / 2) - 1)}…${name.slice(-Math.floor(most / 2))}`;

function panel(row, number) {
  const tail = number ? String(number + 1) : "";
  const sites = row.measured.profile;
  const known = sites.filter(([, , interval]) => interval);
  const on = { type: "scatter", xaxis: `x${tail}`, yaxis: `y${tail}`, showlegend: false };
  const band = { ...on, mode: "lines", fill: "toself", line: { width: 0 }, fillcolor: colour("band"), hoverinfo: "skip",
    x: [...known.map(([depth]) => depth), ...known.map(([depth]) => depth).reverse()],
    y: [...known.map(([, , [, high]]) => high), ...known.map(([, , [low]]) => low).reverse()] };
  const line = { ...on, mode: "lines+markers", marker: { size: 5, symbol: FORMS[row.side] ?? "circle" },
    line: { color: colour(row.side), width: 1.5 }, x: sites.map(([depth]) => depth), y: sites.map(([, ratio]) => ratio),
    hovertext: sites.map(([, ratio, interval, name]) => lines(name, `${fixed(ratio, 3)}${interval ? ` [${fixed(interval[0], 3)}, ${fixed(interval[1], 3)}]` : ""}`)),
    hoverinfo: "text" };
  const head = { text: `<b>${text(shorter(row.model, 36))}</b><br>${row.layers} × ${count(row.width)}, ${text(row.side)}` +
    (row.measured.comparable ? "" : ", † other protocol"), showarrow: false, xref: `x${tail} domain`,
    yref: `y${tail} domain`, x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", align: "left" };
  return { traces: [band, line], head, tail };
}

function profileTable({ measured }) {
  const bare = measured.profile.every(([, , interval]) => !interval);
  const lines = measured.profile.map(([depth, ratio, interval, name]) => [name, fixed(depth, 3), fixed(ratio, 4),
    ...(bare ? [] : [interval ? `[${fixed(interval[0], 4)}, ${fixed(interval[1], 4)}]` : DASH])]);
  return tableOf(`AOFE-ratio, ${measured.protocol} (${measured.setting})`,
    ["site", "relative depth", "AOFE-ratio", ...(bare ? [] : ["95 % interval"])], lines);
}

function drawProfiles() {
  const rows = selectedRows().filter(hasProfile);
  const target = plot("profile");
  const others = rows.filter((row) => !row.measured.comparable).length;
  document.getElementById("profiles-status").textContent = !data.rows.some(hasProfile)
    ? "No model of this board has a measured profile."
    : `${selectedRows().length} of at most ${MOST} models ticked in the table.` +
      (others && rows.length > 1 ? ` ${others} marked † measured by another protocol or text: not to be compared with the rest.` : "");
  target.hidden = !rows.length;
  document.getElementById("profile-numbers").replaceChildren(...rows.map((row) => made("details", [
    made("summary", `Numbers of ${row.model}`),
    profileTable(row),
  ])));
  if (!rows.length || !drawn.has("profile")) return;
  const width = target.parentElement.clientWidth;
  const across = Math.min(rows.length, width < 620 ? 1 : width < 1000 ? 2 : 3);
  const down = Math.ceil(rows.length / across);
  const panels = rows.map(panel);
  const axes = Object.fromEntries(panels.flatMap(({ tail }, number) => [
    [`xaxis${tail}`, axis({ range: [-0.03, 1.03], title: { text: number >= rows.length - across ? "relative depth" : "" } })],
    [`yaxis${tail}`, axis({ matches: tail ? "y" : undefined, title: { text: number % across ? "" : "AOFE-ratio" } })],
  ]));
  plotly().react(target, panels.flatMap(({ traces }) => traces), {
    ...layout({}), ...axes, height: 300 * down + 30, margin: { l: 56, r: 12, t: 52, b: 48 },
    grid: { rows: down, columns: across, pattern: "independent", xgap: 0.12, ygap: 0.34 },
    annotations: panels.map(({ head }) => head),
  }, CONFIG);
}

// A plot that no row of the board has a point in is not there, with its heading.
const isScored = data.rows.some((row) => row.cells[0]?.length);
const PLOTTED = { shape: isScored, phase: data.plots.phase.rows.length, cost: data.rows.some((row) => row.r && isKnown(row.cost)) };
for (const [name, is] of Object.entries(PLOTTED)) plot(name).closest("figure").hidden = !is;
if (isScored) control("phase-heading").append(", coloured by score");

const DRAW = { shape: drawShape, phase: drawPhase, cost: drawCost, any: drawAny, profile: drawProfiles };
const drawn = new Set();
function draw(name) {
  drawn.add(name);
  DRAW[name]();
}

function scheme(isDark) {
  root.classList.toggle("dark", isDark);
  drawn.forEach((name) => DRAW[name]());
}

// The system's scheme, unless one was chosen: kept for this page where the browser lets it.
const theme = document.getElementById("theme");
const isDark = () => (theme.value ? theme.value === "dark" : dark.matches);
const kept = (change) => { try { return change(localStorage); } catch { return null; } };
theme.value = kept((storage) => storage.getItem("shape-audit-theme")) ?? "";
theme.addEventListener("change", () => {
  kept((storage) => storage.setItem("shape-audit-theme", theme.value));
  scheme(isDark());
});

scheme(isDark());
drawProfiles();
table.on("select deselect", drawProfiles);
let redrawing = 0;
table.on("draw", () => {
  cancelAnimationFrame(redrawing);
  redrawing = requestAnimationFrame(() => [...drawn].filter((name) => name !== "profile").forEach((name) => DRAW[name]()));
});
const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
  seen.unobserve(target);
  draw(target.dataset.plot);
}), { rootMargin: "300px" });
for (const [name, near] of [["shape", plot("shape")], ["phase", plot("phase")], ["cost", plot("cost")], ["any", plot("any")],
  ["profile", document.getElementById("comparison")]]) {
  near.dataset.plot = name;
  seen.observe(near);
}
dark.addEventListener("change", () => scheme(isDark()));
addEventListener("beforeprint", () => {
  root.classList.add("paper");
  Object.keys(DRAW).forEach((name) => drawn.add(name));
  scheme(false);
});
addEventListener("afterprint", () => {
  root.classList.remove("paper");
  scheme(isDark());
});
