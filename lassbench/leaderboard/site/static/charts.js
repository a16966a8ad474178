"use strict";
/* The drawings of all pages: points with intervals, bars, histograms, scatter. Plain SVG, no library. */
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  function filled(node, attributes, parent, text) {
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    if (text !== undefined) { node.textContent = text; }
    if (parent) { parent.appendChild(node); }
    return node;
  }
  const svg = (name, attributes, parent, text) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, parent, text);
  const html = (name, attributes, parent, text) =>
    filled(document.createElement(name), attributes, parent, text);

  function number(value, digits = 2) {
    if (value === null || !isFinite(value)) { return "\u2013"; }
    const text = value.toFixed(digits);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
  }

  const signed = (value) => (value > 0 ? "+" : "") + number(value);

  /* [mean, low, high] as a table's cell has them in its attributes; null without a mean. */
  function cellOf(data) {
    const [mean, low, high] = [data.v, data.lo, data.hi].map((text) => text === "" ? null : Number(text));
    return mean === null ? null : [mean, low, high];
  }

  /* Round steps of an axis: 1, 2 or 5 times a power of ten. */
  function ticks(low, high, wanted) {
    const raw = (high - low || 1) / wanted;
    const power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k += 1) { found.push(k * step + 0); }
    return found;
  }

  const tickText = (value) => number(value, Math.abs(value - Math.round(value)) > 1e-6 ? 1 : 0);

  const scale = (low, high, from, to) => (value) => from + (value - low) / (high - low || 1) * (to - from);

  /* The range of some [mean, low, high], with zero in it and a little air. */
  function domain(cells) {
    const values = cells.flatMap((cell) => cell || []).filter((value) => value !== null && isFinite(value));
    const low = values.reduce((a, b) => Math.min(a, b), 0);
    const high = values.reduce((a, b) => Math.max(a, b), 0);
    const air = (high - low || 1) * 0.04;
    return [low < 0 ? low - air : 0, high > 0 ? high + air : low < 0 ? 0 : 1];
  }

  /* Where a value stands in a drawing that is 240 wide, with room for half a dot at both ends. */
  const place = (value, range) => scale(range[0], range[1], 4, 236)(value);

  /* The lines at an axis's ticks, behind every cell of a column at once. */
  function lines(table, range) {
    table.style.setProperty("--ticks", ticks(range[0], range[1], 4).map((value) => {
      const at = (place(value, range) / 2.4).toFixed(2) + "%";
      const [from, to] = [`calc(${at} - .5px)`, `calc(${at} + .5px)`];
      return `linear-gradient(to right, transparent ${from}, var(${value === 0 ? "--soft" : "--faint"}) ${from} ${to}, transparent ${to})`;
    }).join(", "));
  }

  /* A point with its interval in a table cell, on the axis of the whole column; grey for what is no contestant.
     A second call moves what the first one drew: hundreds of rows change at once. */
  function mark(parent, cell, range, type) {
    let parts = parent.lassbenchMark;
    if (!parts) {
      const kind = type === "oracle" || type === "none" ? "reference" : "";
      const picture = svg("svg", { viewBox: "0 0 240 20", preserveAspectRatio: "none", "class": "mark " + kind, "aria-hidden": "true", focusable: "false" }, parent);
      parts = parent.lassbenchMark = {
        reach: svg("line", { y1: 10, y2: 10, "class": "reach" }, picture),
        /* A line of no length with round ends: a dot that stays round when the picture is stretched. */
        dot: svg("line", { y1: 10, y2: 10, "class": "dot" }, picture)
      };
    }
    stretch(parts.dot, cell ? [cell[0], cell[0]] : null, range);
    stretch(parts.reach, cell && cell[1] !== null && cell[2] !== null ? [cell[1], cell[2]] : null, range);
  }

  function stretch(line, ends, range) {
    if (!ends) { line.setAttribute("visibility", "hidden"); return; }
    line.removeAttribute("visibility");
    line.setAttribute("x1", place(ends[0], range));
    line.setAttribute("x2", place(ends[1], range));
  }

  /* The axis above such a column, where there is room for one, and the lines behind it. */
  function axis(table, range, unit) {
    const parent = table.querySelector(".axis-box");
    lines(table, range);
    if (!parent) { return; }
    parent.textContent = "";
    const box = html("span", { "class": "axis", "aria-hidden": "true" }, parent);
    ticks(range[0], range[1], 4).forEach((value) => {
      html("span", { "class": "tick" }, box, tickText(value)).style.left = place(value, range) / 2.4 + "%";
    });
    if (unit) { html("span", { "class": "unit" }, box.lastChild, " " + unit); }
  }

  const widthOf = (parent) => Math.max(280, Math.min(900, parent.clientWidth || 640));

  /* An empty picture in place of whatever parent holds. */
  function chart(parent, width, height, label, kind = "chart") {
    parent.textContent = "";
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label, "class": kind }, parent);
  }

  const write = (picture, x, y, anchor, text, kind = "tick") => svg("text", { x, y, "text-anchor": anchor, "class": kind }, picture, text);

  /* Horizontal bars with intervals: groups of rows, one colour a series.
     groups: [{label, cells: [[mean, low, high] or null, ...]}], series: how many cells each has. */
  function bars(parent, { groups, series, unit, label, bySign }) {
    const width = widthOf(parent);
    const left = Math.min(170, width * 0.34);
    const thick = series > 2 ? 9 : 12;
    const gap = 12;
    const step = series * (thick + 2) + gap;
    const height = groups.length * step + 46;
    const range = domain(groups.flatMap((group) => group.cells));
    const x = scale(range[0], range[1], left, width - 14);
    const picture = chart(parent, width, height, label);
    ticks(range[0], range[1], width > 560 ? 8 : 5).forEach((value) => {
      svg("line", { x1: x(value), x2: x(value), y1: 4, y2: height - 40, "class": value === 0 ? "zero" : "grid" }, picture);
      write(picture, x(value), height - 25, "middle", tickText(value));
    });
    write(picture, width - 14, height - 6, "end", unit);
    groups.forEach((group, index) => {
      const top = index * step + gap / 2 + 4;
      write(picture, left - 10, top + (step - gap) / 2 + 4, "end", shorten(group.label, left / 7), "label");
      group.cells.forEach((cell, which) => {
        if (!cell) { return; }
        const [mean, low, high] = cell;
        const y = top + which * (thick + 2);
        const colour = bySign ? Number(mean < 0) : which;
        svg("rect", { x: Math.min(x(0), x(mean)), y, width: Math.max(1, Math.abs(x(mean) - x(0))), height: thick, rx: 1.5, "class": "bar s" + colour }, picture);
        if (low !== null && high !== null) {
          svg("line", { x1: x(low), x2: x(high), y1: y + thick / 2, y2: y + thick / 2, "class": "whisker" }, picture);
        }
      });
    });
  }

  const shorten = (text, most) => text.length <= most ? text : text.slice(0, Math.max(3, Math.floor(most) - 1)) + "\u2026";

  /* How ascending values spread. */
  function histogram(parent, sorted, { unit, label }) {
    parent.textContent = "";
    if (!sorted.length) { return; }
    const width = widthOf(parent);
    const height = 204;
    /* A few silent outputs at the limit must not squeeze all others into one bar. */
    const least = Math.floor(quantile(sorted, 0.005));
    const most = Math.ceil(quantile(sorted, 0.995));
    const size = [0.25, 0.5, 1, 2, 5, 10].find((s) => (most - least) / s <= 44) || 20;
    const low = Math.floor(least / size) * size;
    const count = Math.max(1, Math.ceil((most - low) / size));
    const high = low + count * size;
    const bins = new Array(count).fill(0);
    sorted.forEach((v) => { bins[Math.min(count - 1, Math.max(0, Math.floor((v - low) / size)))] += 1; });
    const fullest = Math.max(...bins);
    const x = scale(low, high, 34, width - 10);
    const y = scale(0, fullest, height - 44, 8);
    const picture = chart(parent, width, height, label);
    ticks(0, fullest, 3).forEach((value) => {
      svg("line", { x1: 34, x2: width - 10, y1: y(value), y2: y(value), "class": "grid" }, picture);
      write(picture, 28, y(value) + 4, "end", tickText(value));
    });
    bins.forEach((n, index) => {
      if (!n) { return; }
      const from = x(low + index * size);
      svg("rect", { x: from + 0.5, y: y(n), width: Math.max(1, x(low + (index + 1) * size) - from - 1), height: height - 44 - y(n), "class": "bar s0" }, picture);
    });
    ticks(low, high, width > 560 ? 10 : 5).forEach((value) => write(picture, x(value), height - 26, "middle", tickText(value)));
    if (low < 0) { svg("line", { x1: x(0), x2: x(0), y1: 8, y2: height - 42, "class": "zero" }, picture); }
    write(picture, width - 10, height - 6, "end", unit);
  }

  function quantile(sorted, share) {
    const at = (sorted.length - 1) * share;
    const below = Math.floor(at);
    const above = Math.min(sorted.length - 1, below + 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
  }

  /* One dot a query, first system across, second up; returns how to find the nearest. */
  function scatter(parent, points, options) {
    const size = Math.max(260, Math.min(520, parent.clientWidth || 460));
    const left = 44;
    const bottom = 40;
    const values = points.flatMap((p) => [p.x, p.y]).sort((a, b) => a - b);
    const low = quantile(values, 0.005) - 1;
    const high = quantile(values, 0.995) + 1;
    const inside = (value) => Math.min(high, Math.max(low, value));
    const across = scale(low, high, left, size - 8);
    const up = scale(low, high, size - bottom, 8);
    const x = (p) => across(inside(p.x));
    const y = (p) => up(inside(p.y));
    const picture = chart(parent, size, size, options.label, "chart scatter");
    ticks(low, high, 6).forEach((value) => {
      svg("line", { x1: across(value), x2: across(value), y1: 8, y2: size - bottom, "class": "grid" }, picture);
      svg("line", { x1: left, x2: size - 8, y1: up(value), y2: up(value), "class": "grid" }, picture);
      write(picture, across(value), size - bottom + 16, "middle", tickText(value));
      write(picture, left - 6, up(value) + 4, "end", tickText(value));
    });
    svg("line", { x1: across(low), y1: up(low), x2: across(high), y2: up(high), "class": "zero" }, picture);
    write(picture, size - 8, size - 6, "end", shorten(options.x, 46) + " \u2192", "label");
    write(picture, 12, 8, "end", shorten(options.y, 46) + " \u2192", "label").setAttribute("transform", "rotate(-90 12 8)");
    [points.filter((p) => p.x >= p.y), points.filter((p) => p.x < p.y)].forEach((side, index) => {
      const d = side.map((p) => `M${x(p).toFixed(1)} ${y(p).toFixed(1)}h0`).join("");
      svg("path", { d, "class": "dots s" + index }, picture);
    });
    const ring = svg("circle", { r: 6, "class": "ring", visibility: "hidden" }, picture);
    return {
      node: picture,
      show(point) { filled(ring, { cx: x(point), cy: y(point), visibility: "visible" }); },
      nearest(event) {
        const box = picture.getBoundingClientRect();
        const px = (event.clientX - box.left) * size / box.width;
        const py = (event.clientY - box.top) * size / box.height;
        let best = null;
        let reach = 24;
        points.forEach((p) => {
          const distance = Math.hypot(x(p) - px, y(p) - py);
          if (distance < reach) { reach = distance; best = p; }
        });
        return best;
      }
    };
  }

  /* Calls draw now and whenever the width changes, at most once a frame. */
  function whenResized(node, draw) {
    let width = -1;
    let asked = false;
    function again() {
      asked = false;
      if (node.clientWidth !== width) { width = node.clientWidth; draw(); }
    }
    again();
    window.addEventListener("resize", () => {
      if (!asked) { asked = true; window.requestAnimationFrame(again); }
    });
  }

  /* Tables that only show: their marks are drawn once, whatever the page. */
  document.addEventListener("DOMContentLoaded", () => all("table.marked").forEach((table) => {
    const rows = [...table.tBodies[0].rows];
    const cells = rows.map((row) => cellOf(row.querySelector("td[data-v]").dataset));
    const range = domain(cells);
    axis(table, range, table.dataset.unit);
    rows.forEach((row, index) => mark(row.querySelector("td.plot"), cells[index], range, row.dataset.type));
  }));

  window.lassbench.charts = { all, html, number, signed, cellOf, domain, mark, axis, bars, histogram, scatter, quantile, whenResized };
})();
