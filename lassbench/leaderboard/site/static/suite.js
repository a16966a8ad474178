"use strict";
/* A suite's page: sort, filter, choose the metric, pick two systems, bars by concept. */
document.addEventListener("DOMContentLoaded", function () {
  var charts = window.lassbench.charts;
  var table = document.getElementById("standings");
  if (!table) { return; }
  var body = table.tBodies[0];
  var rows = Array.prototype.slice.call(body.querySelectorAll("tr[data-slug]"));
  var status = document.getElementById("status");
  var search = document.getElementById("search");
  var metric = document.getElementById("metric");
  var types = Array.prototype.slice.call(document.querySelectorAll("input[name=type]"));
  var standing = document.getElementById("standing");
  var seen = document.getElementById("hide-seen");
  var compare = document.getElementById("compare");
  var names = Array.prototype.map.call(metric.options, function (o) { return o.value; });
  var units = Array.prototype.map.call(metric.options, function (o) { return o.dataset.unit; });
  var sorted = { key: metric.value, down: true };

  /* What every row is sorted and drawn by, read once from the table that is there. */
  var facts = rows.map(function (row) {
    var cells = {};
    Array.prototype.forEach.call(row.querySelectorAll("td[data-m]"), function (cell) {
      var d = cell.dataset;
      cells[d.m] = {
        cell: d.v === "" ? null : [Number(d.v), d.lo === "" ? null : Number(d.lo), d.hi === "" ? null : Number(d.hi)],
        rank: d.r, ranks: d.rr, order: d.ro === "" ? Infinity : Number(d.ro)
      };
    });
    var text = row.querySelector(".name").textContent;
    return {
      row: row, slug: row.dataset.slug, name: text, lower: text.toLowerCase(), words: row.dataset.text,
      type: row.dataset.type, standing: row.dataset.standing, seen: row.dataset.seen === "1",
      parameters: row.dataset.parameters === "" ? null : Number(row.dataset.parameters),
      cells: cells, rank: row.querySelector(".rank"), plot: row.querySelector("td.plot"),
      pick: row.querySelector("input.pick")
    };
  });

  function value(fact, key) {
    if (key === "name") { return fact.lower; }
    if (key === "parameters") { return fact.parameters; }
    if (key === "rank") {
      var order = fact.cells[metric.value].order;
      return order === Infinity ? null : order;
    }
    var cell = fact.cells[key].cell;
    return cell ? cell[0] : null;
  }

  function before(a, b) {
    var x = value(a, sorted.key);
    var y = value(b, sorted.key);
    /* What has no value stands last, whichever way the rest is sorted. */
    if (x === null || y === null) { return (x === null) - (y === null) || (a.lower < b.lower ? -1 : 1); }
    if (x === y) { return a.lower < b.lower ? -1 : 1; }
    return (x < y ? -1 : 1) * (sorted.down ? -1 : 1);
  }

  function sort() {
    var order = facts.slice().sort(before);
    var all = document.createDocumentFragment();
    order.forEach(function (fact) { all.appendChild(fact.row); });
    body.appendChild(all);
    Array.prototype.forEach.call(table.tHead.querySelectorAll("th[data-key]"), function (head) {
      var mine = head.dataset.key === sorted.key;
      if (mine) {
        head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      } else {
        head.removeAttribute("aria-sort");
      }
    });
  }

  function matches(fact) {
    var wanted = search.value.trim().toLowerCase();
    var type = types.some(function (box) { return box.checked && box.value === fact.type; });
    return type && (!wanted || fact.words.indexOf(wanted) >= 0) &&
      (!standing.value || fact.standing === standing.value) && !(seen && seen.checked && fact.seen);
  }

  function filter() {
    var shown = 0;
    facts.forEach(function (fact) {
      var yes = matches(fact);
      fact.row.hidden = !yes;
      shown += yes ? 1 : 0;
    });
    document.getElementById("none-left").hidden = shown > 0;
    return shown;
  }

  function draw() {
    var range = charts.domain(facts.map(function (fact) { return fact.cells[metric.value].cell; }));
    charts.axis(table.querySelector("th.plot .axis-box"), range, units[names.indexOf(metric.value)]);
    charts.lines(table, range);
    facts.forEach(function (fact) {
      var figure = fact.cells[metric.value];
      fact.rank.firstElementChild.textContent = figure.rank;
      fact.rank.lastElementChild.textContent = figure.ranks === figure.rank ? "" : figure.ranks;
      charts.mark(fact.plot, figure.cell, range, fact.type === "oracle" || fact.type === "none" ? "reference" : "");
    });
    names.forEach(function (name) {
      table.classList.toggle("by-" + name, name === metric.value);
    });
    document.getElementById("shared").textContent = metric.selectedOptions[0].dataset.shared;
  }

  function say() {
    var head = table.tHead.querySelector("th[data-key='" + sorted.key + "']");
    var way = sorted.down ? "highest first" : "lowest first";
    if (sorted.key === "name") { way = sorted.down ? "Z to A" : "A to Z"; }
    if (sorted.key === "rank") { way = sorted.down ? "last first" : "best first"; }
    status.textContent = filter() + " of " + facts.length + " systems, by " +
      head.querySelector("button").textContent.trim() + ", " + way;
  }

  function all() { draw(); sort(); say(); }

  table.tHead.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) { return; }
    var key = button.closest("th").dataset.key;
    var down = key !== "name" && key !== "rank" && key !== "parameters";
    sorted = { key: key, down: sorted.key === key ? !sorted.down : down };
    if (names.indexOf(key) >= 0 && metric.value !== key) {
      metric.value = key;
      draw();
      bars();
    }
    sort();
    say();
  });
  metric.addEventListener("change", function () {
    sorted = { key: metric.value, down: true };
    all();
    bars();
  });
  search.addEventListener("input", say);
  standing.addEventListener("change", say);
  types.forEach(function (box) { box.addEventListener("change", say); });
  if (seen) { seen.addEventListener("change", say); }

  /* Two systems ticked: the way to their comparison opens. */
  function picked() { return facts.filter(function (fact) { return fact.pick && fact.pick.checked; }); }
  function offer() {
    var two = picked();
    var link = compare.querySelector("a");
    compare.hidden = two.length === 0;
    link.hidden = two.length !== 2;
    compare.querySelector("span").textContent = two.length === 2 ?
      two[0].name + " and " + two[1].name : two.map(function (fact) { return fact.name; }).join("") + ": tick one more to compare";
    if (two.length === 2) {
      link.href = "compare.html#a=" + encodeURIComponent(two[0].slug) + "&b=" + encodeURIComponent(two[1].slug);
    }
  }
  body.addEventListener("change", function (event) {
    if (!event.target.classList.contains("pick")) { return; }
    var two = picked();
    if (two.length > 2) {
      two.filter(function (fact) { return fact.pick !== event.target; })[0].pick.checked = false;
    }
    offer();
  });

  /* Bars by concept or annotator, for up to four systems. */
  var chooser = document.getElementById("bar-systems");
  var chosen = [];
  var asked = false;
  function bars() {
    if (!chooser || asked) { return; }
    asked = true;
    /* After the table has been drawn: that is what the reader waits for. */
    window.requestAnimationFrame(function () { window.setTimeout(drawBars, 0); });
  }
  function drawBars() {
    asked = false;
    window.lassbench.load("suite", "data/suite.js", function (data) {
      if (!chosen.length) { chosen = first(data); }
      menu(data);
      Array.prototype.forEach.call(document.querySelectorAll("figure[data-by]"), function (figure) { group(figure, data); });
    });
  }
  /* To begin with: the two best, and what they stand between. */
  function first(data) {
    var order = facts.slice().sort(function (a, b) { return a.cells[metric.value].order - b.cells[metric.value].order; });
    var ranked = order.filter(function (f) { return f.cells[metric.value].order !== Infinity && f.type !== "none"; });
    var references = order.filter(function (f) { return f.type === "oracle" || f.type === "none"; });
    return ranked.slice(0, references.length ? 2 : 3).concat(references.slice(-1))
      .map(function (f) { return f.slug; }).filter(function (slug) { return slug in data.systems; });
  }
  var offered = "";
  function menu(data) {
    if (offered === chosen.join(" ")) { return; }
    offered = chosen.join(" ");
    chooser.textContent = "";
    facts.slice().sort(function (a, b) { return a.lower < b.lower ? -1 : 1; }).forEach(function (fact) {
      if (chosen.indexOf(fact.slug) >= 0) { return; }
      charts.html("option", { value: fact.slug }, chooser, fact.name);
    });
    chooser.insertBefore(charts.html("option", { value: "" }, null, "Add a system\u2026"), chooser.firstChild);
    chooser.value = "";
    chooser.disabled = chosen.length >= 4;
    var list = document.getElementById("bar-chosen");
    list.textContent = "";
    chosen.forEach(function (slug, index) {
      var item = charts.html("li", {}, list);
      charts.html("span", { "class": "swatch s" + index, "aria-hidden": "true" }, item);
      item.appendChild(document.createTextNode(data.systems[slug].name + " "));
      var drop = charts.html("button", { type: "button", "class": "drop" }, item, "\u00d7");
      drop.setAttribute("aria-label", "Take " + data.systems[slug].name + " out of the chart");
      drop.addEventListener("click", function () {
        chosen = chosen.filter(function (one) { return one !== slug; });
        bars();
        chooser.focus();
      });
    });
  }
  function group(figure, data) {
    var by = figure.dataset.by;
    var which = names.indexOf(metric.value);
    var values = {};
    chosen.forEach(function (slug) { Object.keys(data.systems[slug].by[by] || {}).forEach(function (v) { values[v] = true; }); });
    var groups = Object.keys(values).sort().map(function (v) {
      return { label: v, cells: chosen.map(function (slug) { return ((data.systems[slug].by[by] || {})[v] || [])[which] || null; }) };
    });
    var series = chosen.map(function (slug) { return data.systems[slug].name; });
    var title = metric.selectedOptions[0].textContent;
    charts.bars(figure.querySelector(".drawing"), { groups: groups, series: series, unit: units[which], label: title + " by " + by + " of " + series.join(", ") + ". The numbers are in the table below." });
    figure.querySelector(".what").textContent = title;
    var head = figure.querySelector("thead tr");
    var rest = figure.querySelector("tbody");
    head.textContent = "";
    rest.textContent = "";
    charts.html("th", { scope: "col" }, head, by);
    series.forEach(function (name) { charts.html("th", { scope: "col" }, head, name); });
    groups.forEach(function (one) {
      var line = charts.html("tr", {}, rest);
      charts.html("th", { scope: "row" }, line, one.label);
      one.cells.forEach(function (cell) {
        charts.html("td", {}, line, cell ? charts.number(cell[0]) + (cell[1] === null ? "" : " (" + charts.number(cell[1]) + " to " + charts.number(cell[2]) + ")") : "\u2013");
      });
    });
  }
  if (chooser) {
    chooser.addEventListener("change", function () {
      if (chooser.value && chosen.length < 4) { chosen.push(chooser.value); bars(); }
    });
    charts.whenResized(document.querySelector("figure[data-by] .drawing"), bars);
  }

  all();
  offer();
  document.documentElement.classList.add("ready");
});
