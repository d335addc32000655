// The player's own things: purse, levels, streaks, quests, missions, the calendar, jackpots and raffles.

import { $, asks, bar, currencyName, el, fill, keyed, priceText, rewardText, show } from "./lobby_dom.js";
import { local, moment, number, plain, t } from "./lobby_words.js";
import { byInterest } from "./words.js";

const tag = (text, tone = "") => el("span", { className: `tag ${tone}`, textContent: text });
const path = encodeURIComponent;

export function showHero(me, moved) {
  const traits = me.traits ?? {};
  show("simulated", traits.simulated === true);
  $("who-name").textContent = traits.first_name ? `${traits.first_name} (${me.id})` : me.id;
  $("who-clubs").textContent = (me.clubs ?? []).map((club) => local(club.name, club.id)).join(", ");
  $("balances").replaceChildren(...Object.entries(me.balances ?? {}).map(([currency, held]) => el("div", {},
    el("dt", { textContent: currencyName(currency) }),
    el("dd", { textContent: number(held.balance), className: currency === moved ? "moved" : "" }),
    el("dd", { className: "aside", textContent: [held.pending ? t("pending", { n: number(held.pending) }) : "", expiry(held)].filter(Boolean).join(" · ") }))));
  $("levels").replaceChildren(...(me.levels ?? []).map(ladder));
  $("badges").replaceChildren(...(me.badges ?? []).filter((badge) => badge.earned).map((badge) => tag(`${local(badge.name, badge.id)}${badge.stages > 1 ? ` ${badge.stage}` : ""}`, "warn")));
}

function expiry(held) {
  return held.expires ? t("expires", { n: number(held.expires.amount), date: moment(held.expires.at) }) : "";
}

function ladder(system) {
  const name = local(system.name, system.id === "main" ? t("level") : system.id);
  const reached = system.window ?? system.lifetime;
  const next = system.next;
  return el("div", { className: "ladder" },
    el("div", { className: "line" },
      el("span", {}, `${name}: `, el("strong", { textContent: system.level ? local(system.level_name, system.level) : t("none_yet") })),
      el("span", { textContent: [next ? t("next_at", { name: local(next.name, next.id), n: number(next.at) }) : "", system.until ? t("judged_on", { date: moment(system.until) }) : ""].filter(Boolean).join(" · ") })),
    next ? bar(reached, next.at, t("progress_to", { name: local(next.name, next.id) })) : "",
    el("p", { className: "tags" }, ...Object.entries(system.benefits ?? {}).map(([benefit, value]) => tag(value === true ? plain(benefit) : `${plain(benefit)}: ${value}`, "good"))));
}

export function showStreaks(streaks, { doing, again }) {
  fill("streaks", streaks, (streak) => {
    const { held = 0, max = 0, price = null } = streak.freezes ?? {};
    const reward = streak.next;
    return el("li", {},
      el("div", { className: "line" },
        el("span", { className: "name", textContent: local(streak.name, streak.id) }),
        tag(t(streak.counted ? "today_done" : "today_open"), streak.counted ? "good" : "warn")),
      el("p", {}, el("span", { className: "count", textContent: number(streak.count) }), el("span", { className: "muted", textContent: `${t("days")} · ${t("best", { n: number(streak.best) })}` })),
      streak.count && streak.ends_at && !streak.counted ? el("p", { className: "muted", textContent: t("keep_until", { date: moment(streak.ends_at) }) }) : "",
      reward ? el("p", { className: "muted", textContent: `${number(reward.at)}: ${rewardText(reward.rewards)}` }) : "",
      max ? el("p", { className: "muted", textContent: t("freezes", { n: number(held), max: number(max) }) }) : "",
      price && held < max ? keyed(asks(t("buy_freeze", { price: priceText(price) }), async () => {
        await doing(`/streaks/${path(streak.id)}/freezes`, {}, t("bought", { name: local(streak.name, streak.id) }), priceText(price));
        again("streaks");
      }), streak.id) : "");
  });
}

export function showQuests(quests) {
  fill("quests", quests, (quest) => {
    return el("li", {},
      el("div", { className: "line" }, el("span", { className: "name", textContent: local(quest.name, quest.id) }),
        quest.status === "completed" ? tag(t("completed"), "good") : el("span", { className: "muted", textContent: t("done_of", { n: quest.done, max: quest.of }) })),
      bar(quest.done, quest.of, local(quest.name, quest.id)),
      el("p", { className: "muted", textContent: rewardText(quest.rewards) }));
  });
}

