"use strict";
/* Light or dark: what the reader's system says, unless they chose here. Runs before the page is drawn. */
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  function stored() {
    try { return window.localStorage.getItem("lassbench-theme"); } catch (error) { return null; }
  }
  function keep(theme) {
    try { window.localStorage.setItem("lassbench-theme", theme); } catch (error) { /* private mode: for this page only */ }
  }
  /* The theme that a click changes to. */
  function other() {
    const now = root.dataset.theme || (system.matches ? "dark" : "light");
    return now === "dark" ? "light" : "dark";
  }
  const theme = stored();
  if (theme === "light" || theme === "dark") { root.dataset.theme = theme; }
  root.classList.add("js");

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => { button.textContent = other() === "dark" ? "Dark theme" : "Light theme"; };
    button.hidden = false;
    label();
    system.addEventListener("change", label);
    button.addEventListener("click", () => {
      root.dataset.theme = other();
      keep(root.dataset.theme);
      label();
    });
  });

  /* Data files hand their value over with lassbench.take(name, value). */
  const waiting = {};
  const taken = {};
  window.lassbench = {
    take(name, value) {
      taken[name] = value;
      (waiting[name] || []).forEach((done) => done(value));
      delete waiting[name];
    },
    /* Calls done(value) once the data file at url has handed over name. */
    load(name, url, done, failed) {
      if (name in taken) { done(taken[name]); return; }
      if (waiting[name]) { waiting[name].push(done); return; }
      waiting[name] = [done];
      const script = document.createElement("script");
      script.src = url;
      script.onerror = () => {
        delete waiting[name];
        script.remove();
        if (failed) { failed(); }
      };
      document.head.appendChild(script);
    }
  };
})();
