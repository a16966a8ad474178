"use strict";
/* Light or dark: what the reader's system says, unless they chose here. Runs before the page is drawn. */
(function () {
  var root = document.documentElement;
  function stored() {
    try { return window.localStorage.getItem("lassbench-theme"); } catch (error) { return null; }
  }
  function keep(theme) {
    try { window.localStorage.setItem("lassbench-theme", theme); } catch (error) { /* private mode: for this page only */ }
  }
  function current() {
    var chosen = root.getAttribute("data-theme");
    if (chosen) { return chosen; }
    return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  var theme = stored();
  if (theme === "light" || theme === "dark") { root.setAttribute("data-theme", theme); }
  root.classList.add("js");

  document.addEventListener("DOMContentLoaded", function () {
    var button = document.getElementById("theme");
    if (!button) { return; }
    function label() {
      button.setAttribute("aria-pressed", String(current() === "dark"));
    }
    button.hidden = false;
    label();
    button.addEventListener("click", function () {
      var next = current() === "dark" ? "light" : "dark";
      root.setAttribute("data-theme", next);
      keep(next);
      label();
    });
  });

  /* Data files hand their value over with lassbench.take(name, value). */
  var waiting = {};
  var taken = {};
  window.lassbench = {
    take: function (name, value) {
      taken[name] = value;
      (waiting[name] || []).forEach(function (done) { done(value); });
      delete waiting[name];
    },
    /* Calls done(value) once the data file at url has handed over name. */
    load: function (name, url, done, failed) {
      if (name in taken) { done(taken[name]); return; }
      if (waiting[name]) { waiting[name].push(done); return; }
      waiting[name] = [done];
      var script = document.createElement("script");
      script.src = url;
      script.onerror = function () {
        delete waiting[name];
        script.remove();
        if (failed) { failed(); }
      };
      document.head.appendChild(script);
    }
  };
}());
