// SPDX-License-Identifier: GPL-2.0-only
// Sorts tables by a column and filters the list of cases.  The page is complete without it.
"use strict";

const texts = new Intl.Collator("en", { numeric: true });

function valueOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.key === undefined ? cell.textContent : Number(cell.dataset.key);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return texts.compare(a, b);
}

function sortBy(table, column, head) {
  const ascending = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const rows = Array.from(table.tBodies[0].rows, (row) => ({ row, value: valueOf(row, column) }));
  rows.sort((a, b) => (ascending ? compare(a.value, b.value) : compare(b.value, a.value)));
  table.tBodies[0].append(...rows.map(({ row }) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length < 2) continue;
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, column, head));
    head.append(button);
  });
}

function labelled(type, text, first) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = type;
  label.append(...(first ? [text + " ", input] : [input, " " + text]));
  return { label, input };
}

function addFilter(table) {
  const form = document.createElement("form");
  const search = labelled("search", "Filter", true);
  const fieldset = document.createElement("fieldset");
  const legend = document.createElement("legend");
  const count = document.createElement("output");
  const boxes = table.dataset.statuses.split(" ").map((status) => {
    const box = labelled("checkbox", status, false);
    box.input.checked = true;
    box.input.value = status;
    return box;
  });
  const rows = Array.from(table.tBodies[0].rows);
  const update = () => {
    const wanted = search.input.value.toLowerCase();
    const statuses = new Set(boxes.filter(({ input }) => input.checked).map(({ input }) => input.value));
    let shown = 0;
    for (const row of rows) {
      row.hidden = !statuses.has(row.cells[0].textContent) || !row.textContent.toLowerCase().includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    count.value = shown + " of " + rows.length + " cases";
  };
  form.className = "filter";
  form.setAttribute("role", "search");
  legend.textContent = "Status";
  fieldset.append(legend, ...boxes.map(({ label }) => label));
  form.append(search.label, fieldset, count);
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  table.parentElement.before(form);
  update();
}

document.querySelectorAll("table.filtered").forEach(addFilter);
