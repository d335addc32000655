// The player's lobby: what they have, and what they can do with it. It is read once; from then on the socket says what
// changed, and a list is read again only when a delta says so. The token comes in the address and stays in this tab.

import { $, currencyName, el, nameCurrencies, show } from "./lobby_dom.js";
import { showCalendar, showHero, showMissions, showPots, showQuests, showStreaks } from "./lobby_player.js";
import { isOver, keyOf, showFacts, showRace, showRaces } from "./lobby_races.js";
import { forgetRefusals, showPurchases, showStore } from "./lobby_store.js";
import { noteDraw, showWheel } from "./lobby_wheel.js";
import { LANGUAGES, currentLanguage, local, midnight, moment, number, plain, refusal, setLanguage, t } from "./lobby_words.js";
import { PlayerSocket } from "./socket.js";

const TOKEN = "playtower.token";
const CHOSEN = "playtower.language";
const FEED_MAX = 30;
const AGAIN_MS = 1_000; // a list is read at most this often, however many deltas ask for it
const OVER_MS = 2_000; // what ends by time alone is looked at so long after it
const SPREAD_MS = 10_000; // and so much later at most: not by every page in the same second
const LOOK_MS = 3_600_000; // the latest that it is looked again

const stored = {
  get: (name) => { try { return sessionStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { value == null ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, value); } catch { /* a private window keeps nothing */ } },
};

let token = null;
let socket = null;
let line = null; // how the connection is said again in another language
const LISTS = ["streaks", "quests", "minigames", "plays", "tournaments", "store", "purchases", "raffles", "wins"];
const held = { me: null, jackpots: [], race: null, board: null, ...Object.fromEntries(LISTS.map((name) => [name, []])) }; // race: <id>@<run>

// --- asking the engine -------------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    Object.assign(this, { status, code: problem.code ?? "" });
  }
}

