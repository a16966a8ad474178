"use strict";
/* The listening page: every track of a query at the same moment, one heard at a time. */
document.addEventListener("DOMContentLoaded", () => {
  let pauseOther = () => {};

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${(Math.floor(seconds * 10) / 10 % 60).toFixed(1).padStart(4, "0")}`;

  function player(box) {
    const tracks = [...box.querySelectorAll("li.track")].map((item) => ({
      item, audio: item.querySelector("audio"), button: item.querySelector("button.hear"), head: item.querySelector(".playhead"), picture: item.querySelector(".picture")
    }));
    const button = box.querySelector("button.play");
    const slider = box.querySelector("input[type=range]");
    const length = Number(box.dataset.seconds);
    let heard = tracks[0];
    let position = 0;

    const running = () => !heard.audio.paused && !heard.audio.ended;

    function show() {
      slider.value = String(position);
      slider.setAttribute("aria-valuetext", `${position.toFixed(1)} of ${length.toFixed(1)} seconds`);
      box.querySelector("output").textContent = `${clock(position)} / ${clock(length)}`;
      button.textContent = running() ? "Pause" : "Play";
      tracks.forEach((track) => {
        track.head.style.left = Math.min(100, position / length * 100) + "%";
        track.button.setAttribute("aria-pressed", String(track === heard));
        track.item.classList.toggle("heard", track === heard);
      });
    }

    function follow() {
      if (!running()) { return; }
      position = heard.audio.currentTime;
      show();
      window.requestAnimationFrame(follow);
    }

    function play() {
      if (pauseOther !== pause) { pauseOther(); }
      pauseOther = pause;
      if (position >= length - 0.05) { position = 0; }
      /* Chromium gives up a FLAC file in whose last block somebody went back. */
      if (heard.audio.error) { heard.audio.load(); }
      heard.audio.currentTime = position;
      heard.audio.play().then(() => { show(); follow(); }, () => {
        box.querySelector(".problem").hidden = false;
        show();
      });
    }

    function pause() {
      heard.audio.pause();
      show();
    }

    function hear(track) {
      const was = running();
      position = was ? heard.audio.currentTime : position;
      heard.audio.pause();
      heard = track;
      /* The new track goes on at the very moment the old one stopped at. */
      if (was) { play(); } else { show(); }
    }

    function seek(seconds) {
      position = Math.max(0, Math.min(length, seconds));
      if (running()) { heard.audio.currentTime = position; }
      show();
    }

    button.addEventListener("click", () => { if (running()) { pause(); } else { play(); } });
    slider.addEventListener("input", () => seek(Number(slider.value)));
    tracks.forEach((track) => {
      track.button.addEventListener("click", () => hear(track));
      track.picture.addEventListener("click", (event) => {
        const where = track.picture.getBoundingClientRect();
        seek((event.clientX - where.left) / where.width * length);
      });
      track.audio.addEventListener("ended", () => { position = length; show(); });
    });
    show();
  }

  document.querySelectorAll(".player").forEach(player);
  document.documentElement.classList.add("ready");
});
