// The wheel: its slices as wide as their chances, a spin that ends where the engine drew, and the sums behind it.

import { $, asks, el, priceText, rewardText, show } from "./lobby_dom.js";
import { commitmentOf, problemOf } from "./fairness.js";
import { local, number, t } from "./lobby_words.js";

const SVG = "http://www.w3.org/2000/svg";
const TURN_MS = 3_600; // as lobby.css has it
const TURNS = 5; // before it stops
const path = encodeURIComponent;
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

let wheel = null; // the game as it was read last
let doors = null;
let angle = 0;
let busy = false; // it turns: what is read meanwhile is drawn after it
let drawn = ""; // what the disc shows
let last = null; // the last draw: {draw, prize, seed}
let listening = false;


const svg = (tag, attributes, text = "") => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
};
const nameOf = (id) => local(wheel?.prizes?.find((prize) => prize.id === id)?.name, id);

/** The slices in degrees: from, width. */
function slices() {
  let from = 0;
  return wheel.prizes.map((prize) => {
    const chance = prize.odds.weight / prize.odds.of;
    const slice = { prize, from, width: 360 * chance, chance };
    from += slice.width;
    return slice;
  });
}

export function showWheel(game, plays, given) {
  if (busy) return; // it is read again when it stands
  wheel = game ?? null;
  doors = given;
  show("wheel-empty", !wheel);
  for (const id of ["wheel", "spin", "wheel-left", "proof"]) $(id).toggleAttribute("hidden", !wheel);
  $("wheel-title").textContent = wheel ? local(wheel.name, wheel.id) : "";
  if (!wheel) return;
  if (!listening) {
    listening = true;
    $("spin").addEventListener("click", spin);
    $("proof").addEventListener("toggle", () => { if ($("proof").open) showProof(); });
  }
  draw();
  const spins = wheel.spins + (wheel.attempts_left ?? 0);
  $("spin").textContent = wheel.buy_in && !wheel.spins ? t("spin_for", { price: priceText(wheel.buy_in) }) : t("spin");
  $("spin").disabled = !spins && wheel.attempts_left !== null;
  $("spin").ariaDisabled = "false";
  $("wheel-left").textContent = spins || wheel.attempts_left === null ? t("spins_left", { n: number(spins) }) : t("no_spins");
  const open = plays.find((play) => play.minigame === wheel.id && play.status === "drawn"); // of another tab, or before
  if (open && !$("prize").querySelector("button")) offer({ ...open, play: open.id });
  if ($("proof").open) showProof();
}

function draw() {
  const parts = slices();
  const said = t("wheel_says", { list: parts.map((part) => `${nameOf(part.prize.id)} ${number(part.chance * 100)} %`).join(", ") });
  if (drawn === said) return;
  drawn = said;
  $("wheel-text").textContent = said;
  const at = (degrees, radius) => [Math.sin((degrees * Math.PI) / 180) * radius, -Math.cos((degrees * Math.PI) / 180) * radius].map((value) => value.toFixed(2)).join(" ");
  $("wheel-disc").replaceChildren(
    ...parts.map(({ from, width }) => svg("path", { class: "slice", d: `M0 0 L${at(from, 100)} A100 100 0 ${width > 180 ? 1 : 0} 1 ${at(from + width, 100)} Z` })),
    ...parts.filter(({ width }) => width > 6).map(({ prize, from, width }) => svg("text", { transform: `rotate(${from + width / 2 - 90}) translate(94 3)`, "text-anchor": "end" }, nameOf(prize.id))),
    svg("circle", { class: "hub", r: 13 }));
}

/** A draw of another tab, or of a spin whose answer was lost: it can be checked too. */
export function noteDraw(draw) {
  if (draw.of === "minigames" && draw.ref === wheel?.id && !busy) last = { id: draw.id, prize: draw.result, epoch: draw.number, commitment: draw.commitment };
}

async function spin() {
  if (busy) return;
  busy = true;
  const shown = { epoch: wheel.epoch, commitment: wheel.commitment }; // before the draw: what it must agree with
  $("spin").ariaDisabled = "true"; // `busy` keeps it from a second spin, and it keeps the focus
  $("prize").replaceChildren(el("span", { className: "muted", textContent: t("spinning") }));
  const played = await doors.doing(`/minigames/${path(wheel.id)}/plays`, { client_seed: clientSeed() });
  if (played.refused) {
    busy = false;
    $("prize").textContent = played.refused.said;
    return doors.again("minigames");
  }
  last = { id: played.draw, prize: played.prize, ...shown };
  await turnTo(played.prize);
  busy = false;
  offer(played);
  doors.again("minigames");
  $("prize").querySelector("button")?.focus();
}

const clientSeed = () => [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function turnTo(prize) {
  const slice = slices().find((part) => part.prize.id === prize);
  if (!slice) return;
  const stop = slice.from + slice.width * (0.25 + Math.random() / 2); // where in the slice is only a picture
  angle = angle - (angle % 360) + 360 * TURNS + (360 - stop);
  $("wheel-disc").style.transform = `rotate(${angle}deg)`;
  if (!calm()) await new Promise((resolve) => setTimeout(resolve, TURN_MS));
}

function offer(played) {
  const name = nameOf(played.prize);
  if (played.lose) return $("prize").replaceChildren(el("strong", { textContent: t("you_lost") }));
  return $("prize").replaceChildren(
    el("span", { textContent: t("you_won") }), el("strong", { textContent: name }),
    asks(t("acknowledge"), async () => {
      const answer = await doors.doing(`/plays/${path(played.play)}/acknowledgement`, {});
      $("prize").textContent = answer.refused ? answer.refused.said : `${t("given")} ${rewardText(answer.rewards)}`;
      doors.again("minigames");
    }, { className: "", ariaLabel: `${t("acknowledge")}: ${name}` }));
}

// --- the sums ----------------------------------------------------------------------------------------------------

const line = (label, value) => [el("span", { textContent: label }), el("code", { textContent: value })];

async function showProof() {
  const parts = [el("p", { textContent: t("proof_text") })];
  if (wheel.commitment) parts.push(...line(`${t("commitment")} (${t("commitment_next")})`, wheel.commitment));
  if (last?.id) {
    parts.push(el("p", {}, el("strong", { textContent: `${t("last_draw")}: ${nameOf(last.prize)}` })), ...line("id", last.id),
      asks(t("check"), check));
    if (last.seed) parts.push(...line(t("seed"), last.seed));
    if (last.verdict) parts.push(el("p", { className: last.good ? "verdict" : "problem", role: "status", textContent: last.verdict }));
  }
  $("proof-body").replaceChildren(...parts);
}

/** Has the seed shown (the next one is committed to), and draws once more with it, here. */
async function check() {
  await doors.doing(`/minigames/${path(wheel.id)}/seed`, {});
  try {
    const record = await doors.read(`/draws/${path(last.id)}`);
    if (!record.seed) {
      Object.assign(last, { good: true, verdict: t("proof_later") });
    } else {
      const wrong = await problemOf(record, record.seed);
      // A play of a new day begins with the next seed, which was committed to but not shown here.
      const other = record.number === last.epoch && (await commitmentOf(record.seed)) !== last.commitment ? t("commitment") : "";
      Object.assign(last, { good: !wrong && !other, verdict: wrong || other ? t("proof_bad", { what: wrong || other }) : t("proof_good", { prize: nameOf(record.result) }), seed: record.seed });
    }
  } catch (error) {
    Object.assign(last, { good: false, verdict: error.message });
  }
  showProof();
}
