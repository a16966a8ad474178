"use strict";
/* The listening page: every track of a query at the same moment, one heard at a time. */
document.addEventListener("DOMContentLoaded", function () {
  var playing = null;

  function clock(seconds) {
    return Math.floor(seconds / 60) + ":" + ("0" + Math.floor(seconds % 60)).slice(-2) + "." + Math.floor(seconds * 10 % 10);
  }

  function player(box) {
    var tracks = Array.prototype.map.call(box.querySelectorAll("li.track"), function (item) {
      return { item: item, audio: item.querySelector("audio"), button: item.querySelector("button.hear"), head: item.querySelector(".playhead"), picture: item.querySelector(".picture") };
    });
    var button = box.querySelector("button.play");
    var slider = box.querySelector("input[type=range]");
    var time = box.querySelector("output");
    var problem = box.querySelector(".problem");
    var length = Number(box.dataset.seconds);
    var heard = tracks[0];
    var position = 0;
    var self = { pause: pause };

    function running() { return !heard.audio.paused && !heard.audio.ended; }

    function show() {
      slider.value = String(position);
      slider.setAttribute("aria-valuetext", position.toFixed(1) + " of " + length.toFixed(1) + " seconds");
      time.textContent = clock(position) + " / " + clock(length);
      tracks.forEach(function (track) { track.head.style.left = Math.min(100, position / length * 100) + "%"; });
      button.textContent = running() ? "Pause" : "Play";
      tracks.forEach(function (track) {
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
      if (playing && playing !== self) { playing.pause(); }
      playing = self;
      if (position >= length - 0.05) { position = 0; }
      heard.audio.currentTime = position;
      var started = heard.audio.play();
      if (started) {
        started.then(function () { show(); follow(); }, function () {
          problem.hidden = false;
          show();
        });
      }
    }

    function pause() {
      heard.audio.pause();
      show();
    }

    function hear(track) {
      var was = running();
      position = was ? heard.audio.currentTime : position;
      heard.audio.pause();
      heard = track;
      /* The new track goes on at the very moment the old one stopped at. */
      if (was) { play(); } else { show(); }
    }

    button.addEventListener("click", function () { if (running()) { pause(); } else { play(); } });
    slider.addEventListener("input", function () {
      position = Number(slider.value);
      heard.audio.currentTime = position;
      show();
    });
    tracks.forEach(function (track) {
      track.button.addEventListener("click", function () { hear(track); });
      track.picture.addEventListener("click", function (event) {
        var where = track.picture.getBoundingClientRect();
        position = Math.max(0, Math.min(length, (event.clientX - where.left) / where.width * length));
        heard.audio.currentTime = position;
        show();
      });
      track.audio.addEventListener("ended", function () { position = length; show(); });
    });
    show();
  }

  Array.prototype.forEach.call(document.querySelectorAll(".player"), player);
  document.documentElement.classList.add("ready");
});
