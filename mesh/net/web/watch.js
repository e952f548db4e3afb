// The player page: HTTP-FLV through mpegts.js, close to live, and what happens on the way.

import { ask, bitrate, h, morph } from "./dom.js";

const WAIT_S = 10; // how long a node holds a request for a stream that is not there yet
const RETRY_MS = 1000;
const FROZEN_MS = 5000;

const stream = decoded(location.pathname.replace(/^\/watch\//, ""));
const path = stream.split("/").map(encodeURIComponent).join("/");
const video = document.getElementById("video");
const message = document.getElementById("message");
const sound = document.getElementById("sound");

const session = {
  player: null,
  startedAt: 0,
  firstPictureMs: null,
  stalls: 0,
  stalledMs: 0,
  stalledAt: null,
  speed: 0,
  servedFrom: "",
  restarts: 0,
  home: 0, // which of `homes` is asked
  flows: false, // whether this connection has brought media
  paused: false, // by the viewer, before the connection was made anew
};
const homes = [location.origin]; // nodes to ask for the stream, that of this page first
const names = new Map(); // "host:port" of a node's HTTP address -> its name

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // no UTF-8: the node will say that it is no name
  }
}

function start() {
  stop();
  Object.assign(session, { startedAt: performance.now(), movedAt: performance.now(), position: 0, servedFrom: "", flows: false });
  const options = {
    enableWorker: false,
    enableStashBuffer: false,
    lazyLoad: false,
    autoCleanupSourceBuffer: true,
    liveSync: true, // a little faster until we are close to live again
    liveSyncMaxLatency: 1.2,
    liveSyncTargetLatency: 0.6,
    liveSyncPlaybackRate: 1.1,
    liveBufferLatencyChasing: true, // far behind, jump
    liveBufferLatencyMaxLatency: 4,
    liveBufferLatencyMinRemain: 0.5,
  };
  const url = `${homes[session.home % homes.length]}/${path}.flv?wait=${WAIT_S}`;
  const player = mpegts.createPlayer({ type: "flv", isLive: true, url }, options);
  player.on(mpegts.Events.ERROR, (type, detail, info) => failed(player, type, detail, info));
  player.on(mpegts.Events.MEDIA_INFO, () => Object.assign(session, { flows: true, movedAt: performance.now() }));
  player.on(mpegts.Events.LOADING_COMPLETE, () => again(player, "The stream ended."));
  player.on(mpegts.Events.STATISTICS_INFO, (statistics) => {
    session.speed = statistics.speed ?? 0;
    session.servedFrom = statistics.redirectedURL || statistics.url || url;
  });
  session.player = player;
  player.attachMediaElement(video);
  player.load();
  if (!session.paused) play(player);
}

function stop() {
  session.player?.destroy();
  session.player = null;
}

// Browsers let a page play sound only after a click; the picture should not wait for that.
async function play(player) {
  try {
    await player.play();
  } catch (error) {
    if (error.name !== "NotAllowedError" || video.muted) return;
    video.muted = true;
    sound.hidden = false;
    player.play()?.catch(() => {});
  }
}

function failed(player, type, detail, info) {
  const { MEDIA_CODEC_UNSUPPORTED, MEDIA_MSE_ERROR, NETWORK_EXCEPTION } = mpegts.ErrorDetails;
  if (type === mpegts.ErrorTypes.NETWORK_ERROR) {
    if (info?.code === 400) {
      stop();
      return say(`${stream} is no name of a stream.`);
    }
    const missing = info?.code === 404;
    // Where this node does not answer, another may have the stream; who refuses us is asked again.
    session.home = detail === NETWORK_EXCEPTION ? session.home + 1 : 0;
    again(player, missing ? `${stream} is not live. Waiting for it …` : "The connection was lost. Trying again …");
  } else if (detail === MEDIA_CODEC_UNSUPPORTED || (detail === MEDIA_MSE_ERROR && session.firstPictureMs === null)) {
    say("This browser cannot play the codecs of this stream.");
  }
  // Other media errors concern a tag that mpegts.js does not know; it plays on.
}

function again(player, text) {
  if (player !== session.player) return;
  say(text);
  session.paused = video.paused && session.firstPictureMs !== null;
  stop();
  if (session.firstPictureMs !== null) session.restarts += 1;
  setTimeout(start, RETRY_MS);
}

