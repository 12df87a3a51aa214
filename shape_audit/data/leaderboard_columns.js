// What the columns mean, and which are shown: a list that opens above the table, and the same words beside each header.

const columnList = document.getElementById("columns");
const wordsOf = (column) => (column.note ? `${column.words} (${column.note})` : column.words);

document.getElementById("column-list").append(...shape.flatMap((column, number) => {
  const title = made("dt", wordsOf(column));
  if (!FIXED.includes(column.name)) {
    const box = made("input", [], { type: "checkbox" });
    box.checked = table.column(number).visible();
    box.addEventListener("change", () => { table.column(number).visible(box.checked); remember(); });
    title.replaceChildren(made("label", [box, wordsOf(column)]));
  }
  return [title, made("dd", column.about)];
}));

// Of one header, in a popover; where the browser has none, the list opens. DataTables would sort by a click in a header.
const bubble = document.getElementById("about");
function explain(button) {
  const column = shape.find(({ name }) => name === button.dataset.about);
  if (!bubble.showPopover) {
    columnList.open = true;
    columnList.scrollIntoView();
    return;
  }
  bubble.replaceChildren(made("strong", wordsOf(column)), made("p", column.about));
  bubble.showPopover();
  const { left, top, bottom } = button.getBoundingClientRect();
  bubble.style.left = `${Math.max(8, Math.min(left - 16, innerWidth - bubble.offsetWidth - 8))}px`;
  bubble.style.top = `${bottom + 8 + bubble.offsetHeight < innerHeight ? bottom + 8 : Math.max(8, top - bubble.offsetHeight - 8)}px`;
}
for (const event of ["click", "keypress", "keydown", "mousedown"]) {
  table.table().header().addEventListener(event, (happened) => {
    const button = happened.target.closest("button.about");
    if (!button) return;
    happened.stopPropagation();
    if (event === "click") explain(button);
  }, true);
}
