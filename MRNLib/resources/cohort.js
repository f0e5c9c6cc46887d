"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("cases"), body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const filter = document.getElementById("filter"), count = document.getElementById("count");
  const more = document.getElementById("more");
  let rows = data.rows, column = -1, down = false, shown = data.shown;

  function cell(value, index) {
    const made = document.createElement("td");
    if (data.columns[index][1]) made.className = "n";
    if (value === null || value === "") made.textContent = index === 1 ? "" : data.columns[index][1] ? "–" : "";
    else if (index === 2 || index === 3) made.textContent = value.toFixed(2);
    else if (index === 8 || index === 9) made.textContent = value.toFixed(1);
    else made.textContent = value;
    return made;
  }
  function line(row) {
    const made = document.createElement("tr");
    if (String(row[10]).startsWith("failed")) made.className = "failed";
    for (let i = 0; i < data.columns.length; i++) made.append(cell(row[i], i));
    if (row[11] && data.links.results) {
      const link = document.createElement("a");
      link.href = data.links.results + "/" + encodeURIComponent(row[0]) + "/" + data.links.report;
      link.textContent = row[0];
      made.cells[0].replaceChildren(link);
    }
    return made;
  }
  function counted(number) { return number.toLocaleString("en").replaceAll(",", "\u2009"); }
  function draw() {
    body.replaceChildren(...rows.slice(0, shown).map(line));
    const seen = Math.min(shown, rows.length);
    count.textContent = counted(seen) + " of " + counted(rows.length) + " rows";
    more.hidden = seen === rows.length;
  }
  function compare(one, other) {
    const a = one[column], b = other[column];
    const none = value => value === null || value === undefined || value === "";
    if (none(a) || none(b)) return none(a) - none(b);  // empty ones last, whichever way
    const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return down ? -order : order;
  }
  function arrange() {
    const wanted = filter.value.trim().toLowerCase();
    rows = wanted
      ? data.rows.filter(row => [0, 1, 4, 6, 10].some(i => String(row[i] || "").toLowerCase().includes(wanted)))
      : data.rows.slice();
    if (column >= 0) rows.sort(compare);
    heads.forEach((head, i) => head.setAttribute("aria-sort",
      i !== column ? "none" : down ? "descending" : "ascending"));
    shown = data.shown;
    draw();
  }
  heads.forEach((head, i) => head.firstElementChild.addEventListener("click", () => {
    down = column === i ? !down : data.columns[i][1];  // of numbers the largest first
    column = i;
    arrange();
  }));
  filter.addEventListener("input", arrange);
  more.addEventListener("click", () => { shown += data.shown; draw(); });
  document.getElementById("tools").hidden = false;
  draw();
})();