const TONES = { in_progress: "accent", completed: "good", expired: "bad", missed: "bad" };

export function showMissions(missions, { doing, again }) {
  fill("missions", byInterest(missions), (mission) => {
    const name = local(mission.name, mission.id);
    const waiting = mission.unclaimed ?? [];
    const joins = mission.opt_in && mission.status === "available";
    const times = mission.completed_count > 1 ? ` ×${number(mission.completed_count)}` : "";
    return el("li", {},
      el("div", { className: "line" }, el("span", { className: "name", textContent: name }), tag(t(mission.status) + times, TONES[mission.status] ?? "")),
      ...(mission.status === "locked" ? [] : mission.tasks.map((task) => el("div", { className: "task" },
        bar(mission.status === "completed" ? task.expected : task.actual, task.expected, `${name}: ${plain(task.id)}`),
        el("span", { textContent: `${number(Math.min(task.actual, task.expected))} / ${number(task.expected)}` })))),
      ...waiting.map((completion) => el("p", { className: "do" }, keyed(asks(`${t("claim")}: ${rewardText(mission.rewards)}`, async () => {
        await doing(`/completions/${path(completion.completion_id)}/claim`, {}, `${name}: ${t("reward_collected")}`);
        again("me");
      }), completion.completion_id))),
      joins ? el("p", { className: "do" }, keyed(asks(t("join"), async () => {
        await doing(`/missions/${path(mission.id)}/opt-in`, {}, t("joined", { name }));
        again("me");
      }, { ariaLabel: `${t("join")}: ${name}` }), mission.id)) : "");
  });
}

export function showCalendar(game, { doing, again }) {
  $("calendar-title").textContent = game ? local(game.name, game.id) : "";
  fill("calendar", game?.cells ?? [], (cell) => {
    const made = el("li", {}, el("span", { textContent: local(cell.name, cell.prize) }));
    made.dataset.state = cell.status;
    if (cell.status === "opened") made.append(el("span", { textContent: t("taken") }));
    if (cell.status === "open") made.append(keyed(asks(t("open_cell"), async () => {
      const played = await doing(`/minigames/${path(game.id)}/plays`, {});
      if (!played.refused && played.play) await doing(`/plays/${path(played.play)}/acknowledgement`, {}, (answer) => `${t("you_won")}: ${rewardText(answer.rewards)}`);
      again("minigames");
    }), `${game.id}/${cell.prize}`));
    return made;
  });
}

export function showPots({ jackpots, raffles, wins }, { doing, again }) {
  fill("pots", jackpots, (pot) => {
    const most = pot.must_hit_by;
    const amount = pot.amount ?? 0;
    const last = pot.winners?.at(0);
    return el("li", {},
      el("div", { className: "line" }, el("span", { className: "name", textContent: local(pot.name, pot.id) }), el("span", { className: "pot", textContent: `${number(amount, 0)} ${currencyName(pot.currency).toLowerCase()}` })),
      most ? bar(amount, most, local(pot.name, pot.id)) : "",
      el("p", { className: "muted", textContent: [most ? t("must_hit_by", { n: number(most) }) : "", last ? t("last_hit", { amount: number(last.amount), date: moment(last.at) }) : ""].filter(Boolean).join(" · ") }));
  });
  fill("raffles", raffles, (raffle) => {
    const held = number(raffle.tickets);
    const most = raffle.max_per_player;
    const won = wins.filter((win) => win.raffle === raffle.id && win.status === "won");
    const prize = (id) => local(raffle.prizes?.find((one) => one.id === id)?.name, id);
    return el("li", {},
      el("div", { className: "line" }, el("span", { className: "name", textContent: local(raffle.name, raffle.id) }), el("span", { textContent: most ? t("tickets_of", { n: held, max: number(most) }) : t("tickets", { n: held }) })),
      el("p", { className: "muted", textContent: raffle.draw_at ? t("drawn_on", { date: moment(raffle.draw_at) }) : "" }),
      ...won.map((win) => keyed(asks(`${t("won_prize", { name: prize(win.prize) })} · ${t("claim")}`, async () => {
        await doing(`/raffles/claims/${path(win.id)}`, {}, t("reward_collected"));
        again("raffles");
      }), win.id)));
  });
}
