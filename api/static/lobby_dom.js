// What every part of the lobby builds its elements with. All texts go in as text, never as HTML.

import { local, number, plain, t } from "./lobby_words.js";

export const $ = (id) => document.getElementById(id);
export const el = (tag, props = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children.filter((child) => child != null && child !== ""));
  return made;
};
export const show = (id, visible) => { $(id).hidden = !visible; };

const currencies = new Map(); // id -> name, as the programme has it

/** Tells the page what currencies are called: {id: {name}}. */
export function nameCurrencies(balances) {
  for (const [id, held] of Object.entries(balances ?? {})) if (held.name) currencies.set(id, held.name);
}
const CURRENCIES = { points: { en: "points", uk: "балів", ru: "баллов" }, gems: { en: "gems", uk: "самоцвітів", ru: "самоцветов" } };
export const currencyName = (id) => local(currencies.get(id) ?? CURRENCIES[id], id);
export const priceText = (price) => (price?.amount ? `${number(price.amount)} ${currencyName(price.currency).toLowerCase()}` : t("free"));

/** What a list of rewards gives, in words. */
export const rewardText = (rewards) => (rewards ?? []).map((reward) => {
  if (reward.item) return reward.amount > 1 ? `${number(reward.amount)} × ${plain(reward.item)}` : plain(reward.item);
  const what = reward.currency ? currencyName(reward.currency) : t(reward.minigame ? "reward_spins" : reward.raffle ? "reward_tickets" : "reward_freezes");
  return `${what}: ${number(reward.amount)}`;
}).join(", ");

export function bar(value, max, label) {
  const made = el("progress", { max: max || 1, value: Math.max(0, Math.min(value, max || 1)) });
  made.setAttribute("aria-label", label);
  return made;
}

/** A button that asks for something: pressed again before there is an answer, it does nothing. It keeps the focus. */
export function asks(label, act, props = {}) {
  const button = el("button", { type: "button", className: "small", textContent: label, ...props });
  button.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return; // not `disabled`, which takes the focus away
    button.ariaDisabled = "true";
    try { await act(button); } finally { button.ariaDisabled = "false"; }
  });
  return button;
}

/**
 * Fills a list with what the items make, or shows its empty text. A keyboard keeps its place: the element that is
 * drawn for the same thing (data-key) has the focus again.
 */
export function fill(name, items, make) {
  const focused = $(name).contains(document.activeElement) ? document.activeElement.dataset.key : null;
  $(name).replaceChildren(...items.map(make));
  show(name, items.length > 0);
  if ($(`${name}-empty`)) show(`${name}-empty`, !items.length);
  if (focused) $(name).querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** Marks a control so that it is found again when its list is drawn anew. */
export function keyed(control, key) {
  control.dataset.key = key;
  return control;
}
