// Tournaments: which are on, the rows around the player, and the way in.

import { $, asks, el, fill, keyed, priceText, rewardText, show } from "./lobby_dom.js";
import { local, moment, number, plain, refusal, t, until } from "./lobby_words.js";

const path = encodeURIComponent;
export const keyOf = (race) => `${race.id}@${race.run}`;

export const isOver = (race) => race.ends_at <= Date.now() || ["finished", "cancelled"].includes(race.status);

/** Runs that go on or are to come first; those that are over say so, since the next of the same name stands beside them. */
export function showRaces(races, { held }, choose) {
  fill("races", [...races].sort((one, other) => isOver(one) - isOver(other)), (race) => {
    const when = isOver(race) ? ` (${t("ended", { date: moment(race.ends_at) })})` : race.starts_at > Date.now() ? ` (${moment(race.starts_at)})` : "";
    const chip = keyed(el("button", { type: "button", textContent: local(race.name, race.id) + when }), keyOf(race));
    chip.setAttribute("aria-pressed", String(keyOf(race) === held.race));
    chip.addEventListener("click", () => choose(keyOf(race)));
    return chip;
  });
  show("race-body", races.length > 0);
}

export function showRace(race, board, { doing, again }) {
  if (!race) return;
  const rows = board?.items ?? [];
  $("race-rank").replaceChildren(board?.rank ? el("strong", { textContent: t("my_rank", { n: number(board.rank), of: number(board.entrants) }) }) : t("not_ranked"));
  showFacts(race);
  fill("race-doors", door(race, doing, again), (part) => part);
  let before = 0;
  $("rows").replaceChildren(...rows.flatMap((row) => {
    const made = el("tr", {},
      el("td", { className: "n", textContent: number(row.rank) }),
      el("td", { textContent: [row.name || t("somebody"), row.me ? `(${t("you")})` : ""].filter(Boolean).join(" ") },
        board.frozen ? el("span", { className: "muted prize", textContent: prizeAt(race, row.rank) }) : ""),
      el("td", { className: "n", textContent: number(row.score) }));
    if (row.me) made.setAttribute("aria-current", "true");
    const gap = before && row.rank > before + 1 ? [el("tr", { className: "gap" }, el("td", { colSpan: 3, textContent: "…" }))] : [];
    before = row.rank;
    return [...gap, made];
  }));
  show("rows-empty", !rows.length);
}

/** Says when the run ends, and how long that is: drawn again every second. */
export function showFacts(race) {
  const ends = !race?.ends_at ? "" : isOver(race) ? t("ended", { date: moment(race.ends_at) }) : `${t("ends", { date: moment(race.ends_at) })}, ${until(race.ends_at)}`;
  const said = [race?.me?.tier ? t("tier", { name: plain(race.me.tier) }) : "", ends].filter(Boolean).join(" · ");
  if ($("race-facts").textContent !== said) $("race-facts").textContent = said;
}

function prizeAt(race, rank) {
  const places = race.prizes?.find((one) => one.from <= rank && rank <= one.until && (!one.tiers?.length || one.tiers.includes(race.me?.tier)));
  return places ? rewardText(places.rewards) : "";
}

function door(race, doing, again) {
  const name = local(race.name, race.id);
  const price = race.buy_in ? priceText(race.buy_in) : "";
  if (race.me?.status === "pending") return [t("pending_approval")];
  if (race.registration === "auto") return [];
  if (race.me?.registered) return [el("span", { className: "tag good", textContent: t("registered") })];
  if (race.me?.reason) return [el("span", { className: "muted", textContent: refusal(race.me.reason, plain(race.me.reason)) })];
  if (race.players?.min && race.status === "running") return []; // who was to come had to come before it began
  if (!["registering", "running"].includes(race.status)) return [];
  return [keyed(asks(price ? t("register_for", { price }) : t("register"), async () => {
    await doing(`/tournaments/${path(race.id)}/registration`, { run: race.run }, t("joined", { name }), price);
    again("tournaments");
  }), keyOf(race))];
}
