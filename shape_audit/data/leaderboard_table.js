// The table: DataTables with its Select extension. Filters are the form's own fields, which a phone and a screen reader
// know, given to DataTables as one fixed search. What is searched in is escaped too: DataTables makes HTML of it once, to
// undo references.

const data = JSON.parse(document.getElementById("data").textContent);
const field = (name) => document.getElementById(`filter-${name}`);
const MOST = 6;

// Unknown numbers come last in both directions.
const order = (sign) => (a, b) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : sign * (a - b));
DataTable.type("number-or-none", "order", { asc: order(1), desc: order(-1) });

const byNumber = (title, display, sort, more = {}) => ({
  title, className: "num", type: "number-or-none", searchable: false, orderSequence: ["desc", "asc"],
  data: null, render: (row, kind) => (kind === "display" ? display(row) : (sort(row) ?? null)), ...more,
});
const byText = (title, words, more = {}) => ({
  title, type: "string", searchable: false, data: null,
  render: (row, kind) => (kind === "display" ? text(words(row) ?? DASH) : (words(row) ?? "\uffff")), ...more,
});

function columns() {
  const measured = (title, name, written) => byNumber(title, (row) => measuredCell(row, written), (row) => ranked(row, name),
    { name });
  const found = [
    { title: "<small>Compare</small>", className: "pick", orderable: false, searchable: false,
      data: null, render: DataTable.render.select() },
    { title: "Model", className: "model", cellType: "th", type: "string", data: null,
      render: (row, kind) => kind === "display" ? modelCell(row) : kind === "filter"
        ? text([row.model, row.family, row.kind, row.group, row.failure, ...row.notes].filter(Boolean).join("\n")) : row.model,
      name: "model" },
    byText("Family", (row) => row.family, { name: "family" }),
    byText("Kind", (row) => row.kind, { name: "kind" }),
    byNumber("Params", (row) => rounded(row.params), (row) => row.params, { name: "params" }),
    byNumber("Layers<br>× width", (row) => isKnown(row.layers) ? `${row.layers} × ${count(row.width)}` : DASH, (row) => row.layers,
      { name: "shape" }),
    byNumber("R<sub>D/W</sub>", (row) => fixed(row.r, 4), (row) => row.r, { name: "r_dw" }),
    byText("Placement", placement, { className: "side", name: "side" }),
    byNumber("Log-distance", (row) => fixed(row.distance, 2), (row) => row.distance, { name: "log_distance" }),
    byNumber('<span class="line">Cost, %</span><small>of loss, 95 %</small>', costCell, (row) => row.cost, { name: "shape_cost" }),
  ];
  data.protocols.forEach((protocol, number) => {
    found.push(byNumber(`<span class="line">MMLU-Pro, %</span><small>${text(protocol.label)}</small>`,
      (row) => scoreCell(row, number), (row) => shown(row, number)[0]?.value, { name: number ? `score-${number}` : "score" }));
    if (protocol.has_size) {
      found.push(byNumber(`<span class="line">Against size</span><small>${text(protocol.label)}</small>`,
        (row) => sizeCell(row, number), (row) => shown(row, number).find((score) => score.size)?.size.residual,
        { name: `size-${number}` }));
    }
  });
  if (data.rows.some((row) => row.measured)) {
    found.push(
      measured("Bits / byte", "bits", (m) => fixed(m.bits, 3)),
      measured('<span class="line">Width used, %</span><small>effective rank</small>', "used",
        (m) => significant(isKnown(m.used) ? 100 * m.used : null) + (isKnown(m.rank) ? small(significant(m.rank)) : "")),
      measured('<span class="line">Alignment</span><small>of channels, 95 %</small>', "alignment",
        (m) => fixed(m.alignment, 3) + ends(m.alignment_ci, 3)),
      measured('<span class="line">AOFE-ratio</span><small>95 %; random basis</small>', "ratio",
        (m) => fixed(m.ratio, 3) + ends(m.ratio_ci, 3) + (isKnown(m.random) ? small(`random ${fixed(m.random, 3)}`) : "") +
          (m.noise ? ' <span class="mark">≈ noise</span>' : "")),
    );
  }
  if (data.rows.some((row) => row.measured && isKnown(row.measured.functional))) {
    found.push(measured('<span class="line">Width that matters, %</span><small>functional rank</small>', "functional",
      (m) => significant(isKnown(m.functional) ? 100 * m.functional : null)));
  }
  if (data.rows.some((row) => row.measured && isKnown(row.measured.cheap))) {
    found.push(measured('<span class="line">Blocks under 1 %</span><small>of loss, left out</small>', "cheap",
      (m, row) => isKnown(m.cheap) ? `${m.cheap} of ${row.layers}` : DASH));
  }
  return found;
}

function plain(title) {
  const holder = document.createElement("template");
  holder.innerHTML = title.replace(/<br>|<small>/g, " $&");
  return holder.content.textContent.trim();
}

const shape = columns();
const titles = shape.map(({ title }) => plain(title));
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

// DataTables scrolls the table in a box of its own, which the keyboard must be able to reach.
const box = table.table().node().parentElement;
box.id = "table-scroll";
box.tabIndex = 0;
box.setAttribute("role", "region");
box.setAttribute("aria-label", "Table of models, scrolls sideways");
const hint = () => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
box.addEventListener("scroll", hint, { passive: true });
addEventListener("resize", hint);
table.on("draw", hint);
hint();

const least = (name) => (field(name).value === "" ? null : 1e9 * Number(field(name).value));
const chosen = (name) => field(name)?.value ?? "";

function passes(row) {
  const [from, to, side, protocol] = [least("from"), least("to"), chosen("side"), chosen("protocol")];
  if (chosen("family") && row.family !== chosen("family")) return false;
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
