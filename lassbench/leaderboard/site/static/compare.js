"use strict";
/* Two systems on the queries that both answered: the difference, its interval, and where it comes from.
   The statistics are those of lassbench.scores.statistics: whole targets are resampled, or change sign. */
document.addEventListener("DOMContentLoaded", () => {
  const { html, number, signed, quantile, bars, scatter, whenResized } = window.lassbench.charts;
  const at = (id) => document.getElementById(id);
  const page = at("comparison");
  const [first, second, metric] = ["first", "second", "metric"].map(at);
  const tell = (id, text) => { at(id).textContent = text; };
  const sumOf = (values) => values.reduce((a, b) => a + b, 0);
  let redraw = () => {};

  /* A small generator with a fixed seed (xorshift32): the page says the same every time. */
  function generator(seed) {
    let state = seed | 0 || 1;
    return () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state >>> 0;
    };
  }

  /* The queries that both answered, with the difference and the target of each. */
  function common(a, b, name, queries) {
    return a.values[name].map((x, index) => {
      const y = b.values[name][index];
      return { x, y, index, difference: x - y, target: queries.target[index], concept: queries.concept[index] };
    }).filter((point) => point.x !== null && point.y !== null);
  }

  /* What is known of the mean difference of some points. */
  function paired(points, queries, resamples) {
    const sums = new Map();
    points.forEach(({ target, difference }) => {
      const [sum, size] = sums.get(target) || [0, 0];
      sums.set(target, [sum + difference, size + 1]);
    });
    /* Of each target the sum of its differences, and how many they are. */
    const groups = [...sums.values()];
    const count = groups.length;
    const differences = points.map((point) => point.difference);
    const found = {
      n: points.length, targets: count, mean: points.length ? sumOf(differences) / points.length : null, low: null, high: null, p: null,
      wins: differences.filter((d) => d > 1e-9).length, losses: differences.filter((d) => d < -1e-9).length
    };
    if (count < 2) { return found; }
    const next = generator(20220914);
    if (count < queries.students.length) { return { ...found, ...studentised(groups, queries.students[count], resamples, next) }; }
    const means = Float64Array.from({ length: resamples }, () => judged(drawn(groups, next)).mean).sort();
    const [low, high] = [queries.tails[count], 1 - queries.tails[count]].map((share) => quantile(means, share));
    return { ...found, low, high, p: signFlip(groups.map(([sum]) => sum), resamples, next) };
  }

  const drawn = (groups, next) => groups.map(() => groups[next() % groups.length]);

  /* The mean of all queries of these targets, and its standard error. */
  function judged(groups) {
    let sum = 0;
    let size = 0;
    groups.forEach((g) => { sum += g[0]; size += g[1]; });
    const mean = sum / size;
    let squares = 0;
    groups.forEach((g) => { squares += Math.pow(g[0] - mean * g[1], 2); });
    return { mean, error: Math.sqrt(squares * groups.length / (groups.length - 1)) / size };
  }

  /* Few targets: interval (where there is a Student's quantile) and p of the studentised bootstrap. */
  function studentised(groups, least, resamples, next) {
    const { mean, error } = judged(groups);
    const ratios = Float64Array.from({ length: resamples }, () => {
      const one = judged(drawn(groups, next));
      return error ? (one.mean - mean) / Math.max(one.error, error / 4) : 0;
    }).sort();
    const place = Math.max(Math.floor(0.025 * (resamples + 1)), 1);
    const ends = least === null ? {} : {
      low: mean - error * Math.max(ratios[resamples - place], least),
      high: mean - error * Math.min(ratios[place - 1], -least)
    };
    if (Math.abs(mean) <= 1e-9) { return { ...ends, p: 1 }; }
    const observed = Math.abs(mean) / error;
    const beyond = ratios.filter((t) => t * Math.sign(mean) >= observed).length;
    const share = Math.max(2 * (beyond + 1) / (resamples + 1), student(observed, groups.length - 1));
    return { ...ends, p: Math.min(Math.max(share, Math.pow(2, 1 - groups.length)), 1) };
  }

  /* Probability that Student's t is further from zero than this (Abramowitz and Stegun 26.7.3 and 26.7.4). */
  function student(t, degrees) {
    const angle = Math.atan(t / Math.sqrt(degrees));
    const odd = degrees % 2;
    let term = odd ? Math.cos(angle) : 1;
    let sum = 0;
    for (let k = odd; k < degrees - 1; k += 2) {
      sum += term;
      term *= (k + 1) / (k + 2) * Math.pow(Math.cos(angle), 2);
    }
    return 1 - (odd ? 2 / Math.PI * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum);
  }

  /* The share of random sign patterns whose total is as far from zero, the observed one counted. */
  function signFlip(sums, resamples, next) {
    const threshold = Math.abs(sumOf(sums)) - 1e-9 * Math.max(1, sumOf(sums.map(Math.abs)));
    let hits = 1;
    for (let pattern = 0; pattern < resamples; pattern += 1) {
      let total = 0;
      let word = 0;
      for (let k = 0; k < sums.length; k += 1) {
        if (k % 32 === 0) { word = next(); }
        total += word >>> (k % 32) & 1 ? sums[k] : -sums[k];
      }
      if (Math.abs(total) >= threshold) { hits += 1; }
    }
    return hits / (resamples + 1);
  }

  const probability = (p) => p !== null && p < 0.001 ? "< 0.001" : number(p, 3);
  const mean = (one) => one.n ? signed(one.mean) : "\u2013";
  const interval = (one) => one.low === null ? "\u2013" : `${signed(one.low)} to ${signed(one.high)}`;
  const withUnit = (text, unit) => unit && text !== "\u2013" ? `${text} ${unit}` : text;

  const named = ({ title, unit }) => title + (unit ? ` (${unit})` : "");

  function sentence(one, a, b, { title, unit }) {
    if (!one.n) { return "No query is defined for both."; }
    if (one.p === null || one.p >= 0.05) { return `${a} and ${b} cannot be told apart in ${title} on these ${one.n} queries.`; }
    const [better, worse] = one.mean >= 0 ? [a, b] : [b, a];
    return `${better} is ${withUnit(number(Math.abs(one.mean)), unit)} better than ${worse} in ${title}: more than chance.`;
  }

  function fill(a, b, queries) {
    const info = queries.metrics.find((m) => m.name === metric.value);
    const body = document.querySelector("#every tbody");
    body.textContent = "";
    queries.metrics.forEach((m) => {
      const points = common(a, b, m.name, queries);
      const one = paired(points, queries, queries.resamples);
      const line = html("tr", {}, body);
      html("th", { scope: "row", title: m.explained }, line, named(m));
      [mean(one), interval(one), probability(one.p), one.n ? `${one.wins} : ${one.losses}` : "\u2013", one.n]
        .forEach((text) => html("td", {}, line, text));
      if (m !== info) { return; }
      const equal = one.n - one.wins - one.losses;
      tell("verdict", sentence(one, a.name, b.name, info));
      tell("difference", withUnit(mean(one), info.unit));
      tell("interval", withUnit(interval(one), info.unit));
      tell("p-value", probability(one.p));
      tell("wins", `${one.wins} : ${one.losses}` + (equal ? ` (${equal} equal)` : ""));
      tell("counted", `${one.n} queries, ${one.targets} targets`);
      concepts(points, queries, named(info));
      dots(points, a.name, b.name, queries, info);
    });
  }

  function concepts(points, queries, title) {
    const groups = queries.concepts.map((name, concept) => {
      const { n, mean: middle, low, high } = paired(points.filter((point) => point.concept === concept), queries, 2000);
      return { label: name || "(none)", cells: [n ? [middle, low, high] : null] };
    });
    const told = groups.filter((g) => g.cells[0]).map((g) => `${g.label} ${signed(g.cells[0][0])}`);
    bars(at("by-concept"), { groups, series: 1, bySign: true, unit: "difference in " + title, label: "Difference by concept: " + told.join(", ") });
  }

  function dots(points, x, y, queries, info) {
    ["scatter", "best-first", "best-second"].forEach((id) => tell(id, ""));
    tell("best-first-name", x);
    tell("best-second-name", y);
    tell("point", points.length ? "Point at a dot to read its query; the largest differences are listed below." : "No query is defined for both.");
    if (!points.length) { return; }
    const label = `${named(info)} of each query: ${x} across, ${y} up. ${points.length} queries.`;
    const plot = scatter(at("scatter"), points, { x, y, label });
    function show(point) {
      const noise = queries.noises[point.index];
      tell("point", `\u201c${queries.texts[point.index]}\u201d (${queries.ids[point.index]}${noise ? ", with " + noise : ""}): ${number(point.x)} and ${withUnit(number(point.y), info.unit)}`);
      plot.show(point);
    }
    plot.node.addEventListener("pointermove", (event) => {
      const point = plot.nearest(event);
      if (point) { show(point); }
    });
    const order = points.slice().sort((p, q) => q.difference - p.difference);
    [["best-first", order.slice(0, 5)], ["best-second", order.slice(-5).reverse()]].forEach(([id, chosen]) => chosen.forEach((point) => {
      const button = html("button", { type: "button", "class": "quiet" }, html("li", {}, at(id)));
      html("span", { "class": "amount" }, button, signed(point.difference));
      button.append(" " + queries.texts[point.index]);
      button.addEventListener("click", () => show(point));
    }));
  }

  function refresh() {
    const [a, b] = [first.value, second.value];
    const hash = `#a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}&m=${encodeURIComponent(metric.value)}`;
    try { window.history.replaceState(null, "", hash); } catch (error) { /* some browsers refuse this for files */ }
    page.classList.toggle("empty", a === b);
    if (a === b) { tell("verdict", "Choose two different systems."); return; }
    const load = (name, file, done) => window.lassbench.load(name, `data/${file}.js`, done, () =>
      tell("verdict", "The data file of a system could not be read: it lies in the folder data beside this page."));
    load("queries", "queries", (queries) => load("system:" + a, "system." + a, (one) => load("system:" + b, "system." + b, (two) => {
      redraw = () => fill(one, two, queries);
      redraw();
      document.documentElement.classList.add("ready");
    })));
  }

  function fromAddress() {
    const asked = new URLSearchParams(window.location.hash.slice(1));
    [[first, "a"], [second, "b"], [metric, "m"]].forEach(([select, key]) => {
      if ([...select.options].some((option) => option.value === asked.get(key))) { select.value = asked.get(key); }
    });
    refresh();
  }
  [first, second, metric].forEach((select) => select.addEventListener("change", refresh));
  at("swap").addEventListener("click", () => {
    [first.value, second.value] = [second.value, first.value];
    refresh();
  });
  window.addEventListener("hashchange", fromAddress);
  whenResized(page, () => redraw());
  fromAddress();
});
