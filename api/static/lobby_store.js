// The store: what there is, at what price for this player, and why not.

import { asks, el, fill, keyed, priceText } from "./lobby_dom.js";
import { local, moment, number, plain, refusal, t } from "./lobby_words.js";

const path = encodeURIComponent;
const refusals = new Map(); // item -> what the last try was refused with, until the next, or until the purse moves

/** Forgets why tries were refused: it may hold no longer. */
export const forgetRefusals = () => refusals.clear();

export function showStore(items, { doing, again }) {
  fill("store", items, (item) => {
    const name = local(item.name, item.id);
    const price = priceText(item.price);
    const said = refusals.get(item.id) ?? (item.reason ? refusal(item.reason, plain(item.reason), { price }) : "");
    const limit = item.limit ? t(`left_${item.limit.per}`, { n: number(item.limit.left) }) : "";
    return el("li", {},
      el("span", { className: "name", textContent: name }),
      el("span", { className: "muted", textContent: local(item.description ?? {}, "") }),
      el("span", { className: "price" }, item.price.before > item.price.amount ? el("s", { textContent: number(item.price.before) }) : "", price),
      el("span", { className: "muted", textContent: [item.stock == null ? "" : t("stock_of", { n: number(item.stock) }), limit].filter(Boolean).join(" · ") }),
      said ? el("span", { className: "refusal", textContent: said }) : "",
      el("p", { className: "foot" }, keyed(asks(t("buy"), async () => {
        const answer = await doing(`/store/${path(item.id)}/purchases`, {}, t("bought", { name }), price);
        answer.refused ? refusals.set(item.id, answer.refused.said) : refusals.delete(item.id);
        again("store", "purchases");
      }, { ariaLabel: `${t("buy_named", { name })}, ${price}` }), item.id)));
  });
}

export function showPurchases(purchases, items) {
  fill("purchases", purchases.slice(0, 8), (purchase) => el("li", {},
    el("span", { textContent: local(items.find((item) => item.id === purchase.item)?.name, purchase.item) }),
    el("span", { className: "when", textContent: t(`purchase_${purchase.status}`) }),
    el("span", { className: "more", textContent: [purchase.price?.amount ? priceText(purchase.price) : "", moment(purchase.at)].filter(Boolean).join(" · ") })));
}
