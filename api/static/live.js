// The live page: GET /v1/live once a second, and one player over the socket. All texts go in as text, never as HTML.

import { PlayerSocket } from "./socket.js";
import { byInterest, count, plural, rate, sparkline, text, time, told, words } from "./words.js";

const POLL_MS = 1_000;
const ENDS = { goal: "good", completed: "good", exit: "warn", expired: "warn", removed: "warn" }; // of a journey
const TITLES = { sms: "SMS", email: "E-mail" };
const ROLES = { tower: "control tower", channels: "courier" }; // of members that hold no players
const CHANNELS = { in_app: "in the app", email: "by e-mail", sms: "by SMS", push: "by push", webhook: "by webhook", messenger: "by messenger" };
const HEALTH_EVERY = 10; // polls
const SAMPLES_MAX = 90;
const FEED_MAX = 40;
const KEY = "playtower.key";
const PLAYER = "playtower.player";

const $ = (id) => document.getElementById(id);
const el = (tag, props = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children.filter((child) => child != null && child !== ""));
  return made;
};
const show = (id, visible) => { $(id).hidden = !visible; };
const say = (id, tone, words_) => { const p = $(id); p.dataset.tone = tone; if (p.textContent !== words_) p.textContent = words_; };
const stored = {
  get: (name) => { try { return sessionStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { value == null ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, value); } catch { /* a private window keeps nothing */ } },
};

let key = null;
let polls = 0;
let health = null;
let last = null; // {at, events} of the poll before
let watched = null; // {id, socket, view}
let timer = 0;
const samples = [];
const names = new Map(); // mission id -> name
const segmentNames = new Map();
const journeyNames = new Map();
const landings = new Map(); // channel -> how many were sent, at the poll before
const seen = { recent: new Set(), decisions: new Set(), steps: new Set() };

// --- key ---------------------------------------------------------------------------------------------------------

function start() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (fragment.get("key")) {
    stored.set(KEY, fragment.get("key"));
    history.replaceState(null, "", location.pathname + location.search); // out of the address, so it is not shared
  }
  key = stored.get(KEY);
  key ? open() : ask("");
}

function ask(problem) {
  clearTimeout(timer);
  watched?.socket?.close();
  watched = null;
  show("main", false); show("forget", false); show("ask", true); show("simulated", false);
  $("ask-problem").textContent = problem;
  say("state", "idle", "Not connected");
  $("key").focus();
}

function open() {
  show("ask", false); show("main", true); show("forget", true);
  say("state", "warn", "Connecting");
  watch(stored.get(PLAYER) ?? "vip-1");
  poll();
}

$("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  $("key").value = "";
  stored.set(KEY, key);
  open();
});
$("forget").addEventListener("click", () => { key = null; stored.set(KEY, null); ask(""); });

class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

