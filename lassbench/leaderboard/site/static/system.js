"use strict";
/* A system's page: its intervals by concept, and how its queries spread. */
document.addEventListener("DOMContentLoaded", function () {
  var charts = window.lassbench.charts;
  var page = document.getElementById("system");
  var metric = document.getElementById("metric");
  var spread = document.getElementById("spread");
  if (!page || !metric) { return; }
  var data = "../data/system." + page.dataset.slug + ".js";

  Array.prototype.forEach.call(document.querySelectorAll("table.marked"), function (table) {
    var rows = Array.prototype.slice.call(table.tBodies[0].rows);
    var cells = rows.map(function (row) {
      var d = row.querySelector("td[data-v]").dataset;
      return d.v === "" ? null : [Number(d.v), d.lo === "" ? null : Number(d.lo), d.hi === "" ? null : Number(d.hi)];
    });
    var range = charts.domain(cells);
    var head = table.querySelector("th.plot .axis-box");
    if (head) { charts.axis(head, range, table.dataset.unit); }
    charts.lines(table, range);
    rows.forEach(function (row, index) { charts.mark(row.querySelector("td.plot"), cells[index], range, ""); });
  });

  function draw() {
    var option = metric.selectedOptions[0];
    window.lassbench.load("system:" + page.dataset.slug, data, function (found) {
      var values = found.values[metric.value];
      var defined = values.filter(function (v) { return v !== null; }).sort(function (a, b) { return a - b; });
      var facts = defined.length ? "Median " + charts.number(charts.quantile(defined, 0.5)) + " " + option.dataset.unit + ", half of the queries between " + charts.number(charts.quantile(defined, 0.25)) + " and " + charts.number(charts.quantile(defined, 0.75)) + "." : "Undefined for every query.";
      charts.histogram(spread, values, { unit: option.textContent + (option.dataset.unit ? " (" + option.dataset.unit + ")" : ""), label: "Histogram of " + option.textContent + " over " + defined.length + " queries. " + facts });
      document.getElementById("spread-facts").textContent = facts;
    });
  }
  metric.addEventListener("change", draw);
  charts.whenResized(spread, draw);
  document.documentElement.classList.add("ready");
});
