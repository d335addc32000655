// The maths of a draw, once more in the browser (docs/gamification/fairness.md): what the engine says can be checked without it.

const bytes = (text) => new TextEncoder().encode(text);
const hexOf = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** The SHA-256 of a seed, in hex: what is shown before anything is drawn with it. */
export const commitmentOf = async (seed) => hexOf(await crypto.subtle.digest("SHA-256", unhex(seed)));

/** A number drawn with a seed, 0 <= number < n: HMAC-SHA256 of "client seed:nonce:counter", read as 256 bits, times n. */
export async function numberBelow(n, seed, clientSeed, nonce, counter = 0) {
  const key = await crypto.subtle.importKey("raw", unhex(seed), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const value = BigInt(`0x${hexOf(await crypto.subtle.sign("HMAC", key, bytes(`${clientSeed}:${nonce}:${counter}`)))}`);
  return Number((value * BigInt(n)) >> 256n);
}

/** The outcome whose part of the weights, laid end to end, the number is in. */
export function outcomeAt(table, number) {
  for (const [outcome, weight] of table) {
    if (number < weight) return outcome;
    number -= weight;
  }
  return null;
}

/**
 * What is wrong with the draw of a prize, "" when nothing is.
 *
 * @param {{commitment: string, client_seed: string, nonce: number, result: string, table: [string, number][], out: string[]}} draw
 */
export async function problemOf(draw, seed) {
  if ((await commitmentOf(seed)) !== draw.commitment) return "SHA-256";
  const drawn = [...(draw.out ?? []), draw.result]; // what was out of stock was drawn first, and left out of the next
  for (const [counter, expected] of drawn.entries()) {
    const table = draw.table.filter(([outcome]) => !drawn.slice(0, counter).includes(outcome));
    const sum = table.reduce((all, [, weight]) => all + weight, 0);
    const outcome = outcomeAt(table, await numberBelow(sum, seed, draw.client_seed, draw.nonce, counter));
    if (outcome !== expected) return `${outcome} ≠ ${expected}`;
  }
  return "";
}
