// Ticked models side by side: a line for each column of the table.

function drawComparison() {
  const rows = selectedRows();
  const cell = (column, row) => {
    const holder = document.createElement("td");
    holder.innerHTML = column.render ? column.render(row, "display") : "";
    return holder;
  };
  const compared = shape.map((column, number) => [column, number]).filter(([{ name }]) => !FIXED.includes(name));
  const told = ([column]) => rows.some((row) => column.render(row, "display") !== DASH);
  const head = made("tr", [made("th", "quantity", { scope: "col" }), ...rows.map((row) => made("th", row.model, { scope: "col" }))]);
  const body = compared.filter(told).map(([column, number]) =>
    made("tr", [made("th", titles[number], { scope: "row" }), ...rows.map((row) => cell(column, row))]));
  sideBySide.replaceChildren(...(rows.length ? [made("table",
    [made("caption", "Models ticked in the table"), made("thead", head), made("tbody", body)], { class: "small" })] : []));
  hintSideBySide();
}

const hintSideBySide = hinted(sideBySide);
table.on("select deselect", drawComparison);
drawComparison();
