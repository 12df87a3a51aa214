// What a visitor has chosen stands in the address: filters, order, columns, ticked models and axes. So it survives a
// reload, and can be shared. A link within the page keeps it.

const FIELDS = ["text", "group", "family", "side", "protocol", "license", "from", "to"].filter(field);
const AXES = ["axis-x", "log-x", "axis-y", "log-y"].map(control);
const AT_FIRST = 3;
const ownOrder = JSON.stringify(table.order());
const numberOf = (name) => shape.findIndex((column) => column.name === name);
const valueOf = (element) => (element.type === "checkbox" ? String(element.checked) : element.value);
const axesAtFirst = AXES.map(valueOf);

function choices() {
  const given = new URLSearchParams();
  const say = (name, value, usual = "") => value !== usual && given.set(name, value);
  FIELDS.forEach((name) => say(name, field(name).value));
  if (JSON.stringify(table.order()) !== ownOrder) say("order", orderName(table.order()[0]));
  say("hide", shape.filter((_, number) => !table.column(number).visible()).map(({ name }) => name).join());
  say("compare", selectedRows().map((row) => row.model).join());
  AXES.forEach((element, number) => say(element.id, valueOf(element), axesAtFirst[number]));
  return given.toString();
}

function remember() {
  try { history.replaceState(null, "", `#${choices()}`); } catch { /* a frame without an address of its own */ }
}

const orderName = ([column, direction] = []) => (direction ? `${direction === "desc" ? "-" : ""}${shape[column].name}` : "");

function orderBy(name) {
  if (!name) table.order([]);
  const column = numberOf(name.replace("-", ""));
  if (column >= 0) table.order([column, name.startsWith("-") ? "desc" : "asc"]);
}

function recall() {
  const given = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  FIELDS.forEach((name) => { if (given.has(name)) field(name).value = given.get(name); });
  if (given.has("order")) orderBy(given.get("order"));
  (given.get("hide") ?? "").split(",").map(numberOf).filter((number) => number > 1)
    .forEach((number) => table.column(number).visible(false));
  AXES.forEach((element) => {
    if (!given.has(element.id)) return;
    if (element.type === "checkbox") element.checked = given.get(element.id) === "true";
    else if (known.includes(given.get(element.id))) element.value = given.get(element.id);
  });
  const profiled = data.rows.filter((row) => hasProfile(row) && row.measured.comparable).slice(0, AT_FIRST);
  const named = new Set(given.has("compare") ? given.get("compare").split(",") : profiled.map((row) => row.model));
  const ticked = data.rows.map((row, number) => (named.has(row.model) && mayTick(row) ? number : -1)).filter((number) => number >= 0);
  table.rows((place) => ticked.slice(0, MOST).includes(place)).select();
  if (given.toString()) refilter();
}

const sort = document.getElementById("sort");
sort.append(made("option", "as listed", { value: "" }), ...shape.flatMap((column, number) => column.orderable !== false
  ? (column.orderSequence ?? ["asc", "desc"]).map((direction) => made("option",
      `${titles[number]}, ${direction === "desc" ? "descending" : "ascending"}`, { value: `${direction === "desc" ? "-" : ""}${column.name}` }))
  : []));
sort.addEventListener("change", () => { orderBy(sort.value); table.draw(); });
const showOrder = () => { sort.value = orderName(table.order()[0]); };

recall();
showOrder();
table.on("draw", showOrder);
table.on("draw select deselect", remember);
AXES.forEach((element) => element.addEventListener("change", remember));
addEventListener("hashchange", () => { if (!location.hash.includes("=")) remember(); });
