// What stands in a cell. Text from outside goes through `text`, or into textContent; nothing else makes HTML of it.

const DASH = "–";
const SIDES = { inside: "◆ inside", "shallow-wide": "▼ shallow-wide", "deep-narrow": "▲ deep-narrow" };
const FAILED = "✕ not audited";

const text = (value) => String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
const isKnown = (value) => value !== null && value !== undefined;
const fixed = (value, digits) => (isKnown(value) ? value.toFixed(digits) : DASH);
const signed = (value, digits) => (value < 0 ? "" : "+") + value.toFixed(digits);
const significant = (value) =>
  isKnown(value) ? new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(value) : DASH;
const count = (value) => (typeof value === "number" ? value.toLocaleString("en") : value);
const people = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const rounded = (value) => (isKnown(value) ? people.format(value) : DASH);
const small = (words) => ` <small>${words}</small>`;
const ends = (interval, digits) =>
  interval ? small(`[${fixed(interval[0], digits)}, ${fixed(interval[1], digits)}]`) : "";

const shown = (row, protocol) => row.cells[protocol].map((place) => row.scores[place]);
const placement = (row) => (row.failure && !row.side ? FAILED : (SIDES[row.side] ?? DASH));
const hasProfile = (row) => Boolean(row.measured && row.measured.profile.length > 1);

function modelCell(row) {
  const failure = row.failure ? `<span class="why">${FAILED}: ${text(row.failure)}</span>` : "";
  return (
    `<span class="name">${text(row.model)}</span> <button type="button" class="more" aria-expanded="false" ` +
    `aria-label="Details of ${text(row.model)}">details</button>${failure}`
  );
}

function scoreCell(row, protocol) {
  const scores = shown(row, protocol);
  const lines = scores.map((score) => {
    const error = isKnown(score.stderr) ? small(`± ${(100 * score.stderr).toFixed(1)}`) : "";
    const mark = score.floor ? ' <span class="mark">⚑ chance</span>' : "";
    return `<span class="line">${(100 * score.value).toFixed(1)}${error}${mark}</span>`;
  });
  return lines.length > 1 ? `${lines.join("")}<span class="mark">disagree</span>` : (lines[0] ?? DASH);
}

function sizeCell(row, protocol) {
  const scores = shown(row, protocol).filter((score) => score.size);
  return scores.map((s) => `<span class="line">${signed(100 * s.size.residual, 1)}</span>`).join("") || DASH;
}

// Numbers measured otherwise are shown, but marked and never ranked beside the others.
function measuredCell(row, written) {
  if (!row.measured) return DASH;
  const other = row.measured.comparable ? "" : ' <span class="mark">† other protocol</span>';
  return written(row.measured) + other;
}
const ranked = (row, name) => (row.measured?.comparable ? (row.measured[name] ?? null) : null);

function made(tag, content, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...[content].flat().map((part) => (part instanceof Node ? part : String(part ?? ""))));
  return element;
}

function tableOf(caption, heads, rows) {
  const line = (cells) =>
    made("tr", cells.map((cell, i) => (i ? made("td", cell) : made("th", cell, { scope: "row" }))));
  const head = made("tr", heads.map((name) => made("th", name, { scope: "col" })));
  return made("table", [made("caption", caption), made("thead", head), made("tbody", rows.map(line))], {
    class: "small",
  });
}

function sourceOf(score) {
  const source = score.href
    ? made("a", score.source, { href: score.href, rel: "noopener noreferrer" })
    : score.source;
  const notes = (score.notes ?? []).map((note) => made("span", note, { class: "line" }));
  return [made("span", source, { class: "line" }), ...notes];
}

function scoreLine(score, protocols) {
  const size = score.size;
  const against = size
    ? `${signed(100 * size.residual, 2)} to ${(100 * size.expected).toFixed(2)} (s.d. ${(100 * size.spread).toFixed(2)}` +
      ` of ${size.n} ${size.kind} models, ${rounded(size.range[0])} to ${rounded(size.range[1])})`
    : DASH;
  const value = (100 * score.value).toFixed(2) + (isKnown(score.stderr) ? ` ± ${(100 * score.stderr).toFixed(2)}` : "");
  const verified = isKnown(score.verified) ? (score.verified ? ", verified" : ", unverified") : "";
  return [
    score.protocol ?? protocols[score.p].id,
    score.limited ? "limited run, not shown" : value + (score.floor ? " ⚑ chance" : ""),
    isKnown(score.n) ? count(score.n) : "not said",
    score.limited ? DASH : against,
    score.by + verified,
    score.date ?? DASH,
    score.revision ?? DASH,
    sourceOf(score),
  ];
}

// The panel under a row: where each of its numbers is from.
function detailsOf(row, protocols) {
  const facts = row.details.flatMap(([name, value]) => [made("dt", name), made("dd", count(value))]);
  const parts = [made("dl", facts)];
  if (row.scores.length) {
    const heads = ["protocol", "accuracy, %", "questions", "against its size, points", "from", "date", "revision", "source"];
    const lines = row.scores.map((score) => scoreLine(score, protocols));
    parts.push(made("div", tableOf("MMLU-Pro scores", heads, lines), {
      class: "across", tabindex: "0", role: "region", "aria-label": `Scores of ${row.model}`,
    }));
  }
  if (row.notes.length) parts.push(made("ul", row.notes.map((note) => made("li", note))));
  return made("div", parts, { class: "details" });
}
