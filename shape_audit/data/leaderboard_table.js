// The table: DataTables with its Select extension. Filters are the form's own fields, which a phone and a screen reader
// know, given to DataTables as one fixed search. What is searched in is escaped too: DataTables makes HTML of it once, to
// undo references.

const data = JSON.parse(document.getElementById("data").textContent);
const field = (name) => document.getElementById(`filter-${name}`);
const MOST = 6;
const FIXED = ["compare", "model"];

// Unknown numbers come last in both directions.
const order = (sign) => (a, b) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : sign * (a - b));
DataTable.type("number-or-none", "order", { asc: order(1), desc: order(-1) });

// A column: by its name, what is written of it in the board's list of columns.
function column(name, more, label) {
  const { title, note, about } = data.columns[name.replace(/-\d+$/, "")];
  const under = label ?? note;
  return { name, words: title, note: under, about, title: head(title, under, name), ariaTitle: under ? `${title} ${under}` : title,
    searchable: false, data: null, ...more };
}

function head(title, under, name) {
  const written = text(title).replace("R_D/W", "R<sub>D/W</sub>").replace(" ×", "<br>×");
  return `<span class="line">${written}</span>${under ? `<small>${text(under)}</small>` : ""}` +
    `<button type="button" class="about" data-about="${name}" aria-label="What is ${text(title)}?">?</button>`;
}

const byNumber = (name, display, sort, more = {}, label = undefined) => column(name, {
  className: "num", type: "number-or-none", orderSequence: ["desc", "asc"],
  render: (row, kind) => (kind === "display" ? display(row) : (sort(row) ?? null)), ...more,
}, label);
const byText = (name, words, more = {}) => column(name, {
  type: "string",
  render: (row, kind) => (kind === "display" ? text(words(row) ?? DASH) : (words(row) ?? "\uffff")), ...more,
});
// What no model of the board has gets no column.
const isTold = ({ name, render }) => FIXED.includes(name) || data.rows.some((row) => render(row, "display") !== DASH);

function columns() {
  const measured = (name, written) => byNumber(name, (row) => measuredCell(row, written), (row) => ranked(row, name));
  const found = [
    column("compare", { className: "pick", orderable: false, render: DataTable.render.select() }),
    column("model", { className: "model", cellType: "th", type: "string", searchable: true,
      render: (row, kind) => kind === "display" ? modelCell(row) : kind === "filter"
        ? text([row.model, row.family, row.kind, row.license, row.group, row.failure, ...row.notes].filter(Boolean).join("\n")) : row.model }),
    byText("family", (row) => row.family),
    byText("kind", (row) => row.kind),
    byText("released", (row) => row.released),
    byText("license", (row) => row.license, {
      render: (row, kind) => (kind === "display" ? licenseCell(row) : (row.license ?? "\uffff")) }),
    byNumber("params", (row) => rounded(row.params), (row) => row.params),
    byNumber("shape", (row) => isKnown(row.layers) ? `${row.layers} × ${count(row.width)}` : DASH, (row) => row.layers),
    byNumber("r_dw", (row) => fixed(row.r, 4), (row) => row.r),
    byText("side", placement, { className: "side" }),
    byNumber("log_distance", (row) => fixed(row.distance, 2), (row) => row.distance),
    byNumber("shape_cost", costCell, (row) => row.cost),
  ];
  data.protocols.forEach((protocol, number) => {
    found.push(byNumber(number ? `score-${number}` : "score", (row) => scoreCell(row, number), (row) => shown(row, number)[0]?.value,
      {}, protocol.label));
    found.push(byNumber(`size-${number}`, (row) => sizeCell(row, number),
      (row) => shown(row, number).find((score) => score.size)?.size.residual, {}, protocol.label));
  });
  found.push(
    measured("bits", (m) => fixed(m.bits, 3)),
    measured("used", (m) => significant(isKnown(m.used) ? 100 * m.used : null) + (isKnown(m.rank) ? small(significant(m.rank)) : "")),
    measured("alignment", (m) => fixed(m.alignment, 3) + ends(m.alignment_ci, 3)),
    measured("ratio", (m) => fixed(m.ratio, 3) + ends(m.ratio_ci, 3) + (isKnown(m.random) ? small(`random ${fixed(m.random, 3)}`) : "") +
      (m.noise ? ' <span class="mark">≈ noise</span>' : "")),
    measured("functional", (m) => significant(isKnown(m.functional) ? 100 * m.functional : null)),
    measured("cheap", (m, row) => isKnown(m.cheap) ? `${m.cheap} of ${row.layers}` : DASH),
  );
  return found.filter(isTold);
}