async function call(path, options = {}) {
  const asked = token;
  let answer;
  try {
    answer = await fetch(path.startsWith("/v1/") ? path : `/v1/me${path}`, {
      ...options,
      headers: { Authorization: `Bearer ${asked}`, ...options.headers },
      signal: AbortSignal.timeout(12_000),
    });
  } catch {
    throw new Refused(0, { detail: t("no_answer") });
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return { ...body, status: answer.status };
  if (answer.status === 401 && [asked, null].includes(stored.get(TOKEN))) ask(t("token_ended")); // not for a token that has been replaced
  throw new Refused(answer.status, body);
}

/** Does something once: asked again after a loss, the same key gives the same answer and nothing more. */
async function act(path, body = {}) {
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  const options = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", "Idempotency-Key": key } };
  for (let tries = 0; ; tries++) {
    try {
      const answer = await call(path, options);
      if (answer.status !== 202) return answer.data ?? {};
      if (tries >= 5) throw new Refused(202, { code: "later" });
    } catch (error) {
      if (tries >= 2 || (error.status && error.status !== 429 && error.status < 500)) throw error; // a 202 too
    }
    await new Promise((resolve) => setTimeout(resolve, 600 * (tries + 1)));
  }
}

/** Asks, and says below the header what came of it. */
async function doing(path, body, done, price) {
  try {
    const answer = await act(path, body);
    if (done) tell("good", typeof done === "function" ? done(answer) : done);
    return answer;
  } catch (error) {
    tell("bad", refusal(error.code, error.message, { price }));
    error.said = refusal(error.code, error.message, { price });
    return { refused: error };
  }
}

let quiet = 0;
function tell(tone, text) {
  if (!text) return;
  const said = $("said");
  said.dataset.tone = tone;
  said.textContent = text;
  show("said", true);
  clearTimeout(quiet);
  quiet = setTimeout(() => show("said", false), 12_000);
}

// --- what is read, and how it is shown ---------------------------------------------------------------------------

const lists = (...names) => async () => {
  for (const name of names) held[name] = (await call(`/${name}`)).items ?? [];
};
const doors = { doing, read: call, again: (...names) => names.forEach(soon), held };
const PARTS = { // name -> how it is read, how it is drawn
  me: [async () => {
    const [me, clubs] = await Promise.all([call(""), call("/segments")]); // the first has every list in it
    held.me = { ...me, clubs: clubs.items ?? [] };
    for (const name of LISTS) held[name] = held.me[name] ?? [];
    nameCurrencies(held.me.balances);
  }, () => { showHero(held.me); for (const part of Object.keys(PARTS)) if (part !== "me" && part !== "board") PARTS[part][1](); soon("jackpots"); setAlarm(); }],
  missions: [async () => { held.me.missions = (await call("/missions")).items; }, () => showMissions(held.me.missions ?? [], doors)],
  streaks: [lists("streaks"), () => showStreaks(held.streaks, doors)],
  quests: [lists("quests"), () => showQuests(held.quests)],
  minigames: [lists("minigames", "plays"), () => {
    showWheel(held.minigames.find((game) => game.type === "wheel"), held.plays, doors);
    showCalendar(held.minigames.find((game) => game.type === "calendar"), doors);
  }],
  tournaments: [lists("tournaments"), () => {
    if (!held.tournaments.some((race) => keyOf(race) === held.race)) {
      const first = held.tournaments.find((race) => !isOver(race)) ?? held.tournaments[0];
      held.race = first ? keyOf(first) : null;
    }
    showRaces(held.tournaments, doors, choose);
    if (held.race) soon("board");
    setAlarm();
  }],
  board: [async () => {
    const race = chosenRace();
    const rows = race && isOver(race) ? "" : "around=me&"; // of one that is over who has won, else who is near
    held.board = race ? await call(`/tournaments/${encodeURIComponent(race.id)}/board?${rows}limit=13&run=${encodeURIComponent(race.run)}`) : null;
  }, () => showRace(chosenRace(), held.board, doors)],
  store: [lists("store"), () => showStore(held.store, doors)],
  purchases: [lists("purchases"), () => showPurchases(held.purchases, held.store)],
  raffles: [lists("raffles", "wins"), () => showPots(held, doors)],
  jackpots: [async () => {
    const [mine, shared] = await Promise.all([call("/jackpots"), call("/v1/jackpots")]);
    held.jackpots = (mine.items ?? []).map((pot) => ({ ...pot, ...shared.items?.find((one) => one.id === pot.id) }));
  }, () => showPots(held, doors)],
};
const chosenRace = () => held.tournaments.find((race) => keyOf(race) === held.race);

function choose(race) {
  held.race = race;
  held.board = null;
  showRaces(held.tournaments, doors, choose);
  showFacts(chosenRace());
  read("board");
}

const waiting = new Map(); // part -> its timer
const reading = new Set();

function soon(part) {
  if (!waiting.has(part)) waiting.set(part, setTimeout(() => { waiting.delete(part); read(part); }, AGAIN_MS));
}

async function read(part) {
  if (reading.has(part)) return soon(part);
  reading.add(part);
  const [fetched, draw] = PARTS[part];
  try {
    await fetched();
    draw();
  } catch (error) {
    if (part === "me" && error.status === 404) tell("bad", t("unknown_player"));
    else if (error instanceof Refused) { if (error.status !== 404 && error.status !== 401) tell("bad", t("unread", { what: error.message })); }
    else throw error;
  } finally {
    reading.delete(part);
  }
}

let alarm = 0;

/** Reads the page again when the next thing begins or ends by time alone, of which no delta tells: a day, a run, a raffle. */
function setAlarm() {
  clearTimeout(alarm);
  const times = [midnight(held.me?.timezone), ...held.tournaments.flatMap((race) => [race.starts_at, race.ends_at]), ...held.raffles.map((raffle) => raffle.draw_at)];
  const next = Math.min(...times.map((at) => new Date(at).getTime()).filter((at) => at > Date.now()));
  alarm = setTimeout(() => { setAlarm(); read("me"); }, Math.min(next - Date.now() + OVER_MS + Math.random() * SPREAD_MS, LOOK_MS));
}

function drawAll() {
  for (const place of document.querySelectorAll("[data-t]")) place.textContent = t(place.dataset.t);
  document.documentElement.lang = currentLanguage();
  document.title = t("lobby");
  line?.();
  if (held.me) PARTS.me[1]();
  if (held.board) PARTS.board[1]();
}

// --- deltas ------------------------------------------------------------------------------------------------------

const CHANGES = { // type of a delta -> the parts that it changes
  mission: ["missions", "quests"], reward: ["missions"], achievement: [], level: ["me", "store"], segment: ["me", "store"],
  streak: ["streaks"], quest: ["quests"], tournament: ["tournaments"], purchase: ["purchases", "store"], play: ["minigames"], spins: ["minigames"],
  raffle: ["raffles"], jackpot: ["jackpots"], rollback: ["me"],
  credit: ["me"], leaderboard: ["board", "jackpots"], // a bet that scores also went into the pots
};

function onDelta(delta) {
  if (!held.me) { // who was unknown until now: everything is read at once
    soon("me");
  } else if (delta.type === "points" && held.me.balances) {
    const balance = (held.me.balances[delta.currency] ??= { balance: 0 });
    balance.balance = delta.balance;
    showHero(held.me, delta.currency);
    forgetRefusals();
    soon("store"); // what can be paid for now
    if (String(delta.rule).startsWith("jackpots/")) soon("jackpots");
  } else if (delta.type === "mission" && delta.status === "in_progress" && progressed(delta)) {
    showMissions(held.me.missions, doors);
  } else {
    for (const part of CHANGES[delta.type] ?? []) soon(part);
    if (delta.type === "draw") noteDraw(delta);
  }
  note(delta);
}

/** Moves a task where it is; false when the page does not have it as it says. */
function progressed(delta) {
  const mission = held.me?.missions?.find((one) => one.id === delta.mission);
  const task = mission?.tasks.find((one) => one.id === delta.task);
  if (!task) return false;
  mission.status = "in_progress";
  task.actual = delta.actual;
  return true;
}

const nameIn = (items, id) => local(items?.find((one) => one.id === id)?.name, id);

function told(delta) {
  const mission = () => nameIn(held.me?.missions, delta.mission);
  switch (delta.type) {
    case "points": return [named(delta.rule), `${delta.amount > 0 ? "+" : "−"}${number(Math.abs(delta.amount))} ${currencyName(delta.currency)}`];
    case "mission": return delta.status === "in_progress" ? null : [mission(), t(delta.status)];
    case "reward": return !delta.mission ? [named(delta.rule), plain(delta.status)] : [mission(), t(delta.status === "claimed" ? "reward_collected" : "reward_expired")];
    case "achievement": return [nameIn(held.me?.achievements, delta.achievement), t("stage", { n: delta.stage })];
    case "level": return [t(delta.down ? "level_down" : "new_level"), plain(delta.level)];
    case "streak": return [nameIn(held.streaks, delta.streak), delta.status === "freezes" ? t("reward_freezes") : number(delta.count)];
    case "quest": return [nameIn(held.quests, delta.quest), delta.status === "completed" ? t("done") : t("done_of", { n: delta.done, max: delta.of })];
    case "notification": return [delta.title, ""];
    case "leaderboard": return [nameIn(held.tournaments, delta.tournament), number(delta.score)];
    case "purchase": return [nameIn(held.store, delta.item), t(`purchase_${delta.status}`)];
    case "play": case "draw": case "seed": return null; // the wheel says it itself
    case "tournament": return [nameIn(held.tournaments, delta.tournament), delta.rank ? t("place", { n: number(delta.rank) }) : plain(delta.status)];
    case "spins": return [nameIn(held.minigames, delta.minigame), `${delta.amount < 0 ? "−" : "+"}${number(Math.abs(delta.amount))} ${t("reward_spins")}`];
    case "jackpot": return [nameIn(held.jackpots, delta.jackpot), `+${number(delta.amount)} ${currencyName(delta.currency ?? "points")}`];
    case "raffle": return [nameIn(held.raffles, delta.raffle), delta.status === "tickets" ? t("tickets", { n: number(delta.held) }) : plain(delta.status)];
    default: return [plain(delta.type), plain(delta.status ?? "")];
  }
}

/** What a posting is for, by the name of the document behind its rule. */
function named(rule = "") {
  const [kind, id = kind] = rule.split("/");
  const lists = { missions: held.me?.missions, achievements: held.me?.achievements, streaks: held.streaks, quests: held.quests, tournaments: held.tournaments, rewards: held.store, minigames: held.minigames, raffles: held.raffles, jackpots: held.jackpots };
  return nameIn(lists[kind], id);
}

function note(delta) {
  const said = told(delta);
  if (!said) return;
  show("deltas-empty", false);
  $("deltas").prepend(el("li", { className: "fresh" }, el("span", { textContent: said[0] }), el("span", { className: "gain", textContent: said[1] }),
    el("span", { className: "more", textContent: [delta.body, moment(delta.at)].filter(Boolean).join(" · ") })));
  while ($("deltas").childElementCount > FEED_MAX) $("deltas").lastChild.remove();
}

// --- the connection ----------------------------------------------------------------------------------------------

function onState(tone, text, { code, again_s } = {}) {
  line = () => {
    const said = { connecting: t("connecting"), live: t("live"), lost: t("lost", { n: again_s }), refused: t("refused", { what: text }) }[code] ?? text;
    $("state").dataset.tone = tone;
    if ($("state").textContent !== said) $("state").textContent = said;
  };
  line();
}

function ask(problem) {
  socket?.close();
  socket = null;
  stored.set(TOKEN, null);
  show("main", false); show("ask", true);
  $("ask-problem").textContent = problem;
  line = null;
  $("state").textContent = "";
  $("state").dataset.tone = "idle";
}

/** Looks whether the token is dead: a 401 asks for a new address, and nothing is tried again. */
const onRefused = () => call("").catch(() => {}); // any other failure is the next connection's to say

function open() {
  show("ask", false); show("main", true);
  read("me");
  socket = new PlayerSocket({ token: async () => token, onState, onDelta, onResync: () => read("me"), onRefused });
}

/** Takes the token out of the address, so that it is not shared; false when there is none. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return false;
  stored.set(TOKEN, given);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

function start() {
  takeToken();
  addEventListener("hashchange", () => { if (takeToken()) location.reload(); }); // a new address in the same tab
  const wanted = [stored.get(CHOSEN), ...navigator.languages.map((tag) => tag.split("-")[0])];
  $("language").value = setLanguage(wanted.find((one) => LANGUAGES.includes(one)));
  $("language").addEventListener("change", () => { stored.set(CHOSEN, setLanguage($("language").value)); drawAll(); });
  drawAll();
  setInterval(() => { if (held.race) showFacts(chosenRace()); }, 1_000);
  token = stored.get(TOKEN);
  token ? open() : ask("");
}

start();
