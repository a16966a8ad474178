"use strict";
/* The drawings of all pages: points with intervals, bars, histograms, scatter. Plain SVG, no library. */
(function () {
  var NS = "http://www.w3.org/2000/svg";
  var MINUS = "\u2212";

  function svg(name, attributes, parent, text) {
    var node = document.createElementNS(NS, name);
    Object.keys(attributes || {}).forEach(function (key) { node.setAttribute(key, attributes[key]); });
    if (text !== undefined) { node.textContent = text; }
    if (parent) { parent.appendChild(node); }
    return node;
  }

  function html(name, attributes, parent, text) {
    var node = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) { node.setAttribute(key, attributes[key]); });
    if (text !== undefined) { node.textContent = text; }
    if (parent) { parent.appendChild(node); }
    return node;
  }

  function number(value, digits) {
    if (value === null || value === undefined || !isFinite(value)) { return "\u2013"; }
    var text = value.toFixed(digits === undefined ? 2 : digits);
    if (Number(text) === 0) { text = text.replace("-", ""); }
    return text.replace("-", MINUS);
  }

  function signed(value, digits) {
    return (value > 0 ? "+" : "") + number(value, digits);
  }

  /* Round steps of an axis: 1, 2 or 5 times a power of ten. */
  function ticks(low, high, wanted) {
    var span = high - low || 1;
    var raw = span / wanted;
    var power = Math.pow(10, Math.floor(Math.log10(raw)));
    var step = [1, 2, 5, 10].map(function (m) { return m * power; })
      .filter(function (s) { return s >= raw * 0.999; })[0];
    var found = [];
    for (var k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k += 1) { found.push(k * step + 0); }
    return found;
  }

  function tickText(value) {
    return number(value, Math.abs(value - Math.round(value)) > 1e-6 ? 1 : 0);
  }

  function scale(low, high, from, to) {
    var span = high - low || 1;
    return function (value) { return from + (value - low) / span * (to - from); };
  }

  /* The range of some [mean, low, high], with zero in it and a little air. */
  function domain(cells) {
    var low = 0;
    var high = 0;
    cells.forEach(function (cell) {
      (cell || []).forEach(function (value) {
        if (value === null || value === undefined || !isFinite(value)) { return; }
        low = Math.min(low, value);
        high = Math.max(high, value);
      });
    });
    var air = (high - low || 1) * 0.04;
    return [low < 0 ? low - air : 0, high > 0 ? high + air : 0 + (low < 0 ? 0 : 1)];
  }

  /* Where a value stands in a drawing that is 240 wide, with room for half a dot at both ends. */
  function place(value, range) {
    return 4 + (value - range[0]) / (range[1] - range[0] || 1) * 232;
  }

  /* The lines at an axis's ticks, behind every cell of a column at once. */
  function lines(table, range) {
    table.style.setProperty("--ticks", ticks(range[0], range[1], 4).map(function (value) {
      var at = (place(value, range) / 2.4).toFixed(2) + "%";
      var from = "calc(" + at + " - .5px)";
      var to = "calc(" + at + " + .5px)";
      return "linear-gradient(to right, transparent " + from + ", var(" + (value === 0 ? "--soft" : "--faint") + ") " + from + " " + to + ", transparent " + to + ")";
    }).join(", "));
  }

  /* A point with its interval in a table cell, on the axis of the whole column.
     A second call moves what the first one drew: hundreds of rows change at once. */
  function mark(parent, cell, range, kind) {
    var parts = parent.lassbenchMark;
    if (!parts) {
      var picture = svg("svg", { viewBox: "0 0 240 20", preserveAspectRatio: "none", "class": "mark " + (kind || ""), "aria-hidden": "true", focusable: "false" }, parent);
      parts = parent.lassbenchMark = {
        reach: svg("line", { y1: 10, y2: 10, "class": "reach" }, picture),
        /* A line of no length with round ends: a dot that stays round when the picture is stretched. */
        dot: svg("line", { y1: 10, y2: 10, "class": "dot" }, picture)
      };
    }
    var there = Boolean(cell) && cell[0] !== null;
    stretch(parts.dot, there ? [cell[0], cell[0]] : null, range);
    stretch(parts.reach, there && cell[1] !== null && cell[2] !== null ? [cell[1], cell[2]] : null, range);
  }

  function stretch(line, ends, range) {
    if (!ends) { line.setAttribute("visibility", "hidden"); return; }
    line.removeAttribute("visibility");
    line.setAttribute("x1", place(ends[0], range));
    line.setAttribute("x2", place(ends[1], range));
  }

  /* The axis above such a column. */
  function axis(parent, range, unit) {
    parent.textContent = "";
    var box = html("span", { "class": "axis", "aria-hidden": "true" }, parent);
    ticks(range[0], range[1], 4).forEach(function (value) {
      var tick = html("span", { "class": "tick" }, box, tickText(value));
      tick.style.left = place(value, range) / 2.4 + "%";
    });
    if (unit) { html("span", { "class": "unit" }, box.lastChild, " " + unit); }
  }

  /* Horizontal bars with intervals: groups of rows, one colour a series.
     groups: [{label, cells: [[mean, low, high] or null, ...]}], series: [names]. */
  function bars(parent, options) {
    var groups = options.groups;
    var series = options.series;
    var width = Math.max(280, Math.min(900, parent.clientWidth || 640));
    var left = Math.min(170, width * 0.34);
    var thick = series.length > 2 ? 9 : 12;
    var gap = 12;
    var step = series.length * (thick + 2) + gap;
    var height = groups.length * step + 46;
    var all = [];
    groups.forEach(function (group) { all = all.concat(group.cells); });
    var range = domain(all);
    var x = scale(range[0], range[1], left, width - 14);
    parent.textContent = "";
    var picture = svg("svg", { viewBox: "0 0 " + width + " " + height, width: width, height: height, role: "img", "aria-label": options.label, "class": "chart" }, parent);
    ticks(range[0], range[1], width > 560 ? 8 : 5).forEach(function (value) {
      svg("line", { x1: x(value), x2: x(value), y1: 4, y2: height - 40, "class": value === 0 ? "zero" : "grid" }, picture);
      svg("text", { x: x(value), y: height - 25, "text-anchor": "middle", "class": "tick" }, picture, tickText(value));
    });
    svg("text", { x: width - 14, y: height - 6, "text-anchor": "end", "class": "tick" }, picture, options.unit);
    groups.forEach(function (group, index) {
      var top = index * step + gap / 2 + 4;
      svg("text", { x: left - 10, y: top + (step - gap) / 2 + 4, "text-anchor": "end", "class": "label" }, picture, shorten(group.label, left / 7));
      group.cells.forEach(function (cell, which) {
        if (!cell || cell[0] === null) { return; }
        var y = top + which * (thick + 2);
        var colour = options.signed ? (cell[0] >= 0 ? 0 : 1) : which;
        svg("rect", { x: Math.min(x(0), x(cell[0])), y: y, width: Math.max(1, Math.abs(x(cell[0]) - x(0))), height: thick, rx: 1.5, "class": "bar s" + colour }, picture);
        if (cell[1] !== null && cell[2] !== null) {
          svg("line", { x1: x(cell[1]), x2: x(cell[2]), y1: y + thick / 2, y2: y + thick / 2, "class": "whisker" }, picture);
        }
      });
    });
  }

  function shorten(text, most) {
    return text.length <= most ? text : text.slice(0, Math.max(3, Math.floor(most) - 1)) + "\u2026";
  }

  function legend(parent, names) {
    parent.textContent = "";
    names.forEach(function (name, index) {
      var item = html("li", {}, parent);
      html("span", { "class": "swatch s" + index, "aria-hidden": "true" }, item);
      item.appendChild(document.createTextNode(name));
    });
  }

  function histogram(parent, values, options) {
    var defined = values.filter(function (v) { return v !== null; });
    parent.textContent = "";
    if (!defined.length) { return; }
    var width = Math.max(280, Math.min(900, parent.clientWidth || 640));
    var height = 204;
    var sorted = defined.slice().sort(function (a, b) { return a - b; });
    /* A few silent outputs at the limit must not squeeze all others into one bar. */
    var low = Math.floor(quantile(sorted, 0.005));
    var high = Math.ceil(quantile(sorted, 0.995));
    var size = [0.25, 0.5, 1, 2, 5, 10].filter(function (s) { return (high - low) / s <= 44; })[0] || 20;
    low = Math.floor(low / size) * size;
    var count = Math.max(1, Math.ceil((high - low) / size));
    var bins = new Array(count).fill(0);
    defined.forEach(function (v) { bins[Math.min(count - 1, Math.max(0, Math.floor((v - low) / size)))] += 1; });
    var most = Math.max.apply(null, bins);
    var x = scale(low, low + count * size, 34, width - 10);
    var y = scale(0, most, height - 44, 8);
    var picture = svg("svg", { viewBox: "0 0 " + width + " " + height, width: width, height: height, role: "img", "aria-label": options.label, "class": "chart" }, parent);
    ticks(0, most, 3).forEach(function (value) {
      svg("line", { x1: 34, x2: width - 10, y1: y(value), y2: y(value), "class": "grid" }, picture);
      svg("text", { x: 28, y: y(value) + 4, "text-anchor": "end", "class": "tick" }, picture, tickText(value));
    });
    bins.forEach(function (n, index) {
      if (!n) { return; }
      var from = x(low + index * size);
      svg("rect", { x: from + 0.5, y: y(n), width: Math.max(1, x(low + (index + 1) * size) - from - 1), height: height - 44 - y(n), "class": "bar s0" }, picture);
    });
    ticks(low, low + count * size, width > 560 ? 10 : 5).forEach(function (value) {
      svg("text", { x: x(value), y: height - 26, "text-anchor": "middle", "class": "tick" }, picture, tickText(value));
    });
    if (low < 0) { svg("line", { x1: x(0), x2: x(0), y1: 8, y2: height - 42, "class": "zero" }, picture); }
    svg("text", { x: width - 10, y: height - 6, "text-anchor": "end", "class": "tick" }, picture, options.unit);
  }

  function quantile(sorted, share) {
    var at = (sorted.length - 1) * share;
    var below = Math.floor(at);
    var above = Math.min(sorted.length - 1, below + 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
  }

  /* One dot a query, first system across, second up; returns how to find the nearest. */
  function scatter(parent, points, options) {
    var size = Math.max(260, Math.min(520, parent.clientWidth || 460));
    var left = 44;
    var bottom = 40;
    var values = [];
    points.forEach(function (p) { values.push(p.x, p.y); });
    values.sort(function (a, b) { return a - b; });
    var low = quantile(values, 0.005) - 1;
    var high = quantile(values, 0.995) + 1;
    var x = scale(low, high, left, size - 8);
    var y = scale(low, high, size - bottom, 8);
    parent.textContent = "";
    var picture = svg("svg", { viewBox: "0 0 " + size + " " + size, width: size, height: size, role: "img", "aria-label": options.label, "class": "chart scatter" }, parent);
    ticks(low, high, 6).forEach(function (value) {
      svg("line", { x1: x(value), x2: x(value), y1: 8, y2: size - bottom, "class": "grid" }, picture);
      svg("line", { x1: left, x2: size - 8, y1: y(value), y2: y(value), "class": "grid" }, picture);
      svg("text", { x: x(value), y: size - bottom + 16, "text-anchor": "middle", "class": "tick" }, picture, tickText(value));
      svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end", "class": "tick" }, picture, tickText(value));
    });
    svg("line", { x1: x(low), y1: y(low), x2: x(high), y2: y(high), "class": "zero" }, picture);
    svg("text", { x: size - 8, y: size - 6, "text-anchor": "end", "class": "label" }, picture, shorten(options.x, 46) + " \u2192");
    svg("text", { x: 12, y: 8, "text-anchor": "end", "class": "label", transform: "rotate(-90 12 8)" }, picture, shorten(options.y, 46) + " \u2192");
    function inside(value) { return Math.min(high, Math.max(low, value)); }
    ["s0", "s1"].forEach(function (kind) {
      var path = points.filter(function (p) { return (p.x >= p.y) === (kind === "s0"); }).map(function (p) {
        return "M" + x(inside(p.x)).toFixed(1) + " " + y(inside(p.y)).toFixed(1) + "h0";
      }).join("");
      svg("path", { d: path, "class": "dots " + kind }, picture);
    });
    var ring = svg("circle", { r: 6, "class": "ring", visibility: "hidden" }, picture);
    return {
      node: picture,
      show: function (point) {
        ring.setAttribute("cx", x(inside(point.x)));
        ring.setAttribute("cy", y(inside(point.y)));
        ring.setAttribute("visibility", "visible");
      },
      nearest: function (event) {
        var box = picture.getBoundingClientRect();
        var px = (event.clientX - box.left) * size / box.width;
        var py = (event.clientY - box.top) * size / box.height;
        var best = null;
        var reach = 24 * 24;
        points.forEach(function (p) {
          var dx = x(inside(p.x)) - px;
          var dy = y(inside(p.y)) - py;
          var d = dx * dx + dy * dy;
          if (d < reach) { reach = d; best = p; }
        });
        return best;
      }
    };
  }

  /* Calls draw now and whenever the width changes, at most once a frame. */
  function whenResized(node, draw) {
    var width = -1;
    var asked = false;
    function again() {
      asked = false;
      if (node.clientWidth !== width) { width = node.clientWidth; draw(); }
    }
    again();
    window.addEventListener("resize", function () {
      if (!asked) { asked = true; window.requestAnimationFrame(again); }
    });
  }

  window.lassbench.charts = {
    html: html, svg: svg, number: number, signed: signed, domain: domain, lines: lines, mark: mark, axis: axis,
    bars: bars, legend: legend, histogram: histogram, scatter: scatter, quantile: quantile, whenResized: whenResized
  };
}());
