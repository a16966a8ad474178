"use strict";
/* The front page: a point with its interval for the first systems of each suite. */
document.addEventListener("DOMContentLoaded", function () {
  var charts = window.lassbench.charts;
  Array.prototype.forEach.call(document.querySelectorAll("table.brief"), function (table) {
    var rows = Array.prototype.slice.call(table.tBodies[0].rows);
    var cells = rows.map(function (row) {
      var d = row.querySelector("td[data-v]").dataset;
      return d.v === "" ? null : [Number(d.v), d.lo === "" ? null : Number(d.lo), d.hi === "" ? null : Number(d.hi)];
    });
    var range = charts.domain(cells);
    charts.lines(table, range);
    rows.forEach(function (row, index) { charts.mark(row.querySelector("td.plot"), cells[index], range, row.dataset.type === "oracle" || row.dataset.type === "none" ? "reference" : ""); });
  });
  document.documentElement.classList.add("ready");
});