const shape = columns();
const titles = shape.map(({ ariaTitle }) => ariaTitle);
const sorted = shape.findIndex((column) => column.name === data.order.replace("-", ""));
const table = new DataTable("#board", {
  data: data.rows,
  columns: shape,
  deferRender: true,
  autoWidth: false,
  pageLength: 25,
  lengthMenu: [25, 50, 100, { label: "all", value: -1 }],
  order: sorted < 0 ? [] : [[sorted, data.order.startsWith("-") ? "desc" : "asc"]],
  select: { style: "multi", selector: "td.pick", info: false, headerCheckbox: false, selectable: mayTick },
  layout: { topStart: "info", topEnd: "pageLength", bottomStart: null, bottomEnd: "paging" },
  language: {
    info: "_START_ to _END_ of _TOTAL_ models", infoEmpty: "0 models", infoFiltered: "(_MAX_ without filters)",
    lengthMenu: "_MENU_ a page", zeroRecords: "No model is left by the filters.", emptyTable: "No models.",
  },
  createdRow: (line, row, _, cells) => {
    line.querySelector("th").scope = "row";
    cells.forEach((cell, number) => {
      cell.dataset.label = titles[number];
      if (cell.textContent === DASH) cell.dataset.unknown = "";
    });
    line.querySelector("input")?.setAttribute("aria-label", `Compare ${row.model}`);
    if (row.failure) line.classList.add("failed");
  },
});

// A box that goes on to the right says so, while it does.
function hinted(box) {
  const hint = () => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  box.addEventListener("scroll", hint, { passive: true });
  new ResizeObserver(hint).observe(box);
  hint();
  return hint;
}
const sideBySide = document.getElementById("side-by-side");
document.querySelectorAll(".across:not(#side-by-side)").forEach(hinted);

// DataTables scrolls the table in a box of its own, which the keyboard must be able to reach.
const box = table.table().node().parentElement;
box.id = "table-scroll";
box.tabIndex = 0;
box.setAttribute("role", "region");
box.setAttribute("aria-label", "Table of models, scrolls sideways");
table.on("draw", hinted(box));

const least = (name) => (field(name).value === "" ? null : 1e9 * Number(field(name).value));
const chosen = (name) => field(name)?.value ?? "";

function passes(row) {
  const [from, to, side, protocol] = [least("from"), least("to"), chosen("side"), chosen("protocol")];
  if (chosen("family") && row.family !== chosen("family")) return false;
  if (chosen("license") && row.license !== chosen("license")) return false;
  if (chosen("group") && row.group !== chosen("group")) return false;
  if (side === "failed" ? !row.failure : side && row.side !== side) return false;
  if (protocol !== "" && !row.cells[Number(protocol)].length) return false;
  if ((from !== null || to !== null) && !isKnown(row.params)) return false;
  return (from === null || row.params >= from) && (to === null || row.params <= to);
}

table.search.fixed("filters", (_, row) => passes(row));
const form = document.getElementById("filters");
const refilter = () => table.search(field("text").value).draw();
form.addEventListener("input", refilter);
form.addEventListener("reset", () => setTimeout(refilter));
form.addEventListener("submit", (event) => event.preventDefault());

table.on("click", "button.more", (event) => {
  const button = event.target.closest("button");
  const line = table.row(button.closest("tr"));
  const isOpen = line.child.isShown();
  if (isOpen) line.child.hide();
  else line.child(detailsOf(line.data(), data.protocols), "child").show();
  button.setAttribute("aria-expanded", String(!isOpen));
});

const status = document.getElementById("status");
table.on("select", (event, _, kind, places) => {
  status.textContent = "";
  if (kind === "row" && table.rows({ selected: true }).count() > MOST) {
    table.rows(places).deselect();
    status.textContent = `At most ${MOST} models stand side by side; untick one first.`;
  }
});
const selectedRows = () => table.rows({ selected: true, order: "index" }).data().toArray();
const shownRows = () => table.rows({ search: "applied", order: "index" }).data().toArray();
