// How figures, times and deltas read. No page, no network.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export const count = (n) => (Number.isFinite(n) ? whole.format(n) : "–");
export const rate = (n) => (Number.isFinite(n) ? (n < 10 ? fine : whole).format(n) : "–");
export const time = (at) => (at ? clock.format(new Date(at)) : "");
export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;
export const words = (id) => String(id ?? "").replaceAll(/[-_]/g, " ").replace(/^./, (first) => first.toUpperCase());

/** The text of the reader's language, else English, else the first. */
export function text(texts, fallback = "") {
  if (typeof texts === "string") return texts || words(fallback);
  const all = texts ?? {};
  const language = navigator.language.split("-")[0];
  return all[navigator.language] ?? all[language] ?? all.en ?? Object.values(all)[0] ?? words(fallback);
}

/** What a frame of the socket tells a person: {title, more, gain}. */
export function told(frame, missionName) {
  switch (frame.type) {
    case "points":
      return {
        title: missionName((frame.rule ?? frame.currency).split("/").pop()),
        gain: `${frame.amount > 0 ? "+" : "−"}${count(Math.abs(frame.amount))} ${frame.currency}`,
      };
    case "mission": {
      const title = missionName(frame.mission);
      if (frame.status === "completed") return { title, gain: "Completed" };
      if (frame.expected) return { title, more: `${words(frame.task)}: ${count(frame.actual)} of ${count(frame.expected)}` };
      return { title, more: words(frame.status) };
    }
    case "reward":
      return { title: missionName(frame.mission), more: frame.status === "claimed" ? "Reward collected" : "Reward expired" };
    case "achievement":
      return { title: words(frame.achievement), gain: `Stage ${frame.stage}` };
    case "level":
      return { title: "New level", gain: words(frame.level) };
    case "segment":
      return { title: words(frame.segment), gain: frame.entered ? "Joined" : undefined, more: frame.entered ? undefined : "Left" };
    case "notification":
      return { title: frame.title || words(frame.template), more: frame.body };
    default:
      return { title: words(frame.type) };
  }
}

/** Path data of a sparkline in a box: its line and the area below it. */
export function sparkline(values, width, height, most) {
  if (values.length < 2) return { line: "", area: "" };
  const top = Math.max(...values, 1) * 1.1;
  const step = width / (most - 1);
  const start = width - step * (values.length - 1);
  const points = values.map((v, i) => `${(start + i * step).toFixed(1)},${(height - (v / top) * height).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  return { line, area: `${line}L${width},${height}L${start.toFixed(1)},${height}Z` };
}

/** Missions in the order of interest: under way by how far, then open, then done, then locked. */
export function byInterest(missions) {
  const order = { in_progress: 0, available: 1, completed: 2, locked: 3 };
  const share = (m) => m.tasks.reduce((sum, t) => sum + Math.min(1, t.actual / t.expected), 0) / (m.tasks.length || 1);
  return [...missions].sort(
    (a, b) => Number(!!b.unclaimed?.length) - Number(!!a.unclaimed?.length)
      || (order[a.status] ?? 4) - (order[b.status] ?? 4) || share(b) - share(a),
  );
}
