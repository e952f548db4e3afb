// The dashboard: all nodes and streams of the mesh, as this node knows them, once a second.

import { ask, bitrate, h, morph, watchPath } from "./dom.js";

const NODE_COLUMNS = [
  ["Node", (node) => nodeName(node)],
  ["CPU", (node) => meter(node.load.cpu)],
  ["Memory", (node) => meter(node.load.mem)],
  ["Out", (node) => flow(node.load.tx_bps, node.load.capacity_bps)],
  ["In", (node) => bitrate(node.load.rx_bps)],
  ["Loop lag", (node) => `${node.load.loop_lag_ms.toFixed(1)} ms`, "number"],
  ["Round trips", (node) => roundTrips(node)],
  ["Streams", (node) => `${node.load.streams}`, "number"],
  ["Relays", (node) => `${node.load.relays}`, "number"],
  ["Players", (node) => `${node.load.players}`, "number"],
];

const STREAM_COLUMNS = [
  ["Stream", (stream) => [h("a", { href: watchPath(stream.stream) }, stream.stream), state(stream)]],
  ["Relay tree", (stream) => relayTree(stream)],
  ["Video", (stream) => stream.video || "–"],
  ["Audio", (stream) => stream.audio || "–"],
  ["Bit rate", (stream) => bitrate(stream.kbps * 1000), "number"],
  ["Players", (stream) => `${stream.players}`, "number"],
];

function nodeName(node) {
  const link = h("a", { href: node.urls.http }, node.name);
  const alive = node.status === "alive";
  const name = h("span", { class: `dot ${alive && node.load.ill ? "ill" : node.status}` }, link);
  const says = alive ? node.load.ill : node.status;
  return says ? [name, h("div", { class: "faint" }, says)] : name;
}

function meter(share, text = `${Math.round(share * 100)} %`) {
  const bounded = Math.min(1, Math.max(0, share));
  return h("span", { class: bounded > 0.85 ? "meter high" : "meter", style: `--share: ${bounded}` }, h("i"), text);
}

const flow = (bps, capacity) => (capacity ? meter(bps / capacity, bitrate(bps)) : bitrate(bps));

function roundTrips(node) {
  const links = Object.entries(node.links).sort().map(([peer, { rtt_ms, jitter_ms, loss }]) =>
    h("div", {}, `${peer} ${rtt_ms.toFixed(1)} ± ${jitter_ms.toFixed(1)} ms`, loss >= 0.001 ? `, ${(loss * 100).toFixed(1)} % lost` : null),
  );
  return links.length ? links : "–";
}

const fate = (node) => (["dead", "left"].includes(node.status) ? "gone" : null);

const state = (stream) => h("div", { class: `dot faint ${stream.state}` }, stream.state);

// Who feeds whom: the leader at the root, below each node those that fetch from it.
function relayTree(stream) {
  const held = new Set(stream.replicas.map((replica) => replica.node)).add(stream.leader);
  const below = (supplier) => stream.replicas.filter((replica) => replica.supplier === supplier);
  const orphans = stream.replicas.filter((replica) => !held.has(replica.supplier));
  const branch = (replica) => h("li", {}, replica.node, behind(stream, replica), branches(below(replica.node)));
  const branches = (replicas) => (replicas.length ? h("ul", {}, replicas.map(branch)) : null);
  const standby = stream.standby.map((name) => h("li", { class: "faint" }, `${name} (standby)`));
  const root = h("li", {}, stream.leader ?? h("span", { class: "faint" }, "no publisher"), branches(below(stream.leader)));
  return h("ul", { class: "tree" }, root, orphans.map(branch), standby);
}

function behind(stream, replica) {
  const frames = stream.head - replica.head;
  return frames > 0 && frames < 1e6 ? h("span", { class: "faint" }, ` ${frames} behind`) : null;
}

// Each group has its rows, below its heading if it has one.
function table(columns, groups) {
  const cell = (tag, content, kind) => h(tag, { class: kind }, content);
  const line = (row) => h("tr", { class: fate(row) }, columns.map(([, show, kind]) => cell("td", show(row), kind)));
  const title = (heading) => h("tr", { class: "zone" }, h("th", { colspan: columns.length }, heading));
  return h(
    "div",
    { class: "sheet" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, columns.map(([title, , kind]) => cell("th", title, kind)))),
      groups.map(([heading, rows]) => h("tbody", {}, heading ? title(heading) : null, rows.map(line))),
    ),
  );
}

function nothingYet(nodes) {
  const here = nodes.find((node) => new URL(node.urls.http).host === location.host) ?? nodes[0];
  const port = here ? new URL(here.urls.rtmp.replace(/^rtmp:/, "http:")).port : "";
  const target = `rtmp://${location.hostname}${port && port !== "1935" ? `:${port}` : ""}/live/NAME`;
  return h(
    "div",
    { class: "sheet empty" },
    h("p", {}, "No stream yet. Publish one to any node, with OBS or with ffmpeg:"),
    h("pre", {}, h("code", {}, `ffmpeg -re -i FILE -c:v libx264 -c:a aac -f flv ${target}`)),
  );
}

// The nodes of each zone, below what they do together; no headings where nobody has named a zone.
function byZone(nodes) {
  const zones = [...new Set(nodes.map((node) => node.zone))].sort();
  return zones.map((zone) => {
    const inside = nodes.filter((node) => node.zone === zone);
    return [zones.join("") && [zone || "no zone", h("span", { class: "totals" }, served(inside))], inside];
  });
}

const one = (value, word) => h("span", {}, h("b", {}, `${value}`), ` ${word}`);
const counted = (count, word) => one(count, count === 1 ? word : `${word}s`);

// How many nodes are alive, and what they serve together.
function served(nodes) {
  const alive = nodes.filter((node) => node.status === "alive");
  const sum = (pick) => alive.reduce((total, node) => total + pick(node.load), 0);
  const players = counted(sum((load) => load.players), "player");
  return [counted(alive.length, "node"), players, one(bitrate(sum((load) => load.tx_bps)), "out")];
}

function totals(nodes, streams) {
  const [alive, ...rest] = served(nodes);
  return h("div", { class: "totals", id: "totals" }, alive, counted(streams.length, "stream"), rest);
}

function show(id, content) {
  const wanted = h("div", { id }, content);
  morph(document.getElementById(id), wanted);
}

async function refresh() {
  const notice = document.getElementById("notice");
  try {
    const [{ nodes }, { streams }] = await Promise.all([ask("/api/v1/nodes"), ask("/api/v1/streams")]);
    morph(document.getElementById("totals"), totals(nodes, streams));
    show("streams", streams.length ? table(STREAM_COLUMNS, [[null, streams]]) : nothingYet(nodes));
    show("nodes", table(NODE_COLUMNS, byZone(nodes)));
    notice.hidden = true;
  } catch (error) {
    notice.textContent = `This node does not answer (${error.message}). What is shown below is old.`;
    notice.hidden = false;
  }
}

async function run() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

run();