function say(text) {
  message.textContent = text;
  message.hidden = !text;
}

function watchProgress() {
  const now = performance.now();
  if (session.player && video.currentTime !== session.position) {
    session.firstPictureMs ??= now - session.startedAt;
    session.position = video.currentTime;
    session.movedAt = now;
    say("");
  } else if (session.player && session.flows && !video.paused && session.firstPictureMs !== null && now - session.movedAt > FROZEN_MS) {
    session.movedAt = now;
    frozen(session.player);
  }
}

// While the publisher is away the node holds the connection: it goes on when he returns.
async function frozen(player) {
  const known = await ask(`${homes[session.home % homes.length]}/api/v1/streams/${path}`).catch(() => null);
  if (player !== session.player) return;
  if (known?.state === "stalled") say("The publisher is gone. Waiting for it …");
  else again(player, "The picture stands still. Trying again …");
}

function facts() {
  const { buffered } = video;
  const ahead = buffered.length ? buffered.end(buffered.length - 1) - video.currentTime : 0;
  const quality = video.getVideoPlaybackQuality?.();
  const origin = session.servedFrom ? new URL(session.servedFrom, location).host : "";
  const stalled = session.stalledMs + (session.stalledAt === null ? 0 : performance.now() - session.stalledAt);
  return [
    ["Served by", names.get(origin) ?? (origin || "–")],
    ["First picture", session.firstPictureMs === null ? "–" : `${Math.round(session.firstPictureMs)} ms`],
    ["Buffered", `${ahead.toFixed(1)} s`],
    ["Stalls", session.stalls ? `${session.stalls}, ${(stalled / 1000).toFixed(1)} s` : "none"],
    ["Reconnected", session.restarts ? `${session.restarts} ×` : "never"],
    ["Picture", video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : "–"],
    ["Dropped frames", quality ? `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}` : "–"],
    ["Received", bitrate(session.speed * 8192)],
  ];
}

function showFacts() {
  const rows = facts().map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  morph(document.getElementById("facts"), h("dl", { class: "facts", id: "facts" }, rows));
}

function showUrls(rtmpPort) {
  const rtmp = `rtmp://${location.hostname}${rtmpPort && rtmpPort !== "1935" ? `:${rtmpPort}` : ""}/${path}`;
  const rows = [["RTMP", rtmp], ["HTTP-FLV", `${location.origin}/${path}.flv`]];
  const items = rows.flatMap(([name, url]) => [h("dt", {}, name), h("dd", {}, h("code", {}, url))]);
  morph(document.getElementById("urls"), h("dl", { class: "sheet urls", id: "urls" }, items));
}

async function learnNodes() {
  try {
    const { nodes } = await ask("/api/v1/nodes");
    nodes.forEach((node) => names.set(new URL(node.urls.http).host, node.name));
    const others = nodes.filter((node) => node.status === "alive" && new URL(node.urls.http).host !== location.host);
    homes.splice(1, homes.length, ...others.map((node) => node.urls.http));
    const here = nodes.find((node) => new URL(node.urls.http).host === location.host);
    showUrls(here && new URL(here.urls.rtmp.replace(/^rtmp:/, "http:")).port);
  } catch {
    // The stream may well play on while the API does not answer; the host stands for the name.
  }
}

video.addEventListener("waiting", () => {
  if (session.firstPictureMs === null || session.stalledAt !== null) return;
  session.stalls += 1;
  session.stalledAt = performance.now();
});
video.addEventListener("playing", () => {
  if (session.stalledAt === null) return;
  session.stalledMs += performance.now() - session.stalledAt;
  session.stalledAt = null;
});
sound.addEventListener("click", () => {
  video.muted = false;
});
video.addEventListener("volumechange", () => {
  if (!video.muted) sound.hidden = true;
});

document.title = `${stream} – Mediamesh`;
document.getElementById("name").textContent = stream;
showUrls("");
learnNodes();
setInterval(learnNodes, 10000);
setInterval(watchProgress, 100);
setInterval(showFacts, 500);
if (mpegts.isSupported()) start();
else say("This browser has no Media Source Extensions; use one of the addresses below.");
