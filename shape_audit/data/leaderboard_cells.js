// What stands in a cell. Text from outside goes through `text`, or into textContent; nothing else makes HTML of it.

const DASH = "–";
const SIDES = { inside: "◆ inside", "shallow-wide": "▼ shallow-wide", "deep-narrow": "▲ deep-narrow" };
const FAILED = "✕ not audited";

const text = (value) => String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
const isKnown = (value) => value !== null && value !== undefined;
// As Python writes it, so that a number reads the same here and in reports: of the two neighbours of a tie (24 layers
// on 768 are exactly .03125) the even one. A double is a tie exactly where its multiple of this power of two is odd.
function fixed(value, digits) {
  if (!isKnown(value)) return DASH;
  if (Math.abs((value * 2 ** (digits + 1)) % 2) !== 1) return value.toFixed(digits);
  const below = Math.floor(value * 10 ** digits);
  return ((below % 2 ? below + 1 : below) / 10 ** digits).toFixed(digits);
}
const signed = (value, digits) => (value < 0 ? "" : "+") + fixed(value, digits);
// Through toPrecision, which rounds the number that is held, as Python does; toLocaleString rounds its shortest decimals.
const significant = (value) =>
  isKnown(value) ? Number(value.toPrecision(3)).toLocaleString("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 }) : DASH;
const count = (value) => (typeof value === "number" ? value.toLocaleString("en") : value);
const people = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const rounded = (value) => (isKnown(value) ? people.format(value).replace("K", "k") : DASH);
const small = (words) => ` <small>${words}</small>`;
const ends = (interval, digits) =>
  interval ? small(`[${fixed(interval[0], digits)}, ${fixed(interval[1], digits)}]`) : "";

const shown = (row, protocol) => row.cells[protocol].map((place) => row.scores[place]);
const placement = (row) => SIDES[row.side] ?? (isKnown(row.r) ? "not dense" : FAILED);
const hasProfile = (row) => Boolean(row.measured && row.measured.profile.length > 1);
const mayTick = (row) => !row.failure || hasProfile(row);

// The name, and where it is that of a repository, a link to it.
const nameOf = (row) => row.hub
  ? `<a href="https://huggingface.co/${text(row.model)}" rel="noopener noreferrer">${text(row.model)}</a>` : text(row.model);

const licenseCell = (row) => !isKnown(row.license) ? DASH : row.license_href
  ? `<a href="${text(row.license_href)}" rel="noopener noreferrer">${text(row.license)}</a>` : text(row.license);

function modelCell(row) {
  const failure = row.failure ? `<span class="why">${FAILED}: ${text(row.failure)}</span>` : "";
  return (
    `<span class="name">${nameOf(row)}</span> <button type="button" class="more" aria-expanded="false" ` +
    `aria-label="Details of ${text(row.model)}">details</button>${failure}`
  );
}

function scoreCell(row, protocol) {
  const scores = shown(row, protocol);
  const lines = scores.map((score) => {
    const error = isKnown(score.stderr) ? small(`± ${fixed(100 * score.stderr, 1)}`) : "";
    const mark = score.floor ? ' <span class="mark">⚑ chance</span>' : "";
    const best = score.best ? ' <span class="mark">≈ best</span>' : "";
    return `<span class="line">${fixed(100 * score.value, 1)}${error}${mark}${best}</span>`;
  });
  return lines.length > 1 ? `${lines.join("")}<span class="mark">disagree</span>` : (lines[0] ?? DASH);
}

function costCell(row) {
  if (!isKnown(row.cost)) return DASH;
  return fixed(100 * row.cost, 2) + (row.cost_ci ? ends(row.cost_ci.map((end) => 100 * end), 2) : "");
}

function sizeCell(row, protocol) {
  const scores = shown(row, protocol).filter((score) => score.size);
  return scores.map((s) => `<span class="line">${signed(100 * s.size.residual, 1)}</span>`).join("") || DASH;
}

// Numbers measured otherwise are shown, but marked and never ranked beside the others.
function measuredCell(row, written) {
  if (!row.measured) return DASH;
  const value = written(row.measured, row);
  return value === DASH || row.measured.comparable ? value : `${value} <span class="mark">† other protocol</span>`;
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
    ? `${signed(100 * size.residual, 2)} to ${fixed(100 * size.expected, 2)} (s.d. ${fixed(100 * size.spread, 2)}` +
      ` of ${size.n} ${size.kind} models, ${rounded(size.range[0])} to ${rounded(size.range[1])})`
    : DASH;
  const value = fixed(100 * score.value, 2) + (isKnown(score.stderr) ? ` ± ${fixed(100 * score.stderr, 2)}` : "");
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
  const facts = row.details.flatMap((value, number) =>
    isKnown(value) ? [made("dt", data.details[number]), made("dd", count(value))] : []);
  const parts = [made("dl", facts)];
  if (row.scores.length) {
    const heads = ["protocol", "accuracy, %", "questions", "against its size, points", "from", "date", "revision", "source"];
    const lines = row.scores.map((score) => scoreLine(score, protocols));
    parts.push(made("div", tableOf("MMLU-Pro scores", heads, lines), {
      class: "across", tabindex: "0", role: "region", "aria-label": `Scores of ${row.model}`,
    }));
    hinted(parts.at(-1));
  }
  if (row.notes.length) parts.push(made("ul", row.notes.map((note) => made("li", note))));
  return made("div", parts, { class: "details" });
}
