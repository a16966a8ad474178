"use strict";
/* Two systems on the queries that both answered: the difference, its interval, and where it comes from.
   The statistics are those of lassbench.scores.statistics: whole targets are resampled, or change sign. */
document.addEventListener("DOMContentLoaded", function () {
  var charts = window.lassbench.charts;
  var page = document.getElementById("comparison");
  if (!page) { return; }
  var first = document.getElementById("first");
  var second = document.getElementById("second");
  var metric = document.getElementById("metric");
  var verdict = document.getElementById("verdict");
  var caption = document.getElementById("point");
  var current = null;

  /* A small generator with a fixed seed (xorshift32): the page says the same every time. */
  function generator(seed) {
    var state = seed | 0 || 1;
    return function () {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state >>> 0;
    };
  }

  /* Sums and sizes of each target's differences. */
  function byTarget(differences, targets) {
    var sums = new Map();
    differences.forEach(function (d, index) {
      var one = sums.get(targets[index]) || [0, 0];
      one[0] += d;
      one[1] += 1;
      sums.set(targets[index], one);
    });
    return Array.from(sums.values());
  }

  function paired(differences, targets, queries, resamples) {
    var groups = byTarget(differences, targets);
    var count = groups.length;
    var total = differences.reduce(function (a, b) { return a + b; }, 0);
    var found = { mean: total / differences.length, low: null, high: null, p: null, targets: count, n: differences.length };
    found.wins = differences.filter(function (d) { return d > 1e-9; }).length;
    found.losses = differences.filter(function (d) { return d < -1e-9; }).length;
    if (count < 2) { return found; }
    var next = generator(20220914);
    if (count < queries.students.length) {
      studentised(found, groups, queries.students[count], resamples, next);
      return found;
    }
    var means = new Float64Array(resamples);
    for (var r = 0; r < resamples; r += 1) { means[r] = judged(drawn(groups, next)).mean; }
    means.sort();
    found.low = charts.quantile(means, queries.tails[count]);
    found.high = charts.quantile(means, 1 - queries.tails[count]);
    found.p = signFlip(groups.map(function (g) { return g[0]; }), resamples, next);
    return found;
  }

  function drawn(groups, next) {
    return groups.map(function () { return groups[next() % groups.length]; });
  }

  /* The mean of all queries of these targets, and its standard error. */
  function judged(groups) {
    var sum = 0;
    var size = 0;
    groups.forEach(function (g) { sum += g[0]; size += g[1]; });
    var mean = sum / size;
    var squares = 0;
    groups.forEach(function (g) { squares += Math.pow(g[0] - mean * g[1], 2); });
    return { mean: mean, error: Math.sqrt(squares * groups.length / (groups.length - 1)) / size };
  }

  /* Few targets: interval (where there is a Student's quantile) and p of the studentised bootstrap. */
  function studentised(found, groups, quantile, resamples, next) {
    var all = judged(groups);
    var ratios = new Float64Array(resamples);
    for (var r = 0; r < resamples; r += 1) {
      var one = judged(drawn(groups, next));
      ratios[r] = all.error ? (one.mean - all.mean) / Math.max(one.error, all.error / 4) : 0;
    }
    ratios.sort();
    if (quantile !== null) {
      var place = Math.max(Math.floor(0.025 * (resamples + 1)), 1);
      found.low = all.mean - all.error * Math.max(ratios[resamples - place], quantile);
      found.high = all.mean - all.error * Math.min(ratios[place - 1], -quantile);
    }
    found.p = 1;
    if (Math.abs(all.mean) > 1e-9) {
      var observed = Math.abs(all.mean) / all.error;
      var beyond = ratios.filter(function (t) { return t * Math.sign(all.mean) >= observed; }).length;
      var share = Math.max(2 * (beyond + 1) / (resamples + 1), student(observed, groups.length - 1));
      found.p = Math.min(Math.max(share, Math.pow(2, 1 - groups.length)), 1);
    }
  }

  /* Probability that Student's t is further from zero than this (Abramowitz and Stegun 26.7.3 and 26.7.4). */
  function student(t, degrees) {
    var angle = Math.atan(t / Math.sqrt(degrees));
    var odd = degrees % 2;
    var term = odd ? Math.cos(angle) : 1;
    var sum = 0;
    for (var k = odd; k < degrees - 1; k += 2) {
      sum += term;
      term *= (k + 1) / (k + 2) * Math.pow(Math.cos(angle), 2);
    }
    return 1 - (odd ? 2 / Math.PI * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum);
  }

  /* The share of random sign patterns whose total is as far from zero, the observed one counted. */
  function signFlip(sums, resamples, next) {
    var observed = Math.abs(sums.reduce(function (a, b) { return a + b; }, 0));
    var all = sums.reduce(function (a, b) { return a + Math.abs(b); }, 0);
    var threshold = observed - 1e-9 * Math.max(1, all);
    var hits = 1;
    for (var p = 0; p < resamples; p += 1) {
      var total = 0;
      for (var k = 0; k < sums.length; k += 1) {
        if (k % 32 === 0) { var word = next(); }
        total += word >>> (k % 32) & 1 ? sums[k] : -sums[k];
      }
      if (Math.abs(total) >= threshold) { hits += 1; }
    }
    return hits / (resamples + 1);
  }

  function common(a, b, queries, only) {
    var found = { differences: [], targets: [], points: [] };
    a.forEach(function (value, index) {
      if (value === null || b[index] === null) { return; }
      if (only !== undefined && queries.concept[index] !== only) { return; }
      found.differences.push(value - b[index]);
      found.targets.push(queries.target[index]);
      found.points.push({ x: value, y: b[index], index: index });
    });
    return found;
  }

  function probability(p) {
    if (p === null) { return "\u2013"; }
    return p < 0.001 ? "< 0.001" : charts.number(p, 3);
  }

  function sentence(one, a, b, title, unit) {
    var better = one.mean >= 0 ? a : b;
    var worse = one.mean >= 0 ? b : a;
    var clear = one.p !== null && one.p < 0.05;
    if (!one.n) { return "No query is defined for both."; }
    if (!clear) { return a + " and " + b + " cannot be told apart in " + title + " on these " + one.n + " queries."; }
    return better + " is " + charts.number(Math.abs(one.mean)) + (unit ? " " + unit : "") + " better than " + worse + " in " + title + ": more than chance.";
  }

  function fill(a, b, queries) {
    var info = queries.metrics.filter(function (m) { return m.name === metric.value; })[0];
    var results = {};
    queries.metrics.forEach(function (m) {
      var both = common(a.values[m.name], b.values[m.name], queries);
      results[m.name] = both.differences.length ? paired(both.differences, both.targets, queries, queries.resamples) : { n: 0, mean: null, low: null, high: null, p: null, wins: 0, losses: 0, targets: 0 };
    });
    var main = results[metric.value];
    verdict.textContent = sentence(main, a.name, b.name, info.title, info.unit);
    document.getElementById("difference").textContent = main.n ? charts.signed(main.mean) + " " + info.unit : "\u2013";
    document.getElementById("interval").textContent = main.low === null ? "\u2013" : charts.signed(main.low) + " to " + charts.signed(main.high) + " " + info.unit;
    document.getElementById("p-value").textContent = probability(main.p);
    document.getElementById("wins").textContent = main.wins + " : " + main.losses + (main.n - main.wins - main.losses ? " (" + (main.n - main.wins - main.losses) + " equal)" : "");
    document.getElementById("counted").textContent = main.n + " queries, " + main.targets + " targets";
    every(results, queries);
    concepts(a, b, queries, info);
    points(a, b, queries, info);
  }

  function every(results, queries) {
    var body = document.querySelector("#every tbody");
    body.textContent = "";
    queries.metrics.forEach(function (m) {
      var one = results[m.name];
      var line = charts.html("tr", {}, body);
      charts.html("th", { scope: "row", title: m.explained }, line, m.title + (m.unit ? " (" + m.unit + ")" : ""));
      charts.html("td", {}, line, one.n ? charts.signed(one.mean) : "\u2013");
      charts.html("td", {}, line, one.low === null ? "\u2013" : charts.signed(one.low) + " to " + charts.signed(one.high));
      charts.html("td", {}, line, probability(one.p));
      charts.html("td", {}, line, one.n ? one.wins + " : " + one.losses : "\u2013");
      charts.html("td", {}, line, String(one.n));
    });
  }

  function concepts(a, b, queries, info) {
    var groups = queries.concepts.map(function (name, number) {
      var both = common(a.values[metric.value], b.values[metric.value], queries, number);
      if (!both.differences.length) { return { label: name || "(none)", cells: [null] }; }
      var one = paired(both.differences, both.targets, queries, 2000);
      return { label: name || "(none)", cells: [[one.mean, one.low, one.high]] };
    });
    charts.bars(document.getElementById("by-concept"), { groups: groups, series: ["difference"], signed: true, unit: "difference in " + info.title + (info.unit ? " (" + info.unit + ")" : ""), label: "Difference by concept: " + groups.filter(function (g) { return g.cells[0]; }).map(function (g) { return g.label + " " + charts.signed(g.cells[0][0]); }).join(", ") });
  }

  function points(a, b, queries, info) {
    var both = common(a.values[metric.value], b.values[metric.value], queries);
    ["scatter", "best-first", "best-second"].forEach(function (id) { document.getElementById(id).textContent = ""; });
    if (!both.points.length) {
      caption.textContent = "No query is defined for both.";
      return;
    }
    var unit = info.unit ? " (" + info.unit + ")" : "";
    var plot = charts.scatter(document.getElementById("scatter"), both.points, { x: a.name, y: b.name, label: info.title + unit + " of each query: " + a.name + " across, " + b.name + " up. " + both.points.length + " queries." });
    function tell(point) {
      caption.textContent = "\u201c" + queries.texts[point.index] + "\u201d (" + queries.ids[point.index] + (queries.noises[point.index] ? ", with " + queries.noises[point.index] : "") + "): " + charts.number(point.x) + " and " + charts.number(point.y) + (info.unit ? " " + info.unit : "");
      plot.show(point);
    }
    caption.textContent = "Point at a dot to read its query; the largest differences are listed below.";
    plot.node.addEventListener("pointermove", function (event) {
      var point = plot.nearest(event);
      if (point) { tell(point); }
    });
    var order = both.points.slice().sort(function (p, q) { return (q.x - q.y) - (p.x - p.y); });
    list("best-first", order.slice(0, 5), tell, queries);
    list("best-second", order.slice(-5).reverse(), tell, queries);
    document.getElementById("best-first-name").textContent = a.name;
    document.getElementById("best-second-name").textContent = b.name;
  }

  function list(id, chosen, tell, queries) {
    var body = document.getElementById(id);
    body.textContent = "";
    chosen.forEach(function (point) {
      var item = charts.html("li", {}, body);
      var button = charts.html("button", { type: "button", "class": "quiet" }, item);
      charts.html("span", { "class": "amount" }, button, charts.signed(point.x - point.y));
      button.appendChild(document.createTextNode(" " + queries.texts[point.index]));
      button.addEventListener("click", function () { tell(point); });
    });
  }

  function refresh() {
    if (!first.value || !second.value) { return; }
    var hash = "#a=" + encodeURIComponent(first.value) + "&b=" + encodeURIComponent(second.value) + "&m=" + encodeURIComponent(metric.value);
    try { window.history.replaceState(null, "", hash); } catch (error) { /* some browsers refuse this for files */ }
    if (first.value === second.value) {
      verdict.textContent = "Choose two different systems.";
      page.classList.add("empty");
      return;
    }
    page.classList.remove("empty");
    function failed() { verdict.textContent = "The data file of a system could not be read: it lies in the folder data beside this page."; }
    var a = first.value;
    var b = second.value;
    window.lassbench.load("queries", "data/queries.js", function (queries) {
      window.lassbench.load("system:" + a, "data/system." + a + ".js", function (one) {
        window.lassbench.load("system:" + b, "data/system." + b + ".js", function (two) {
          current = function () { fill(one, two, queries); };
          current();
          document.documentElement.classList.add("ready");
        }, failed);
      }, failed);
    }, failed);
  }

  function known(select, wanted) {
    return Array.prototype.some.call(select.options, function (o) { return o.value === wanted; });
  }
  function fromAddress() {
    var asked = new URLSearchParams(window.location.hash.slice(1));
    [[first, "a"], [second, "b"], [metric, "m"]].forEach(function (pair) {
      if (asked.has(pair[1]) && known(pair[0], asked.get(pair[1]))) { pair[0].value = asked.get(pair[1]); }
    });
    refresh();
  }
  [first, second, metric].forEach(function (select) { select.addEventListener("change", refresh); });
  document.getElementById("swap").addEventListener("click", function () {
    var kept = first.value;
    first.value = second.value;
    second.value = kept;
    refresh();
  });
  window.addEventListener("hashchange", fromAddress);
  var width = page.clientWidth;
  window.addEventListener("resize", function () {
    if (current && page.clientWidth !== width) { width = page.clientWidth; window.requestAnimationFrame(current); }
  });
  fromAddress();
});
