"use strict";
/* A system's page: how its queries spread. */
document.addEventListener("DOMContentLoaded", () => {
  const { number, quantile, histogram, whenResized } = window.lassbench.charts;
  const slug = document.getElementById("system").dataset.slug;
  const metric = document.getElementById("metric");
  const spread = document.getElementById("spread");

  function draw() {
    window.lassbench.load("system:" + slug, "../data/system." + slug + ".js", (found) => {
      const title = metric.selectedOptions[0].textContent;
      const unit = metric.selectedOptions[0].dataset.unit;
      const defined = found.values[metric.value].filter((v) => v !== null).sort((a, b) => a - b);
      const at = (share) => number(quantile(defined, share));
      const facts = defined.length ? `Median ${at(0.5)} ${unit}, half of the queries between ${at(0.25)} and ${at(0.75)}.` : "Undefined for every query.";
      histogram(spread, defined, { unit: title + (unit ? ` (${unit})` : ""), label: `Histogram of ${title} over ${defined.length} queries. ${facts}` });
      document.getElementById("spread-facts").textContent = facts;
    });
  }
  metric.addEventListener("change", draw);
  whenResized(spread, draw);
  document.documentElement.classList.add("ready");
});
