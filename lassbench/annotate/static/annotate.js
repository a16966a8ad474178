/* The annotator's page.  Every pause in typing is saved; what the server has not
   confirmed stays in this browser (localStorage) until it has. */
"use strict";
(() => {
  const page = document.body.dataset;
  const by = (id) => document.getElementById(id);
  const prefix = `lassbench:${page.campaign}:${page.who}:`;
  const PAUSE_MS = 400, LONGEST_MS = 3000, TIMEOUT_MS = 15000, IDLE_S = 60;

  /* What is kept in this browser.  A browser may refuse; then the page says so. */
  const kept = {
    works: true,
    get(key) { try { return JSON.parse(localStorage.getItem(prefix + key)); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(prefix + key, JSON.stringify(value)); kept.works = true; } catch { kept.works = false; } },
    remove(key) { try { localStorage.removeItem(prefix + key); } catch { /* nothing was kept */ } },
    clips() {
      try {
        return Object.keys(localStorage).filter((key) => key.startsWith(`${prefix}clip:`)).map((key) => Number(key.slice(prefix.length + 5)));
      } catch { return []; }
    },
  };

  const writer = (() => {
    let name = kept.get("writer");
    if (typeof name !== "string") {
      name = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
      kept.set("writer", name);
    }
    return name;
  })();

  const put = (number, body, last = false) => fetch(`/clip/${number}`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ writer, who: page.who, ...body }),
    keepalive: last,
    signal: last ? undefined : AbortSignal.timeout(TIMEOUT_MS),
  });

  /* Words for other sounds that a lost connection kept here. */
  async function sendOthers(except) {
    for (const number of kept.clips()) {
      if (number === except) continue;
      const entry = kept.get(`clip:${number}`);
      if (!entry) continue;
      try {
        const reply = await put(number, { text: entry.text, action: "draft", base: entry.base });
        /* Overtaken by another device: the server's history has these words too. */
        if (reply.ok || reply.status === 409) kept.remove(`clip:${number}`);
      } catch { return; }
    }
  }

  const leave = by("leave");
  if (leave && page.who) {
    leave.addEventListener("submit", (event) => {
      if (kept.clips().length && !confirm("Some words are not sent yet. They stay in this browser. Leave all the same?")) event.preventDefault();
    });
  }
  if (page.page === "overview") {
    sendOthers(0);
    window.addEventListener("online", () => sendOthers(0));
    return;
  }
  if (page.page !== "clip") return;

  /* ---- The player --------------------------------------------------------- */
  const sound = by("sound"), play = by("play"), head = by("playhead"), picture = by("picture");
  const volume = by("volume"), loop = by("loop"), time = by("time");
  let plays = 0;
  sound.removeAttribute("controls");
  sound.hidden = true;
  by("transport").hidden = false;
  picture.classList.add("seek");

  const shown = () => {
    const length = sound.duration || 0;
    const at = Math.min(sound.currentTime, length);
    head.style.left = length ? `${(100 * at) / length}%` : "0";
    time.textContent = length ? `${at.toFixed(1)} of ${length.toFixed(1)} s` : "";
  };
  const follow = () => { shown(); if (!sound.paused) requestAnimationFrame(follow); };
  const toggle = () => {
    if (sound.paused) sound.play().catch(() => { by("unplayable").hidden = !sound.error; });
    else sound.pause();
  };
  play.addEventListener("click", toggle);
  sound.addEventListener("play", () => { plays += 1; play.textContent = "Stop"; follow(); });
  sound.addEventListener("pause", () => { play.textContent = "Play"; shown(); });
  sound.addEventListener("loadedmetadata", shown);
  sound.addEventListener("error", () => { by("unplayable").hidden = false; });
  const level = kept.get("volume");
  if (typeof level === "number" && level >= 0 && level <= 100) volume.value = String(level);
  const setVolume = () => { sound.volume = Number(volume.value) / 100; };
  volume.addEventListener("input", () => { setVolume(); kept.set("volume", Number(volume.value)); });
  setVolume();
  loop.checked = kept.get("loop") === true;
  const setLoop = () => { sound.loop = loop.checked; kept.set("loop", loop.checked); };
  loop.addEventListener("change", setLoop);
  setLoop();
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    if (sound.duration) { sound.currentTime = (sound.duration * (event.clientX - box.left)) / box.width; shown(); }
  });

  /* ---- Writing ------------------------------------------------------------ */
  const form = by("describe"), box = by("text"), state = by("state");
  const number = Number(page.number), key = `clip:${number}`;
  const locked = form.dataset.locked === "yes";
  /* A form sent without this script may come back with words that are not saved. */
  let revision = Number(form.dataset.revision), confirmed = form.dataset.unsaved ? null : box.value;
  let want = "draft", reason = "", sending = false, closed = locked, expired = false;
  let pause = 0, longest = 0, retry = 0, tries = 0;
  let seconds = 0, active = Date.now();

  const say = (text, special = false) => {
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("kept", special);
  };
  const countWords = () => {
    const words = (box.value.match(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu) || []).length;
    by("count").textContent = words ? `${words} ${words === 1 ? "word" : "words"} (${box.dataset.min} to ${box.dataset.max})` : `${box.dataset.min} to ${box.dataset.max} words`;
  };
  const showFindings = (findings) => {
    by("findings").replaceChildren(...findings.map((finding) => {
      const item = document.createElement("li");
      item.className = `finding ${finding.level === "error" ? "error" : "warning"}`;
      item.textContent = finding.message;
      return item;
    }));
  };

  setInterval(() => {
    const busy = !sound.paused || Date.now() - active < 1000 * IDLE_S;
    if (!document.hidden && busy) seconds += 1;
  }, 1000);
  for (const kind of ["keydown", "pointerdown", "input"]) document.addEventListener(kind, () => { active = Date.now(); });

  const dirty = () => want !== "draft" || box.value !== confirmed;
  const later = (wait) => { clearTimeout(retry); retry = setTimeout(send, wait); };
  const again = () => { tries += 1; later(Math.min(10000, 500 * 2 ** tries)); };
  const lost = () => {
    say(kept.works
      ? "No connection. Your words are kept in this browser and sent as soon as it is back."
      : "No connection, and this browser keeps nothing: leave this page open until it is back.", true);
    again();
  };

  async function send() {
    clearTimeout(pause); clearTimeout(longest); clearTimeout(retry);
    pause = longest = 0;
    if (sending || closed || !by("conflict").hidden || !dirty()) return;
    sending = true;
    const sent = { text: box.value, action: want, base: revision, seconds, plays };
    if (want === "cannot") sent.reason = reason;
    say("Saving …");
    let reply = null, body = {};
    try {
      reply = await put(number, sent);
      body = await reply.json();
    } catch { reply = null; }
    sending = false;
    if (reply && reply.ok) accepted(sent, body);
    else refused(reply ? reply.status : 0, reply, body);
  }

  function accepted(sent, body) {
    tries = 0;
    revision = body.revision;
    confirmed = sent.text;
    seconds -= sent.seconds;
    plays -= sent.plays;
    if (box.value === sent.text) kept.remove(key);
    else kept.set(key, { text: box.value, base: revision });
    if (want === sent.action) want = "draft";
    showFindings(body.findings);
    if (body.next && box.value === sent.text) { location.assign(body.next); return; }
    if (sent.action === "done" && body.state !== "done") {
      say("Saved as a draft: see what is still to do");
      box.focus();
    } else say(body.state === "draft" ? "Saved as a draft" : "Saved");
    if (dirty()) later(PAUSE_MS);
    else sendOthers(number);
  }

  function refused(status, reply, body) {
    if (status === 409) {
      revision = body.revision;
      by("theirs").textContent = body.text;
      by("conflict").hidden = false;
      want = "draft";
      say("Not saved over the other text; your words are kept", true);
      by("keep-mine").focus();
    } else if (status === 401 || status === 403) {
      closed = expired = true;
      const why = status === 401 ? "Your link is no longer valid here." : "This browser is signed in as somebody else by now.";
      say(kept.works
        ? `${why} Your words are kept in this browser: open your link again, or ask for a new one.`
        : `${why} This browser keeps nothing: leave this page open, open your link in another tab, then come back.`, true);
    } else if (status === 423) {
      closed = true;
      box.readOnly = true;
      say("The coordinator has closed your list; this was not saved", true);
    } else if (status === 413 || status === 422) {
      want = "draft";
      say(body.error || "That could not be saved", true);
    } else if (status === 429) {
      say("Saving …");
      later(1000 * Number(reply.headers.get("Retry-After") || 1));
    } else lost();
  }

  /* The link may have been opened again in another tab. */
  const reopened = () => { if (expired) closed = expired = false; };

  const keep = () => { if (box.value === confirmed) kept.remove(key); else kept.set(key, { text: box.value, base: revision }); };
  box.addEventListener("input", () => {
    keep();
    countWords();
    want = "draft";
    clearTimeout(pause);
    pause = setTimeout(send, PAUSE_MS);
    if (!longest) longest = setTimeout(send, LONGEST_MS);
  });
  box.addEventListener("blur", () => { if (dirty()) send(); });
  window.addEventListener("online", () => { tries = 0; send(); });
  window.addEventListener("focus", () => { if (expired) { reopened(); send(); } });
  window.addEventListener("offline", () => { if (dirty()) lost(); });
  window.addEventListener("pagehide", () => {
    if (!closed && (box.value !== confirmed || seconds > 0 || plays > 0) && by("conflict").hidden) {
      put(number, { text: box.value, action: "draft", base: revision, seconds, plays }, true).catch(() => {});
    }
  });
  window.addEventListener("beforeunload", (event) => { if (dirty() && !kept.works) event.preventDefault(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    reopened();
    if (closed) return;
    want = event.submitter && event.submitter.value === "cannot" ? "cannot" : "done";
    if (want === "cannot") {
      const chosen = form.querySelector("input[name=reason]:checked");
      if (!chosen) {
        want = "draft";
        showFindings([{ level: "error", message: "Say why you cannot tell: choose one of the reasons." }]);
        form.querySelector("input[name=reason]").focus();
        return;
      }
      reason = chosen.value;
    }
    send();
  });
  by("keep-mine").addEventListener("click", () => { by("conflict").hidden = true; confirmed = null; send(); box.focus(); });
  by("take-theirs").addEventListener("click", () => {
    box.value = confirmed = by("theirs").textContent;
    by("conflict").hidden = true;
    kept.remove(key);
    countWords();
    say("Saved");
    box.focus();
  });

  /* ---- Keys --------------------------------------------------------------- */
  const submit = () => { const done = by("done"); if (done) done.click(); };
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey || event.metaKey && event.key !== "Enter") return;
    const writing = event.target === box;
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") { event.preventDefault(); submit(); return; }
    if (event.ctrlKey && event.code === "Space") { event.preventDefault(); toggle(); return; }
    if (event.ctrlKey) return;
    if (writing) { if (event.key === "Escape") { event.preventDefault(); box.blur(); } return; }
    /* A control that has the focus keeps its own keys. */
    if (event.target.closest("a, button, input, summary, select") && !(event.target === volume && event.code === "Space")) {
      if (["Enter", " "].includes(event.key)) return;
    }
    if (event.code === "Space") { event.preventDefault(); toggle(); }
    else if (event.key === "Enter") { event.preventDefault(); box.focus(); }
    else if (event.key === "l" || event.key === "L") { loop.checked = !loop.checked; setLoop(); }
    else if ((event.key === "n" || event.key === "N") && by("next")) by("next").click();
    else if ((event.key === "b" || event.key === "B") && by("before")) by("before").click();
  });

  /* ---- Words that an earlier visit could not send ------------------------- */
  countWords();
  const entry = kept.get(key);
  if (entry && typeof entry.text === "string" && !locked) {
    if (entry.text === confirmed) kept.remove(key);
    else {
      box.value = entry.text;
      revision = Number(entry.base);
      countWords();
      send();
    }
  } else if (confirmed === null && box.value) send();
  sendOthers(number);
})();
