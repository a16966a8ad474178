"use strict";
/* A suite's page: sort, filter, choose the metric, pick two systems, bars by concept. */
document.addEventListener("DOMContentLoaded", () => {
  const { all, html, number, cellOf, domain, mark, axis, bars, whenResized } = window.lassbench.charts;
  const at = (id) => document.getElementById(id);
  const table = at("standings");
  const body = table.tBodies[0];
  const search = at("search");
  const metric = at("metric");
  const standing = at("standing");
  const seen = at("hide-seen");
  const types = all("input[name=type]");
  const names = [...metric.options].map((o) => o.value);
  const title = () => metric.selectedOptions[0].textContent;
  const unit = () => metric.selectedOptions[0].dataset.unit;
  let sorted = { key: metric.value, down: true };

  /* What every row is sorted and drawn by, read once from the table that is there. */
  const facts = all("tr[data-slug]", body).map((row) => {
    const cells = {};
    all("td[data-m]", row).forEach(({ dataset: d }) => {
      cells[d.m] = { cell: cellOf(d), rank: d.r, ranks: d.rr, order: d.ro === "" ? Infinity : Number(d.ro) };
    });
    const name = row.querySelector(".name").textContent;
    const { slug, text, type, standing: stands, seen: heard, parameters } = row.dataset;
    return {
      row, slug, name, lower: name.toLowerCase(), text, type, stands, seen: heard === "1",
      parameters: parameters === "" ? null : Number(parameters), cells,
      rank: row.querySelector(".rank"), plot: row.querySelector("td.plot"), pick: row.querySelector("input.pick")
    };
  });
  const figure = (fact) => fact.cells[metric.value];
  const byName = (a, b) => a.lower < b.lower ? -1 : 1;

  function value(fact, key) {
    if (key === "name") { return fact.lower; }
    if (key === "parameters") { return fact.parameters; }
    if (key === "rank") { return figure(fact).order === Infinity ? null : figure(fact).order; }
    const cell = fact.cells[key].cell;
    return cell && cell[0];
  }

  function before(a, b) {
    const x = value(a, sorted.key);
    const y = value(b, sorted.key);
    /* What has no value stands last, whichever way the rest is sorted. */
    if (x === null || y === null) { return (x === null) - (y === null) || byName(a, b); }
    return x === y ? byName(a, b) : (x < y) === sorted.down ? 1 : -1;
  }

  function sort() {
    body.append(...facts.slice().sort(before).map((fact) => fact.row));
    all("th[data-key]", table.tHead).forEach((head) => {
      if (head.dataset.key === sorted.key) {
        head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      } else {
        head.removeAttribute("aria-sort");
      }
    });
  }

  function filter() {
    const wanted = search.value.trim().toLowerCase();
    const allowed = types.filter((box) => box.checked).map((box) => box.value);
    facts.forEach((fact) => {
      fact.row.hidden = !(allowed.includes(fact.type) && fact.text.includes(wanted) &&
        (!standing.value || fact.stands === standing.value) && !(seen && seen.checked && fact.seen));
    });
    const shown = facts.filter((fact) => !fact.row.hidden).length;
    at("none-left").hidden = shown > 0;
    return shown;
  }

  function draw() {
    const range = domain(facts.map((fact) => figure(fact).cell));
    axis(table, range, unit());
    facts.forEach((fact) => {
      const { rank, ranks, cell } = figure(fact);
      fact.rank.firstElementChild.textContent = rank;
      fact.rank.lastElementChild.textContent = ranks === rank ? "" : ranks;
      mark(fact.plot, cell, range, fact.type);
    });
    names.forEach((name) => table.classList.toggle("by-" + name, name === metric.value));
    at("shared").textContent = metric.selectedOptions[0].dataset.shared;
  }

  function say() {
    const head = table.tHead.querySelector(`th[data-key='${sorted.key}'] button`);
    const ways = { name: ["A to Z", "Z to A"], rank: ["best first", "last first"] };
    const way = (ways[sorted.key] || ["lowest first", "highest first"])[Number(sorted.down)];
    at("status").textContent = `${filter()} of ${facts.length} systems, by ${head.textContent.trim()}, ${way}`;
  }

  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) { return; }
    const key = button.closest("th").dataset.key;
    sorted = { key, down: sorted.key === key ? !sorted.down : names.includes(key) };
    if (names.includes(key) && metric.value !== key) {
      metric.value = key;
      draw();
      drawBars();
    }
    sort();
    say();
  });
  metric.addEventListener("change", () => {
    sorted = { key: metric.value, down: true };
    draw();
    sort();
    say();
    drawBars();
  });
  search.addEventListener("input", say);
  [standing, seen, ...types].forEach((one) => one && one.addEventListener("change", say));

  /* Two systems ticked: the way to their comparison opens. */
  const picked = () => facts.filter((fact) => fact.pick.checked);
  function offer() {
    const [one, two] = picked();
    const link = at("compare").querySelector("a");
    at("compare").hidden = !one;
    link.hidden = !two;
    at("compare").querySelector("span").textContent =
      two ? `${one.name} and ${two.name}` : one ? one.name + ": tick one more to compare" : "";
    if (two) { link.href = `compare.html#a=${encodeURIComponent(one.slug)}&b=${encodeURIComponent(two.slug)}`; }
  }
  body.addEventListener("change", (event) => {
    if (!event.target.classList.contains("pick")) { return; }
    const ticked = picked();
    if (ticked.length > 2) { ticked.find((fact) => fact.pick !== event.target).pick.checked = false; }
    offer();
  });

  /* Bars by concept or annotator, for up to four systems. */
  const chooser = at("bar-systems");
  let chosen = [];
  let asked = false;
  function drawBars() {
    if (!chooser || asked) { return; }
    asked = true;
    /* After the table has been drawn: that is what the reader waits for. */
    window.requestAnimationFrame(() => window.setTimeout(() => {
      asked = false;
      window.lassbench.load("suite", "data/suite.js", (systems) => {
        if (!chosen.length) { chosen = first(); }
        menu();
        all("figure[data-by]").forEach((one) => group(one, systems));
      });
    }, 0));
  }
  /* To begin with: the two best, and what they stand between. */
  function first() {
    const order = facts.slice().sort((a, b) => figure(a).order - figure(b).order);
    const ranked = order.filter((f) => figure(f).order !== Infinity && f.type !== "none");
    const references = order.filter((f) => f.type === "oracle" || f.type === "none");
    return [...ranked.slice(0, references.length ? 2 : 3), ...references.slice(-1)].map((f) => f.slug);
  }
  let offered = "";
  function menu() {
    if (offered === chosen.join(" ")) { return; }
    offered = chosen.join(" ");
    chooser.textContent = "";
    html("option", { value: "" }, chooser, "Add a system\u2026");
    facts.filter((fact) => !chosen.includes(fact.slug)).sort(byName)
      .forEach((fact) => html("option", { value: fact.slug }, chooser, fact.name));
    chooser.value = "";
    chooser.disabled = chosen.length >= 4;
    at("bar-chosen").textContent = "";
    chosen.forEach((slug, index) => {
      const { name } = facts.find((fact) => fact.slug === slug);
      const item = html("li", {}, at("bar-chosen"));
      html("span", { "class": "swatch s" + index, "aria-hidden": "true" }, item);
      item.append(name + " ");
      const label = "Take " + name + " out of the chart";
      html("button", { type: "button", "class": "drop", "aria-label": label }, item, "\u00d7").addEventListener("click", () => {
        chosen = chosen.filter((other) => other !== slug);
        drawBars();
        chooser.focus();
      });
    });
  }
  function group(place, systems) {
    const by = place.dataset.by;
    const own = chosen.map((slug) => systems[slug].by[by] || {});
    const series = chosen.map((slug) => systems[slug].name);
    const values = [...new Set(own.flatMap(Object.keys))].sort();
    const which = names.indexOf(metric.value);
    const groups = values.map((label) => ({ label, cells: own.map((cells) => (cells[label] || [])[which] || null) }));
    const label = `${title()} by ${by} of ${series.join(", ")}. The numbers are in the table below.`;
    bars(place.querySelector(".drawing"), { groups, series: series.length, unit: unit(), label });
    place.querySelector(".what").textContent = title();
    const head = place.querySelector("thead tr");
    const rest = place.querySelector("tbody");
    head.textContent = rest.textContent = "";
    [by, ...series].forEach((name) => html("th", { scope: "col" }, head, name));
    groups.forEach((one) => {
      const line = html("tr", {}, rest);
      html("th", { scope: "row" }, line, one.label);
      one.cells.forEach((cell) => {
        const ends = cell && cell[1] !== null ? ` (${number(cell[1])} to ${number(cell[2])})` : "";
        html("td", {}, line, cell ? number(cell[0]) + ends : "\u2013");
      });
    });
  }
  if (chooser) {
    chooser.addEventListener("change", () => {
      if (chooser.value && chosen.length < 4) { chosen.push(chooser.value); drawBars(); }
    });
    whenResized(document.querySelector("figure[data-by] .drawing"), drawBars);
  }

  draw();
  sort();
  say();
  offer();
  document.documentElement.classList.add("ready");
});