async function call(path, options = {}) {
  const answer = await fetch(path, {
    ...options,
    headers: { Authorization: `Bearer ${key}`, ...options.headers },
    signal: AbortSignal.timeout(8_000),
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body.detail || body.title || `${answer.status} ${answer.statusText}`);
  return body;
}

// --- the engine --------------------------------------------------------------------------------------------------

async function poll() {
  const mine = key;
  try {
    if (polls++ % HEALTH_EVERY === 0) health = await call("/healthz").catch(() => null);
    const live = await call("/v1/live");
    if (mine !== key) return;
    say("state", "good", "Live");
    showLive(live);
  } catch (error) {
    if (mine !== key) return;
    if (error.status === 401 || error.status === 403) {
      stored.set(KEY, null);
      return ask(error.status === 401 ? "The engine does not know this key." : "This key may not read reports.");
    }
    last = null; // a gap is no rate
    say("state", "bad", error instanceof Refused ? `The engine answers: ${error.message}` : "The engine does not answer");
  }
  timer = setTimeout(poll, document.hidden ? 5 * POLL_MS : POLL_MS);
}

function showLive(live) {
  const at = Date.parse(live.at);
  const now = last && at > last.at ? Math.max(0, ((live.events - last.events) * 1000) / (at - last.at)) : live.events_per_s;
  last = { at, events: live.events };
  samples.push(now);
  if (samples.length > SAMPLES_MAX) samples.shift();
  $("rate").textContent = rate(live.events_per_s);
  $("rate-note").textContent = `${rate(Math.max(...samples))} at most in the last ${plural(samples.length, "second")}`;
  const { line, area } = sparkline(samples, 600, 120, SAMPLES_MAX);
  $("spark-line").setAttribute("d", line);
  $("spark-area").setAttribute("d", area);
  $("events").textContent = count(live.events);
  $("judged").textContent = count(live.tower_entries);
  $("players").textContent = count(live.players);
  $("backlog").textContent = count(live.backlog);
  showHealth(live);
  showHosts(live.hosts ?? []);
  showSegments(live.segments ?? [], live.walks ?? 0);
  showJourneys(live.journeys ?? [], live.steps ?? []);
  const outcomes = { cleared: "good", held: "warn", escalated: "warn", merged: "accent", rerouted: "accent", refused: "bad" };
  showChannels(live.channels ?? [], live.in_flight ?? 0);
  const recent = live.recent ?? [];
  const completions = recent.filter((item) => !(item.what in outcomes));
  feed("recent", completions, (item) => `${item.at}|${item.player}|${item.what}|${item.id}`, (item) => [
    el("span", {}, playerLink(item.player), item.what === "level" ? " reached level " : " completed ", nameOf(item)),
    el("span", { className: "when", textContent: time(item.at) }),
  ]);
  const decisions = live.decisions ?? recent.filter((item) => item.what in outcomes)
    .map((item) => ({ ...item, outcome: item.what, template: item.id }));
  const all = live.decisions || decisions.length; // else those of the watched player
  $("decisions-title").textContent = all || !watched?.decisions ? "Tower decisions" : `Tower decisions for ${watched.id}`;
  showDecisions(all ? decisions : watched?.decisions ?? [], outcomes);
  quick(recent);
}

function showDecisions(decisions, outcomes) {
  feed("decisions", decisions, (item) => `${item.at}|${item.request_id ?? item.player}|${item.outcome}|${item.template}`, (item) => [
    el("span", {},
      el("span", { className: `tag ${outcomes[item.outcome] ?? ""}`, textContent: words(item.outcome) }), " ",
      item.title || words(item.template), item.player ? " for " : "", item.player ? playerLink(item.player) : "",
      item.channel ? ` ${CHANNELS[item.channel] ?? `by ${words(item.channel).toLowerCase()}`}` : ""),
    el("span", { className: "when", textContent: time(item.at) }),
    item.reasons?.length ? el("span", { className: "more", textContent: (item.why ?? item.reasons.map(words)).join(" ") }) : "",
  ]);
}

/** How messages land, by channel; a channel in which one has just landed lights up. */
function showChannels(channels, inFlight) {
  show("channels", channels.length > 0);
  const tags = channels.map((channel) => {
    const sent = channel.landings?.sent ?? 0;
    const landed = landings.has(channel.channel) && sent > landings.get(channel.channel);
    landings.set(channel.channel, sent);
    const waiting = channel.waiting ? `, ${count(channel.waiting)} in line` : "";
    return el("span", {
      className: `tag ${channel.open ? "good" : "bad"} ${landed ? "fresh" : ""}`,
      title: Object.entries(channel.landings ?? {}).map(([outcome, n]) => `${words(outcome)} ${count(n)}`).join(", "),
      textContent: `${TITLES[channel.channel] ?? words(channel.channel)} ${count(sent)} sent${waiting}${channel.open ? "" : ", closed"}`,
    });
  });
  if (inFlight) tags.push(el("span", { className: "tag accent", textContent: `${count(inFlight)} on the way` }));
  $("channels").replaceChildren(...tags);
}

function showHealth(live) {
  const hosts = (live.hosts ?? []).filter((host) => host.lane === "players");
  const gone = (live.hosts ?? []).filter((host) => !host.alive).map((host) => host.name);
  const owned = hosts.filter((host) => host.alive).reduce((sum, host) => sum + (host.partitions?.length ?? 0), 0);
  const durability = health?.durability;
  $("health").replaceChildren(
    el("span", { textContent: live.programme ? `Programme version ${live.programme}` : "No programme is live" }),
    el("span", { textContent: `${plural(owned, "partition")} owned by ${plural(hosts.length, "host")}` }),
    durability ? el("span", {
      className: durability === "strict" ? "" : "bad",
      textContent: `Durability ${durability}${durability === "strict" ? ": acknowledged means on disk" : ""}`,
    }) : "",
    health && !health.store ? el("span", { className: "bad", textContent: "The store does not answer" }) : "",
    gone.length ? el("span", { className: "bad", textContent: `No heartbeat from ${gone.join(", ")}` }) : "",
  );
}

function showSegments(segments, walks) {
  for (const segment of segments) segmentNames.set(segment.id, text(segment.name, segment.id));
  if (watched?.view) showMemberships(watched.view);
  show("segments-empty", !segments.length);
  show("walks", walks > 0);
  $("walks").textContent = walks ? `Counts grow: players of ${plural(walks, "partition")} are being visited` : "";
  const most = Math.max(...segments.map((segment) => segment.players), 1);
  const order = [...segments].sort((a, b) => b.players - a.players || a.id.localeCompare(b.id));
  redraw("segments", order, (segment) => el("li", {},
    el("span", { textContent: segmentNames.get(segment.id), title: segment.id }),
    el("span", { className: "count", textContent: count(segment.players) }),
    bar(segment.players, most, `${segmentNames.get(segment.id)}: ${plural(segment.players, "player")}`)));
}

function showJourneys(journeys, steps) {
  for (const journey of journeys) journeyNames.set(journey.id, text(journey.name, journey.id));
  show("journeys-empty", !journeys.length);
  redraw("journeys", journeys, (journey) => el("li", {},
    el("div", { className: "line" },
      el("span", { className: "name", textContent: journeyNames.get(journey.id), title: journey.id }),
      el("span", { className: "count", textContent: plural(journey.players, "player") })),
    el("p", { className: "tags" }, ...waiting(journey.nodes ?? []).map((node) =>
      el("span", { className: `tag ${node.kind ? "accent" : "warn"}`, title: node.kind ?? "of an earlier version",
        textContent: `${words(node.id)} ${count(node.players)}` })))));
  feed("steps", steps, (step) => `${step.at}|${step.player}|${step.journey}|${step.node}|${step.outcome}`, (step) => [
    el("span", {}, playerLink(step.player), " ",
      el("span", { className: `tag ${ENDS[step.outcome] ?? (step.node ? "" : "accent")}`, textContent: words(step.outcome) })),
    el("span", { className: "when", textContent: time(step.at) }),
    el("span", { className: "more", textContent: [journeyNames.get(step.journey) ?? words(step.journey), step.node && words(step.node)].filter(Boolean).join(": ") }),
  ]);
}

/** The nodes at which somebody waits, in the order of the journey. */
const waiting = (nodes) => nodes.filter((node) => node.players);

/** Draws a list anew only when it says something else, and not from under a keyboard. */
function redraw(name, items, item) {
  const signature = JSON.stringify(items);
  if ($(name).dataset.signature === signature || $(name).contains(document.activeElement)) return;
  $(name).dataset.signature = signature;
  $(name).replaceChildren(...items.map(item));
}

function showHosts(hosts) {
  show("hosts-empty", !hosts.length);
  const rows = hosts.flatMap((host) => [
    el("tr", {},
      el("td", {}, host.name, " ", host.alive ? "" : el("span", { className: "tag bad", textContent: "gone" })),
      el("td", {}, el("span", { className: `tag ${host.lane in ROLES ? "accent" : ""}`, textContent: ROLES[host.lane] ?? "shared" })),
      el("td", { className: "n", textContent: host.lane in ROLES ? "" : count(host.players) }),
      el("td", { className: "n", textContent: count(host.partitions?.length ?? host.partitions) }),
      el("td", { className: "n", textContent: count(host.entries) })),
    ...Object.entries(host.dedicated ?? {}).sort().map(([player, pid]) => el("tr", {},
      el("td", {}, playerLink(player)),
      el("td", { colSpan: 4 }, el("span", { className: "tag good", textContent: "its own process" }),
        el("span", { className: "muted", textContent: Number.isInteger(pid) ? ` pid ${pid}, owned by ${host.name}` : ` owned by ${host.name}` })))),
  ]);
  if (!$("hosts").contains(document.activeElement)) $("hosts").replaceChildren(...rows);
}

/** Fills a list newest first; items that were not there before light up, unless all are new. */
function feed(name, items, identity, parts) {
  show(`${name}-empty`, !items.length);
  const known = seen[name];
  const first = !known.size;
  const shown = items.slice(0, 12);
  if (shown.length && shown.every((item) => known.has(identity(item))) && $(name).childElementCount === shown.length) return;
  if ($(name).contains(document.activeElement)) return; // not from under a keyboard
  $(name).replaceChildren(...shown.map((item) => el("li", { className: first || known.has(identity(item)) ? "" : "fresh" }, ...parts(item))));
  known.clear();
  items.forEach((item) => known.add(identity(item)));
}

const nameOf = (item) => item.what === "level" ? words(item.id) : names.get(item.id) ?? words(item.id);

function playerLink(id) {
  const button = el("button", { type: "button", className: "link", textContent: id, title: `Watch ${id}` });
  button.addEventListener("click", () => watch(id));
  return button;
}

// --- one player --------------------------------------------------------------------------------------------------

$("pick").addEventListener("submit", (event) => { event.preventDefault(); watch($("player-id").value.trim()); });

function quick(recent) {
  const known = [...new Set(["vip-1", "vip-2", "vip-3", "vip-4", watched?.id, ...recent.map((item) => item.player)])].filter(Boolean);
  $("known").replaceChildren(...known.map((id) => el("option", { value: id })));
  const chips = known.slice(0, 8);
  const signature = `${chips.join()}|${watched?.id}`;
  if ($("quick").dataset.signature === signature || $("quick").contains(document.activeElement)) return;
  $("quick").dataset.signature = signature;
  $("quick").replaceChildren(...chips.map((id) => {
    const chip = el("button", { type: "button", textContent: id });
    chip.setAttribute("aria-pressed", String(id === watched?.id));
    chip.addEventListener("click", () => { watch(id); chip.blur(); });
    return chip;
  }));
}

function watch(id) {
  if (!id) return;
  watched?.socket?.close();
  clearTimeout(watched?.timer);
  stored.set(PLAYER, id);
  $("player-id").value = id;
  $("deltas").replaceChildren(); $("messages").replaceChildren();
  show("deltas-empty", true); show("messages-empty", true);
  show("player-body", false); show("player-empty", true);
  $("player-empty").textContent = `Looking for ${id}`;
  say("socket", "idle", "No socket");
  watched = { id, socket: null, view: null, decisions: null, timer: 0, loading: false };
  load(watched);
}

/** Reads the player's state; at most once a second, however many deltas ask for it. */
async function load(player) {
  if (player.loading) return;
  player.loading = true;
  const path = `/v1/players/${encodeURIComponent(player.id)}`;
  try {
    const view = await call(path);
    if (player !== watched) return;
    player.view = view;
    showPlayer(view);
    if (!player.socket) {
      const inbox = await call(`${path}/inbox?limit=8`).catch(() => ({ items: [] }));
      if (player !== watched) return;
      for (const message of inbox.items.reverse()) note({ type: "notification", ...message });
      player.socket = connect(player);
    }
    player.decisions = (await call(`${path}/decisions?limit=12`).catch(() => ({ items: null }))).items;
  } catch (error) {
    if (player !== watched) return;
    if (!player.view) {
      show("player-body", false); show("player-empty", true);
      $("player-empty").textContent = error.status === 404
        ? `There is no player ${player.id} yet. It appears here with its first event.`
        : `The player cannot be read: ${error.message}`;
      player.timer = setTimeout(() => load(player), 3_000);
    }
  } finally {
    player.loading = false;
  }
}

function soon(player) {
  if (!player.timer) player.timer = setTimeout(() => { player.timer = 0; if (player === watched) load(player); }, 1_000);
}

function connect(player) {
  return new PlayerSocket({
    token: async () => (await call(`/v1/players/${encodeURIComponent(player.id)}/token`, { method: "POST" })).token,
    onState: (tone, words_) => { if (player === watched) say("socket", tone, words_); },
    onResync: () => { player.timer = 0; load(player); },
    onDelta: (delta) => { if (player === watched) { note(delta); soon(player); } },
  });
}

function note(delta) {
  const line = told(delta, (id) => names.get(id) ?? words(id));
  const list = delta.type === "notification" ? "messages" : "deltas";
  show(`${list}-empty`, false);
  $(list).prepend(el("li", { className: "fresh" },
    el("span", { textContent: line.title }),
    el("span", { className: line.gain ? "gain" : "when", textContent: line.gain ?? time(delta.at ?? Date.now()) }),
    line.more ? el("span", { className: "more", textContent: line.more }) : ""));
  while ($(list).childElementCount > FEED_MAX) $(list).lastChild.remove();
}

function showPlayer(view) {
  const traits = view.traits ?? {};
  show("player-empty", false); show("player-body", true);
  show("simulated", traits.simulated === true);
  $("who-name").replaceChildren(traits.first_name ? `${traits.first_name} ` : "", el("span", { className: "muted", textContent: view.id }), " ",
    traits.vip === true ? el("span", { className: "tag warn", textContent: "VIP" }) : "");
  $("who-facts").textContent = [
    traits.simulated === true ? "simulated" : "", view.locale, view.timezone,
    view.placement === "dedicated" ? "in a process of its own" : view.host ? `on ${view.host}` : "",
  ].filter(Boolean).join(" · ");
  $("balances").replaceChildren(...Object.entries(view.balances ?? {}).map(([currency, held]) =>
    el("div", {}, el("dt", { textContent: words(currency) }), el("dd", { textContent: count(held.balance) }))));
  showMemberships(view);
  showLevel(view);
  for (const mission of view.missions ?? []) names.set(mission.id, text(mission.name, mission.id));
  $("missions").replaceChildren(...byInterest(view.missions ?? []).map(missionItem));
}

function showMemberships(view) {
  const named = (view.segments ?? []).map((id) => segmentNames.get(id) ?? words(id)); // names come with the first poll
  redraw("memberships", named, (name) => el("span", { className: "tag", textContent: name }));
}

function showLevel(view) {
  const system = view.levels?.[0];
  const next = system?.next;
  $("level").replaceChildren(
    el("div", { className: "line" },
      el("span", {}, "Level ", el("strong", { textContent: words(view.level ?? "none") })),
      el("span", { textContent: next ? `${words(next.id)} at ${count(next.at)}` : "" })),
    next ? bar(system.lifetime, next.at, `Progress to level ${words(next.id)}`) : "");
}

function missionItem(mission) {
  const name = text(mission.name, mission.id);
  const tones = { in_progress: "accent", completed: "good", expired: "bad", missed: "bad" };
  const waiting = mission.unclaimed?.length;
  const done = mission.completed_count > 1 ? ` ×${count(mission.completed_count)}` : "";
  return el("li", {},
    el("div", { className: "line" },
      el("span", { className: "name", textContent: name }),
      waiting ? el("span", { className: "tag warn", textContent: "reward waiting" }) : "",
      el("span", { className: `tag ${tones[mission.status] ?? ""}`, textContent: (mission.opt_in && mission.status === "available" ? "Join to begin" : words(mission.status)) + done })),
    ...(mission.status === "locked" ? [] : mission.tasks.map((task) => el("div", { className: "task" },
      bar(mission.status === "completed" ? task.expected : task.actual, task.expected, `${name}: ${words(task.id)}`),
      el("span", { textContent: `${count(Math.min(task.actual, task.expected))} / ${count(task.expected)}` })))));
}

function bar(value, max, label) {
  const made = el("progress", { max, value: Math.min(value, max) });
  made.setAttribute("aria-label", label);
  return made;
}

start();
